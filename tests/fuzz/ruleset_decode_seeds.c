// SPDX-License-Identifier: GPL-2.0-or-later
/* ruleset_decode_seeds DIRECTORY: writes tables there with every kind of entry, to begin from. */
#include "../unit/blob.h"

#include "ruleset/ruleset.h"

#include <err.h>
#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_state.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ipt_ttl.h>
#include <linux/netfilter_ipv6/ip6t_frag.h>
#include <linux/netfilter_ipv6/ip6t_ipv6header.h>
#include <linux/netfilter_ipv6/ip6t_mh.h>
#include <linux/netfilter_ipv6/ip6t_opts.h>
#include <linux/netfilter_ipv6/ip6t_rt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static const struct xt_tcp tcp = {.spts = {0, 65535}, .dpts = {1, 2}, .option = 2, .flg_mask = 2};
static const struct xt_udp udp = {.spts = {1, 2}, .dpts = {0, 65535}, .invflags = 1};
static const struct ipt_icmp icmp = {.type = 8, .code = {0, 255}};
static const struct xt_multiport_v1 ports = {.count = 3, .ports = {1, 2, 4}, .pflags = {0, 1}};
static const struct xt_conntrack_mtinfo1 conntrack_1 = {.match_flags = 0x1fff};
static const struct xt_conntrack_mtinfo2 conntrack_2 = {.match_flags = 0x1fff};
static const struct xt_conntrack_mtinfo3 conntrack_3 = {.match_flags = 0x1fff};
static const struct xt_state_info state = {.statemask = 2};
static const struct ipt_ttl_info hop_limit = {.mode = IPT_TTL_LT, .ttl = 9};
static const struct ip6t_ipv6header_info headers = {.matchflags = MASK_AH, .modeflag = 1};
static const struct ip6t_frag fragment = {.ids = {0, 9}, .flags = IP6T_FRAG_FST};
static const struct ip6t_rt routing = {
	.flags = IP6T_RT_TYP | IP6T_RT_FST, .segsleft = {0, 9}, .addrnr = 2};
static const struct ip6t_opts options = {
	.flags = IP6T_OPTS_OPTS, .opts = {0x0502, 0x01ff}, .optsnr = 2};
static const struct ip6t_mh mobility = {.types = {0, 7}};
static const int nothing;
static const struct xt_comment_info comment = {.comment = "seed"};

#define BOTH 0

static const struct {
	const char *name;
	uint8_t revision;
	uint8_t family;
	uint16_t protocol;
	const void *payload;
	size_t size;
} matches[] = {
	{"tcp", 0, BOTH, IPPROTO_TCP, &tcp, sizeof(tcp)},
	{"udp", 0, BOTH, IPPROTO_UDP, &udp, sizeof(udp)},
	{"icmp", 0, NFPROTO_IPV4, IPPROTO_ICMP, &icmp, sizeof(icmp)},
	{"icmp6", 0, NFPROTO_IPV6, IPPROTO_ICMPV6, &icmp, sizeof(icmp)},
	{"multiport", 1, BOTH, IPPROTO_TCP, &ports, sizeof(ports)},
	{"conntrack", 1, BOTH, 0, &conntrack_1, sizeof(conntrack_1)},
	{"conntrack", 2, BOTH, 0, &conntrack_2, sizeof(conntrack_2)},
	{"conntrack", 3, BOTH, 0, &conntrack_3, sizeof(conntrack_3)},
	{"state", 0, BOTH, 0, &state, sizeof(state)},
	{"comment", 0, BOTH, 0, &comment, sizeof(comment)},
	{"ttl", 0, NFPROTO_IPV4, 0, &hop_limit, sizeof(hop_limit)},
	{"hl", 0, NFPROTO_IPV6, 0, &hop_limit, sizeof(hop_limit)},
	{"ipv6header", 0, NFPROTO_IPV6, 0, &headers, sizeof(headers)},
	{"frag", 0, NFPROTO_IPV6, 0, &fragment, sizeof(fragment)},
	{"rt", 0, NFPROTO_IPV6, 0, &routing, sizeof(routing)},
	{"hbh", 0, NFPROTO_IPV6, 0, &options, sizeof(options)},
	{"dst", 0, NFPROTO_IPV6, 0, &options, sizeof(options)},
	{"mh", 0, NFPROTO_IPV6, IPPROTO_MH, &mobility, sizeof(mobility)},
	{"eui64", 0, NFPROTO_IPV6, 0, &nothing, sizeof(nothing)},
};

#define N_MATCHES (sizeof(matches) / sizeof(matches[0]))

/* A table in the making, and where it is to be written. */
struct seed {
	const char *directory;
	uint8_t family;
	struct blob *blob;
};

static struct seed new_seed(const char *directory, uint8_t family)
{
	return (struct seed){
		.directory = directory,
		.family = family,
		.blob = family == NFPROTO_IPV6 ? blob_new_ipv6() : blob_new(),
	};
}

static void add_rule(const struct seed *seed, const char *chain, const char *target,
		     uint16_t protocol, uint8_t flags, uint8_t inversions)
{
	if (seed->family == NFPROTO_IPV6) {
		struct ip6t_ip6 *ip = blob_rule_ipv6(seed->blob, chain, target);

		ip->proto = protocol;
		ip->flags = flags;
		ip->invflags = inversions;
	} else {
		struct ipt_ip *ip = blob_rule(seed->blob, chain, target);

		ip->proto = protocol;
		ip->flags = flags;
		ip->invflags = inversions;
	}
}

/* A table that is refused would not lead the fuzzer far. */
static void check_table(const struct seed *seed, const char *name,
			const struct ipt_replace *replace, size_t length)
{
	struct ruleset *ruleset = NULL;
	struct message message = {0};

	if (ruleset_decode(seed->family, replace, length, &ruleset, &message) < 0)
		errx(1, "%s: %s", name, message.text);
	ruleset_free(ruleset);
}

/* The fuzzer's input begins with the family. */
static void write_seed(struct seed *seed, const char *name)
{
	bool ipv6 = seed->family == NFPROTO_IPV6;
	char path[4096];
	size_t length;
	struct ipt_replace *replace = blob_build(seed->blob, &length);
	FILE *file;

	check_table(seed, name, replace, length);
	snprintf(path, sizeof(path), "%s/%s-%s", seed->directory, name, ipv6 ? "ipv6" : "ipv4");
	file = fopen(path, "w");
	if (!file || fputc(ipv6, file) == EOF || fwrite(replace, 1, length, file) != length ||
	    fclose(file) != 0)
		err(1, "%s", path);
	free(replace);
	blob_free(seed->blob);
}

static void add_match(const struct seed *seed, const char *chain, const char *target, size_t index)
{
	add_rule(seed, chain, target, matches[index].protocol, 0, 0);
	blob_match(seed->blob, matches[index].name, matches[index].revision, matches[index].payload,
		   matches[index].size);
}

static bool has_match(uint8_t family, size_t index)
{
	return matches[index].family == BOTH || matches[index].family == family;
}

/* One table for each match: small ones are changed more thoroughly. */
static void write_matches(const char *directory, uint8_t family)
{
	for (size_t i = 0; i < N_MATCHES; i++) {
		struct seed seed;
		char name[64];

		if (!has_match(family, i))
			continue;
		seed = new_seed(directory, family);
		add_match(&seed, "INPUT", "DROP", i);
		snprintf(name, sizeof(name), "%s-%u", matches[i].name, matches[i].revision);
		write_seed(&seed, name);
	}
}

static void write_chains(const char *directory, uint8_t family)
{
	struct seed seed = new_seed(directory, family);

	blob_chain(seed.blob, "a");
	blob_chain(seed.blob, "b");
	add_rule(&seed, "INPUT", "a", 0, 0, 0);
	add_rule(&seed, "FORWARD", NULL, 0, 0, 0);
	add_rule(&seed, "OUTPUT", "b", 0, family == NFPROTO_IPV6 ? IP6T_F_GOTO : IPT_F_GOTO, 0);
	/* In IPv6 this is the flag for a protocol, in IPv4 the one for fragments. */
	add_rule(&seed, "a", "b", 0, 0x01, 0);
	add_rule(&seed, "a", "RETURN", 0, 0, 0);
	add_rule(&seed, "a", "a", 0, 0, 0);
	add_rule(&seed, "b", "DROP", 0, 0, IPT_INV_SRCIP);
	blob_policy(seed.blob, "FORWARD", NF_DROP);
	write_seed(&seed, "chains");
}

static void write_all(const char *directory, uint8_t family)
{
	struct seed seed = new_seed(directory, family);

	blob_chain(seed.blob, "user");
	for (size_t i = 0; i < N_MATCHES; i++) {
		/* eui64 is not for OUTPUT, from which the chain is reached, too. */
		if (has_match(family, i) && matches[i].payload != &nothing)
			add_match(&seed, i % 2 ? "user" : "OUTPUT", i % 2 ? "ACCEPT" : "user", i);
	}
	write_seed(&seed, "all");
}

int main(int argc, char **argv)
{
	static const uint8_t families[] = {NFPROTO_IPV4, NFPROTO_IPV6};

	if (argc != 2)
		errx(2, "usage: ruleset_decode_seeds DIRECTORY");
	for (size_t i = 0; i < sizeof(families); i++) {
		struct seed empty = new_seed(argv[1], families[i]);

		write_seed(&empty, "empty");
		write_matches(argv[1], families[i]);
		write_chains(argv[1], families[i]);
		write_all(argv[1], families[i]);
	}
	return 0;
}
