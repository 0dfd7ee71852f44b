// SPDX-License-Identifier: GPL-2.0-or-later
/* Counters: over replacements, with the same ruleset and with others, and added from outside. */
#include "abi/arena.h"
#include "common/cleanup.h"
#include "filter.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* A user chain that two hooks share, and policies that count. */
static struct ruleset *shared_chain(uint8_t protocol)
{
	static const char *const bases[] = {"INPUT", "FORWARD"};
	struct blob *blob = table_new();

	blob_chain(blob, "shared");
	for (size_t i = 0; i < ARRAY_SIZE(bases); i++) {
		set_protocol(table_rule(blob, bases[i], "shared"), protocol);
		blob_policy(blob, bases[i], NF_DROP);
	}
	table_rule(blob, "shared", NULL);
	table_rule(blob, "shared", "RETURN");
	return filter_ruleset(blob);
}

static void check_some(struct filter *filter)
{
	for (unsigned int hook = NF_INET_LOCAL_IN; hook <= NF_INET_LOCAL_OUT; hook++) {
		for (int i = 0; i < 5; i++) {
			struct packet_bytes packet;

			packet_bytes_random(TEST_FAMILY, &packet);
			filter_check(filter, hook, &packet);
		}
	}
}

static void test_a_chain_counts_for_all_of_its_hooks(void **state)
{
	struct filter *filter = *state;

	filter_replace(filter, shared_chain(0));
	check_some(filter);
	filter_replace(filter, shared_chain(IPPROTO_TCP));
	check_some(filter);
}

static const struct arena_generation *generation_in_force(void)
{
	return (const struct arena_generation *)((uint8_t *)filter_root() +
						 (filter_root()->current[TEST_ARENA] & ~1ull));
}

static void test_the_same_ruleset_again_is_not_compiled_and_counts_from_0(void **state)
{
	struct filter *filter = *state;
	uint32_t images[ARENA_HOOKS];

	filter_replace(filter, shared_chain(0));
	for (int i = 0; i < ARENA_HOOKS; i++)
		images[i] = generation_in_force()->hook[i].image;
	for (int n = 0; n < 3; n++) {
		check_some(filter);
		filter_replace(filter, shared_chain(0));
		for (int i = 0; i < ARENA_HOOKS; i++)
			assert_int_equal(generation_in_force()->hook[i].image, images[i]);
	}
	/* The image outlives the generation that it was compiled for, but not its last user. */
	filter_replace(filter, shared_chain(IPPROTO_UDP));
	check_some(filter);
}

static void test_counters_are_added_to(void **state)
{
	struct filter *filter = *state;
	_cleanup_free_ struct xt_counters *more = NULL;
	uint32_t n;

	filter_replace(filter, shared_chain(0));
	n = filter->ruleset->n_entries;
	more = calloc(n + 1, sizeof(*more));
	check_some(filter);
	for (uint32_t i = 0; i < n; i++) {
		more[i] = (struct xt_counters){i * 1000, 1ull << (i + 30)};
		filter->expected[i].pcnt += more[i].pcnt;
		filter->expected[i].bcnt += more[i].bcnt;
	}
	assert_int_equal(datapath_add_counters(filter->datapath, TEST_FAMILY, more, n), 0);
	filter_check_counters(filter);
	check_some(filter);
	assert_int_equal(datapath_add_counters(filter->datapath, TEST_FAMILY, more, n - 1),
			 -EINVAL);
	assert_int_equal(datapath_add_counters(filter->datapath, TEST_FAMILY, more, n + 1),
			 -EINVAL);
	assert_int_equal(datapath_add_counters(filter->datapath, NFPROTO_ARP, more, n),
			 -EAFNOSUPPORT);
	/* What was added is among the final counters, and does not go on to the next table. */
	filter_replace(filter, shared_chain(0));
	filter_check_counters(filter);
}

/* An empty table's counters, its policies, are counters, too. */
static void test_policies_count(void **state)
{
	struct filter *filter = *state;
	struct ruleset *empty = NULL;

	check_some(filter);
	assert_int_equal(ruleset_new_empty(TEST_FAMILY, &empty), 0);
	filter_replace(filter, empty);
	check_some(filter);
}

/* The end of the highest of the things that are in force. */
static uint64_t highest_in_use(void)
{
	const struct arena_generation *generation = generation_in_force();
	uint64_t highest = filter_root()->current[TEST_ARENA];

	for (int i = 0; i < ARENA_HOOKS; i++) {
		if (generation->hook[i].image > highest)
			highest = generation->hook[i].image;
		if (generation->hook[i].counters > highest)
			highest = generation->hook[i].counters;
	}
	return highest;
}

/* What a replaced ruleset took of the arena is used again. */
static void test_replacing_takes_no_more_and_more_memory(void **state)
{
	struct filter *filter = *state;
	uint64_t highest = 0;

	for (uint32_t i = 0; i < 1000; i++) {
		uint64_t now;

		filter_replace(filter, shared_chain(i % 3 ? IPPROTO_TCP : IPPROTO_UDP));
		now = highest_in_use();
		if (i >= 20)
			assert_in_range(now, 1, highest);
		else if (now > highest)
			highest = now | 1; /* the lowest bit is the parity */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		filter_test(test_a_chain_counts_for_all_of_its_hooks),
		filter_test(test_the_same_ruleset_again_is_not_compiled_and_counts_from_0),
		filter_test(test_counters_are_added_to),
		filter_test(test_policies_count),
		filter_test(test_replacing_takes_no_more_and_more_memory),
	};

	return cmocka_run_group_tests(tests, filter_set_up, filter_tear_down);
}
