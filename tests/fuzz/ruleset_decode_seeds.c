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
static const struct xt_comment_info comment = {.comment = "seed"};

static const struct {
	const char *name;
	uint8_t revision;
	uint16_t protocol;
	const void *payload;
	size_t size;
} matches[] = {
	{"tcp", 0, IPPROTO_TCP, &tcp, sizeof(tcp)},
	{"udp", 0, IPPROTO_UDP, &udp, sizeof(udp)},
	{"icmp", 0, IPPROTO_ICMP, &icmp, sizeof(icmp)},
	{"multiport", 1, IPPROTO_TCP, &ports, sizeof(ports)},
	{"conntrack", 1, 0, &conntrack_1, sizeof(conntrack_1)},
	{"conntrack", 2, 0, &conntrack_2, sizeof(conntrack_2)},
	{"conntrack", 3, 0, &conntrack_3, sizeof(conntrack_3)},
	{"state", 0, 0, &state, sizeof(state)},
	{"comment", 0, 0, &comment, sizeof(comment)},
};

#define N_MATCHES (sizeof(matches) / sizeof(matches[0]))

/* A table that is refused would not lead the fuzzer far. */
static void check_table(const char *name, const struct ipt_replace *replace, size_t length)
{
	struct ruleset *ruleset = NULL;
	struct message message = {0};

	if (ruleset_decode(NFPROTO_IPV4, replace, length, &ruleset, &message) < 0)
		errx(1, "%s: %s", name, message.text);
	ruleset_free(ruleset);
}

static void write_table(const char *directory, const char *name, const struct blob *blob)
{
	char path[4096];
	size_t length;
	struct ipt_replace *replace = blob_build(blob, &length);
	FILE *file;

	check_table(name, replace, length);
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "w");
	if (!file || fwrite(replace, 1, length, file) != length || fclose(file) != 0)
		err(1, "%s", path);
	free(replace);
}

static void add_match(struct blob *blob, struct ipt_ip *ip, size_t index)
{
	ip->proto = matches[index].protocol;
	blob_match(blob, matches[index].name, matches[index].revision, matches[index].payload,
		   matches[index].size);
}

/* One table for each match: small ones are changed more thoroughly. */
static void write_matches(const char *directory)
{
	for (size_t i = 0; i < N_MATCHES; i++) {
		struct blob *blob = blob_new();
		char name[64];

		add_match(blob, blob_rule(blob, "INPUT", "DROP"), i);
		snprintf(name, sizeof(name), "%s-%u", matches[i].name, matches[i].revision);
		write_table(directory, name, blob);
		blob_free(blob);
	}
}

static void write_chains(const char *directory)
{
	struct blob *blob = blob_new();

	blob_chain(blob, "a");
	blob_chain(blob, "b");
	blob_rule(blob, "INPUT", "a");
	blob_rule(blob, "FORWARD", NULL);
	blob_rule(blob, "OUTPUT", "b")->flags = IPT_F_GOTO;
	blob_rule(blob, "a", "b")->flags = IPT_F_FRAG;
	blob_rule(blob, "a", "RETURN");
	blob_rule(blob, "a", "a");
	blob_rule(blob, "b", "DROP")->invflags = IPT_INV_SRCIP;
	blob_policy(blob, "FORWARD", NF_DROP);
	write_table(directory, "chains", blob);
	blob_free(blob);
}

static void write_all(const char *directory)
{
	struct blob *blob = blob_new();

	blob_chain(blob, "user");
	for (size_t i = 0; i < N_MATCHES; i++)
		add_match(blob,
			  blob_rule(blob, i % 2 ? "user" : "OUTPUT", i % 2 ? "ACCEPT" : "user"), i);
	write_table(directory, "all", blob);
	blob_free(blob);
}

int main(int argc, char **argv)
{
	struct blob *empty = blob_new();

	if (argc != 2)
		errx(2, "usage: ruleset_decode_seeds DIRECTORY");
	write_table(argv[1], "empty", empty);
	blob_free(empty);
	write_matches(argv[1]);
	write_chains(argv[1]);
	write_all(argv[1]);
	return 0;
}
