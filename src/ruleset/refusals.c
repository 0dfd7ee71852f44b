// SPDX-License-Identifier: GPL-2.0-or-later
#include "ruleset/refusals.h"

#include "common/cleanup.h"

#include <string.h>

#define MANGLES "it changes packets, and is for the table mangle: put the rule there"
#define ROUTES  "it is for the tables raw and mangle, in front of routing"
#define RAW     "it is for the table raw, in front of connection tracking"
#define NATS    "it is for the table nat"

static const struct {
	enum extension_kind kind;
	const char *name;
	const char *reason;
} refusals[] = {
	{EXTENSION_MATCH, "cluster",
	 "the kernel's changes the type of packets that it looks at, which eBPF cannot here: put "
	 "the rule into the table mangle"},
	{EXTENSION_MATCH, "connlimit",
	 "it has to know which other connections are still alive, and a netfilter program cannot "
	 "look "
	 "them up: put the rule into the table mangle; hashlimit and recent limit how fast new "
	 "ones come"},
	{EXTENSION_MATCH, "ipvs",
	 "it looks at IPVS's connections, which a netfilter program cannot look up"},
	{EXTENSION_MATCH, "l2tp", "use u32, which can look at the same bytes"},
	{EXTENSION_MATCH, "nfacct",
	 "the kernel's objects for accounting cannot be reached from eBPF; rules have counters"},
	{EXTENSION_MATCH, "osf",
	 "the kernel's list of fingerprints cannot be reached from eBPF: put the rule into the "
	 "table mangle"},
	{EXTENSION_MATCH, "rpfilter", ROUTES},
	{EXTENSION_TARGET, "CHECKSUM", MANGLES},
	{EXTENSION_TARGET, "CONNSECMARK",
	 "it is for the tables security and mangle: put the rule there"},
	{EXTENSION_TARGET, "CT", RAW},
	{EXTENSION_TARGET, "DNAT", NATS},
	{EXTENSION_TARGET, "DSCP", MANGLES},
	{EXTENSION_TARGET, "ECN", MANGLES},
	{EXTENSION_TARGET, "HL", MANGLES},
	{EXTENSION_TARGET, "LED", "the kernel's lights are for its own rules"},
	{EXTENSION_TARGET, "MASQUERADE", NATS},
	{EXTENSION_TARGET, "NETMAP", NATS},
	{EXTENSION_TARGET, "NOTRACK", RAW},
	{EXTENSION_TARGET, "REDIRECT", NATS},
	{EXTENSION_TARGET, "SECMARK",
	 "it is for the tables security and mangle: put the rule there"},
	{EXTENSION_TARGET, "SNAT", NATS},
	{EXTENSION_TARGET, "SYNPROXY",
	 "it answers packets in the place of others and takes them away, which the kernel's own "
	 "cannot do beside the hook"},
	{EXTENSION_TARGET, "TCPMSS",
	 "it changes packets that later rules look at: put the rule into the table mangle"},
	{EXTENSION_TARGET, "TCPOPTSTRIP", MANGLES},
	{EXTENSION_TARGET, "TOS", MANGLES},
	{EXTENSION_TARGET, "TPROXY", MANGLES},
	{EXTENSION_TARGET, "TRACE",
	 "it is for the table raw, and what it traces are the rules of the kernel's own tables"},
	{EXTENSION_TARGET, "TTL", MANGLES},
	{EXTENSION_TARGET, "ULOG", "the kernel has it no more: use NFLOG"},
};

const char *refusal_reason(enum extension_kind kind, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
		if (refusals[i].kind == kind && strcmp(refusals[i].name, name) == 0)
			return refusals[i].reason;
	return NULL;
}
