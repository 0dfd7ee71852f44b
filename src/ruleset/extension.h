/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A match or target extension: what the kernel's xt_match/xt_target registration and its module are
 * there. One file per extension in src/ruleset/extensions, one line in extension.c's table.
 */
#pragma once

#include "common/message.h"
#include "ruleset/predicate.h"

/* The C library's definitions first: the kernel's headers then leave theirs out. */
#include <netinet/in.h>

#include <linux/netfilter.h>
#include <stdbool.h>
#include <stdint.h>

#define FAMILY_BIT(family) (1u << (family)) /* of NFPROTO_IPV4, NFPROTO_IPV6 */
#define FAMILIES_ALL       (FAMILY_BIT(NFPROTO_IPV4) | FAMILY_BIT(NFPROTO_IPV6))
#define HOOK_BIT(hook)     (1u << (hook)) /* of NF_INET_LOCAL_IN ... */

enum extension_kind {
	EXTENSION_MATCH,
	EXTENSION_TARGET,
};

/* What the kernel's own code does in our place: docs/delegation.md. */
enum extension_delegation {
	DELEGATION_NONE,
	/* A target, carried out behind the hook ... */
	DELEGATION_CONTINUES, /* ... and the packet goes on to the next rule */
	DELEGATION_ENDS,      /* ... and the packet has met its last rule */
	/*
	 * A match, evaluated in front of the hook for every packet. It must not drop any, nor look
	 * at what rules can change, nor, but for what observe() says, have an effect.
	 */
	DELEGATION_CONDITION,
};

/*
 * What delegated targets can change, and matches look at. A delegated target does its work when the
 * packet has met all rules; so no rule of the same hook may look at what it changes.
 */
enum extension_subject {
	SUBJECT_MARK,
	SUBJECT_CONNECTION_MARK,
	SUBJECT_SETS,
	SUBJECTS,
};

#define SUBJECT_BIT(subject) (1u << (subject))

/* Which packets a match has an effect for, beyond saying yes or no. */
enum match_effect {
	MATCH_NO_EFFECT,
	MATCH_EFFECT_IF_TRUE, /* without the inversion */
	MATCH_EFFECT_ALWAYS,
};

/* What a match keeps from packet to packet: abi/match_state.h. */
enum extension_state {
	STATE_NONE,
	STATE_CELL,      /* of each rule its own, which begin() fills in */
	STATE_RECENT,    /* a list, which all rules with its name share: datapath/recent_lists.h */
	STATE_HASHLIMIT, /* a table, likewise; begin(): datapath/hashlimit_tables.h */
};

/* What a packet can be answered with (enum nft_reject_types and the ICMP code, linux/icmp.h). */
struct rejection {
	bool silent; /* not at all */
	uint32_t type;
	uint8_t icmp_code;
};

/* What the kernel does, or keeps about packets, only if a rule asks for it. */
enum kernel_service {
	SERVICE_CONNTRACK = 1 << 0,
	SERVICE_ACCOUNTING = 1 << 1, /* bytes and packets of connections */
	SERVICE_LABELS = 1 << 2,     /* of connections */
	SERVICE_BRIDGES = 1 << 3,    /* bridged packets go through IP's hooks (br_netfilter) */
};

/* What an extension may know of the rule that it stands in. */
struct rule_context {
	uint8_t family;
	uint16_t protocol; /* 0: any */
	bool protocol_inverted;
	uint32_t hooks; /* HOOK_BIT()s from which the rule can be reached */
};

struct extension {
	enum extension_kind kind;
	const char *name;
	uint8_t revision;
	uint32_t families; /* FAMILY_BIT()s */
	uint16_t size;     /* of the payload, before XT_ALIGN */
	uint16_t protocol; /* only in rules with exactly this protocol; 0: in any */
	uint32_t hooks;    /* only in rules reached from these alone; 0: from any */
	bool conntrack;    /* needs the kernel's connection tracking in the namespace */
	bool clock;        /* asks for the time of day: the daemon follows the clock */
	uint32_t services; /* enum kernel_service: what else the kernel has to do for it */
	bool needs_skb;    /* looks at what is known at netfilter's hooks only */
	enum extension_delegation delegation;
	/*
	 * The kernel keeps something for each rule with it, be it that no packet gets there: a set
	 * that is not to be destroyed, say.
	 */
	bool holds;
	uint32_t changes;  /* SUBJECT_BIT()s */
	uint32_t observes; /* SUBJECT_BIT()s */
	enum extension_state state;

	/*
	 * The kernel's checkentry. Returns 0, or a negative errno with the reason in @message. May
	 * be NULL. The payload has the right size and is aligned to 8 bytes, but otherwise
	 * anything.
	 */
	int (*check)(const struct rule_context *context, const void *payload,
		     struct message *message);

	/*
	 * What the kernel's checkentry changes in a payload that it accepts, as the listing then
	 * shows. May be NULL.
	 */
	void (*settle)(void *payload);

	/*
	 * Appends the steps of the kernel's match function, in its order, to @predicate. Called
	 * only with payloads that passed check(). May be NULL: matches everything (comment).
	 */
	void (*compile)(const struct rule_context *context, const void *payload,
			struct predicate *predicate);

	/*
	 * STATE_CELL: what the kernel's checkentry allocates. Fills in @cell (MATCH_CELL_SIZE bytes
	 * of zeros) for a rule that is new; @now in jiffies. STATE_HASHLIMIT: fills in a struct
	 * hashlimit_rate of zeros.
	 */
	void (*begin)(const void *payload, uint64_t now, void *cell);

	/*
	 * A delegated target that x_tables allows in a table named "filter" only: what nftables'
	 * own expression has to do in its place. Else NULL.
	 */
	void (*reject)(const struct rule_context *context, const void *payload,
		       struct rejection *ret_rejection);

	/*
	 * A delegated match that has an effect, too, if a packet gets to it: takes that, and the
	 * inversion, out of @payload, and stores what it has taken. The match as it stands in the
	 * rule is then evaluated once more behind the hook, for the packets that got there, if
	 * there is an effect on them. May be NULL.
	 */
	void (*observe)(void *payload, enum match_effect *ret_effect, bool *ret_inverted);

	/* Those of @changes that are changed with this payload. NULL: all. */
	uint32_t (*changed)(const void *payload);

	/* Is the match delegated with this payload? Else it is compiled. NULL: with any. */
	bool (*delegates)(const struct rule_context *context, const void *payload);
};

/* NULL if there is none of this kind, name and revision for the family. */
const struct extension *extension_find(enum extension_kind kind, const char *name, uint8_t revision,
				       uint8_t family);

/* Is there any revision of it? */
bool extension_known(enum extension_kind kind, const char *name, uint8_t family);

/* All that there are, one after the other, each revision by itself; NULL behind the last. */
const struct extension *extension_at(size_t index);

/* For check(): EINVAL, with the reason in @message, if any of the @flags is not @known. */
int extension_check_inversion(unsigned int flags, unsigned int known, struct message *message);
