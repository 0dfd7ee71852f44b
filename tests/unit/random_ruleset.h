/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random rulesets, and what they do with a packet when their rules are taken one after the other:
 * the measure for the compiler and for the eBPF programs.
 */
#pragma once

#include "evaluate.h"
#include "ruleset/ruleset.h"

/*
 * Addresses, ports and hop limits of which rules and packets often have the same ones. Host byte
 * order.
 */
struct value random_address(uint8_t family);
uint16_t random_port(void);
uint8_t random_hop_limit(void);

/*
 * A table of @family (NFPROTO_IPV4 ...) with @n_rules rules in @base_chain ("INPUT", ...), and user
 * chains that jump and go to each other. To be freed with ruleset_free(). Fails the test if it is
 * refused.
 */
struct ruleset *random_ruleset(uint8_t family, const char *base_chain, uint32_t n_rules);

/*
 * The same, but nearly all rules accept or drop, so that many of them stand in a run in which the
 * compiler arranges them.
 */
struct ruleset *random_final_ruleset(uint8_t family, const char *base_chain, uint32_t n_rules);

/* A rule made of random numbers: the same each time that it is built into a table. */
struct random_rule {
	uint32_t chain;      /* below RANDOM_CHAINS: the base chains, then the user chains */
	bool odd_masks;      /* addresses may have masks that are no prefixes */
	uint64_t seed;       /* for the header and the target */
	uint64_t match_seed; /* for the matches */
};

#define RANDOM_BASE_CHAINS 3u
#define RANDOM_CHAINS      9u

struct random_table {
	const struct random_rule *rules; /* those of a chain in their order */
	uint32_t n_rules;
	uint32_t chains;   /* bit @chain: the user chain exists; it has no rules if it does not */
	uint32_t dropping; /* bit @chain: the base chain's policy is DROP */
};

/* To be freed with ruleset_free(). Fails the test if it is refused. */
struct ruleset *random_table_build(uint8_t family, const struct random_table *table);

/* How a packet is to be judged. */
struct judge {
	const struct ruleset *ruleset;
	unsigned int hook; /* NF_INET_LOCAL_IN ... */
	uint32_t length;   /* of the packet: what counters add to their bytes */
	/* Does this residual hold? NULL: all do. */
	bool (*residual)(const struct predicate *predicate, const struct step *step,
			 const void *argument);
	const void *argument;
};

/*
 * Judges a packet as ip_tables.c ipt_do_table() and ip6_tables.c ip6t_do_table() do, and adds it to
 * @counters, one for each entry of the ruleset. Returns true for ACCEPT.
 */
bool judge_by_rules(const struct judge *judge, const struct packet *packet,
		    struct xt_counters *counters);

/* What a rule asks for, to be read in a failed test's output. */
void print_rule(const struct ruleset *ruleset, uint32_t index);
