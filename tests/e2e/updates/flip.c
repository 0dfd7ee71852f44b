// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Replaces rulesets of the family that it is built for (test_family.h) as fast as it can, in the
 * network namespace that it is started in. Each packet
 * must hit each rule for "! -p tcp" of the one ruleset in force, at its hook, once: so the final
 * counters of all of these rules are the same numbers, and the sums of these are what was sent. It
 * prints "ready", and for each line on its standard input one answer:
 *
 *     flip N    replaces N times; "flipped N"
 *     totals    counted so far: packets and bytes at INPUT, packets and bytes at OUTPUT
 *     walks     "walks N": the most walks under way on one processor that were seen
 */
#include "abi/arena.h"
#include "common/cleanup.h"
#include "datapath/datapath.h"
#include "test_family.h"

#include <err.h>
#include <stdio.h>
#include <string.h>

enum side { INPUT_SIDE, OUTPUT_SIDE, SIDES };

#define N_TABLES 3

struct table {
	struct ipt_replace *replace;
	size_t length;
	struct ruleset *ruleset; /* to read counters by; the datapath has its own */
};

struct flipper {
	struct datapath *datapath;
	struct table tables[N_TABLES];
	const struct ruleset *in_force; /* that of a table, NULL for the first, empty one */
	uint64_t n_replaced;
	struct xt_counters totals[SIDES];
	uint64_t most_walks;
};

/* --- rulesets --- */

#ifdef TEST_IPV6
/* Packets of the kernel's own, as reports of multicast groups, come from other addresses. */
static void leave_out_others(ip_rule *rule)
{
	rule->src.s6_addr[0] = 0xfd;
	rule->src.s6_addr[1] = 0x77;
	memset(&rule->smsk, 0xff, 2);
}
#else
/* There are none. */
static void leave_out_others(ip_rule *rule)
{
	(void)rule;
}
#endif

/* A rule that every packet of the load hits. */
static ip_rule *add_hit(struct blob *blob, const char *chain, const char *target)
{
	ip_rule *rule = table_rule(blob, chain, target);

	set_protocol(rule, IPPROTO_TCP);
	rule->invflags = IP_INV_PROTO;
	leave_out_others(rule);
	return rule;
}

/* UDP that comes in has done its duty; echo requests are answered. */
static void add_end_of_input(struct blob *blob, const char *chain)
{
	set_protocol(table_rule(blob, chain, "DROP"), IPPROTO_UDP);
	set_protocol(table_rule(blob, chain, "ACCEPT"), IP_ICMP);
}

/* @depth chains that jump to each other, with rules that count before and behind the jump. */
static void add_nested(struct blob *blob, const char *base, const char *prefix, int depth)
{
	char from[16], to[16];

	snprintf(from, sizeof(from), "%s", base);
	for (int i = 0; i < depth; i++) {
		snprintf(to, sizeof(to), "%s%d", prefix, i);
		blob_chain(blob, to);
		add_hit(blob, from, NULL);
		add_hit(blob, from, to);
		add_hit(blob, from, NULL);
		strcpy(from, to);
	}
	add_hit(blob, from, "RETURN");
}

/* Rules for packets that do not come. */
static void add_others(struct blob *blob, const char *chain, uint32_t n_rules)
{
	for (uint32_t i = 0; i < n_rules; i++) {
		ip_rule *rule = table_rule(blob, chain, "DROP");

		set_protocol(rule, IPPROTO_TCP);
		set_source(rule, 0x0a000000 + i);
	}
}

static struct blob *deep_table(void)
{
	struct blob *blob = table_new();

	add_nested(blob, "INPUT", "in", 30);
	add_end_of_input(blob, "INPUT");
	add_nested(blob, "OUTPUT", "out", 30);
	return blob;
}

static struct blob *flat_table(void)
{
	struct blob *blob = table_new();

	for (int i = 0; i < 5; i++)
		add_hit(blob, "INPUT", NULL);
	blob_chain(blob, "in");
	add_hit(blob, "INPUT", "in")->flags |= IP_F_GOTO;
	add_hit(blob, "in", NULL);
	add_end_of_input(blob, "in");
	blob_policy(blob, "INPUT", NF_DROP);
	add_hit(blob, "OUTPUT", "ACCEPT");
	blob_policy(blob, "OUTPUT", NF_DROP);
	return blob;
}

static struct blob *large_table(void)
{
	struct blob *blob = table_new();

	add_hit(blob, "INPUT", NULL);
	add_others(blob, "INPUT", 500);
	add_hit(blob, "INPUT", NULL);
	add_end_of_input(blob, "INPUT");
	blob_policy(blob, "INPUT", NF_DROP);
	add_others(blob, "OUTPUT", 70);
	add_nested(blob, "OUTPUT", "out", 9);
	return blob;
}

/* --- what is counted --- */

static bool expects_packets(const struct ruleset *ruleset, uint32_t index, enum side side)
{
	const struct entry *entry = &ruleset->entries[index];
	const ip_entry *rule = (const void *)(ruleset->blob + entry->offset);
	uint32_t hook = side == INPUT_SIDE ? NF_INET_LOCAL_IN : NF_INET_LOCAL_OUT;

	return entry->kind == ENTRY_RULE && rule->ip_header.invflags & IP_INV_PROTO &&
	       ruleset->chains[entry->chain].hooks & HOOK_BIT(hook);
}

static void add(struct xt_counters *to, const struct xt_counters *more)
{
	to->pcnt += more->pcnt;
	to->bcnt += more->bcnt;
}

/* Adds what each rule of @side has counted: all the same. */
static void add_side(struct flipper *flipper, const struct ruleset *ruleset,
		     const struct xt_counters *counters, enum side side)
{
	const struct xt_counters *first = NULL;

	for (uint32_t i = 0; i < ruleset->n_entries; i++) {
		if (!expects_packets(ruleset, i, side))
			continue;
		if (!first)
			first = &counters[i];
		if (memcmp(&counters[i], first, sizeof(*first)) != 0)
			errx(1,
			     "ruleset %llu: %s rule %u has counted %llu packets, %llu bytes, the "
			     "first rule %llu, %llu: a packet was judged by a mixture",
			     (unsigned long long)flipper->n_replaced,
			     ruleset->chains[ruleset->entries[i].chain].name,
			     ruleset_rule_number(ruleset, i), counters[i].pcnt, counters[i].bcnt,
			     first->pcnt, first->bcnt);
	}
	add(&flipper->totals[side], first);
}

/* Rules for TCP: there is none. */
static void check_others(const struct flipper *flipper, const struct ruleset *ruleset,
			 const struct xt_counters *counters)
{
	for (uint32_t i = 0; i < ruleset->n_entries; i++) {
		const struct entry *entry = &ruleset->entries[i];
		const ip_entry *rule = (const void *)(ruleset->blob + entry->offset);

		if (entry->kind == ENTRY_RULE && rule->ip_header.proto == IPPROTO_TCP &&
		    !(rule->ip_header.invflags & IP_INV_PROTO) && counters[i].pcnt)
			errx(1, "ruleset %llu: rule %u has counted a packet that was not sent",
			     (unsigned long long)flipper->n_replaced,
			     ruleset_rule_number(ruleset, i));
	}
}

/* Final counters. */
static void add_final(struct flipper *flipper, const struct ruleset *ruleset,
		      const struct xt_counters *counters)
{
	check_others(flipper, ruleset, counters);
	for (int side = 0; side < SIDES; side++)
		add_side(flipper, ruleset, counters, (enum side)side);
}

static const struct arena_root *arena_root(void)
{
	return (const struct arena_root *)ARENA_ADDRESS; /* NOLINT(performance-no-int-to-ptr) */
}

static void look_at_walks(struct flipper *flipper)
{
	for (uint32_t cpu = 0; cpu < arena_root()->lanes; cpu++) {
		const volatile struct arena_readers *readers =
			&arena_root()->readers[TEST_ARENA][cpu];
		const volatile struct arena_lane *lane = &arena_root()->lane[cpu];
		uint64_t walks = readers->under_way[0] + readers->under_way[1] + !!lane->holder;

		if (walks > flipper->most_walks)
			flipper->most_walks = walks;
	}
}

/* --- commands --- */

static struct ruleset *decode(const struct table *table)
{
	struct message message = {};
	struct ruleset *ruleset;

	if (ruleset_decode(TEST_FAMILY, table->replace, table->length, &ruleset, &message))
		errx(1, "a ruleset is refused: %s", message.text);
	return ruleset;
}

static void replace(struct flipper *flipper, unsigned int number)
{
	_cleanup_free_ struct xt_counters *counters = NULL;
	const struct ruleset *before = flipper->in_force;
	struct message message = {};

	if (datapath_replace(flipper->datapath, decode(&flipper->tables[number]), &counters,
			     &message))
		errx(1, "a ruleset is refused: %s", message.text);
	if (before)
		add_final(flipper, before, counters);
	flipper->in_force = flipper->tables[number].ruleset;
	flipper->n_replaced++;
}

/* The large table takes longer: not often. */
static void flip(struct flipper *flipper, unsigned long n)
{
	for (unsigned long i = 0; i < n; i++) {
		look_at_walks(flipper);
		replace(flipper, i % 32 == 31 ? 2 : i % 2);
		look_at_walks(flipper);
	}
	printf("flipped %lu\n", n);
}

static void print_totals(struct flipper *flipper)
{
	_cleanup_free_ struct xt_counters *counters = NULL;
	const struct ruleset *ruleset = datapath_ruleset(flipper->datapath, TEST_FAMILY);
	struct xt_counters totals[SIDES];

	memcpy(totals, flipper->totals, sizeof(totals));
	if (datapath_counters(flipper->datapath, TEST_FAMILY, &counters))
		errx(1, "no counters");
	/* Packets may be on their way: the first rule will do. */
	for (int side = 0; side < SIDES; side++) {
		uint32_t i = 0;

		while (!expects_packets(ruleset, i, (enum side)side))
			i++;
		add(&totals[side], &counters[i]);
	}
	printf("totals %llu %llu %llu %llu\n", totals[INPUT_SIDE].pcnt, totals[INPUT_SIDE].bcnt,
	       totals[OUTPUT_SIDE].pcnt, totals[OUTPUT_SIDE].bcnt);
}

static void check_failures(void)
{
	for (int i = 0; i < ARENA_FAILURES; i++)
		if (arena_root()->failures[i])
			errx(1, "%llu packets could not be judged: failure %d",
			     (unsigned long long)arena_root()->failures[i], i);
}

static void serve(struct flipper *flipper)
{
	char line[64];

	while (fgets(line, sizeof(line), stdin)) {
		unsigned long n;

		if (sscanf(line, "flip %lu", &n) == 1)
			flip(flipper, n);
		else if (!strcmp(line, "totals\n"))
			print_totals(flipper);
		else if (!strcmp(line, "walks\n"))
			printf("walks %llu\n", (unsigned long long)flipper->most_walks);
		else
			errx(2, "unknown command: %s", line);
	}
	check_failures();
}

static void make_table(struct table *table, struct blob *blob)
{
	table->replace = blob_build(blob, &table->length);
	table->ruleset = decode(table);
	blob_free(blob);
}

int main(void)
{
	struct flipper flipper = {};
	struct message message = {};

	setvbuf(stdout, NULL, _IOLBF, 0);
	make_table(&flipper.tables[0], deep_table());
	make_table(&flipper.tables[1], flat_table());
	make_table(&flipper.tables[2], large_table());
	if (datapath_open(&(struct datapath_options){0}, &flipper.datapath, &message))
		errx(1, "no filter: %s", message.text);
	puts("ready");
	serve(&flipper);
	datapath_close(flipper.datapath);
	for (int i = 0; i < N_TABLES; i++) {
		free(flipper.tables[i].replace);
		ruleset_free(flipper.tables[i].ruleset);
	}
	return 0;
}
