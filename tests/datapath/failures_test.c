// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Packets that cannot be judged are dropped, and counted by the reason. Those of return stacks are
 * in chains_test.c; a generation that changes while it is entered, eight times in a row, and a
 * packet whose bytes cannot be read cannot be brought about from outside.
 */
#include "abi/arena.h"
#include "filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Runs a packet that must be dropped for @failure and for nothing else. */
static void check_failure(struct filter *filter, enum arena_failure failure)
{
	uint64_t before[ARENA_FAILURES];
	struct packet_bytes packet;

	memcpy(before, filter_root()->failures, sizeof(before));
	packet_bytes_make(TEST_FAMILY, &packet, IPPROTO_UDP, 1, 2, 3, 4);
	assert_false(filter_run(filter, NF_INET_LOCAL_IN, &packet));
	before[failure]++;
	assert_memory_equal(filter_root()->failures, before, sizeof(before));
}

static void assert_no_walk_is_left(void)
{
	for (int family = 0; family < ARENA_FAMILIES; family++) {
		for (uint32_t cpu = 0; cpu < ARENA_CPUS; cpu++) {
			const struct arena_readers *readers = &filter_root()->readers[family][cpu];

			assert_int_equal(readers->under_way[0], 0);
			assert_int_equal(readers->under_way[1], 0);
			assert_int_equal(filter_root()->lane[cpu].holder, 0);
		}
	}
}

static void test_without_a_ruleset_packets_are_dropped(void **state)
{
	__u64 *current = &filter_root()->current[TEST_ARENA];
	__u64 before = *current;

	*current = 0;
	check_failure(*state, ARENA_FAILURE_NO_RULESET);
	*current = before;
	assert_no_walk_is_left();
	filter_check_counters(*state);
}

#define DOUBLINGS 40

/* Each chain jumps to the next two times: no packet comes to an end of 2 to the power of 40. */
static void test_a_walk_without_end_is_given_up(void **state)
{
	struct filter *filter = *state;
	struct blob *blob = table_new();
	char from[8], to[8];

	for (int i = 0; i < DOUBLINGS; i++) {
		snprintf(to, sizeof(to), "c%d", i);
		blob_chain(blob, to);
	}
	table_rule(blob, "INPUT", "c0");
	for (int i = 0; i + 1 < DOUBLINGS; i++) {
		snprintf(from, sizeof(from), "c%d", i);
		snprintf(to, sizeof(to), "c%d", i + 1);
		table_rule(blob, from, to);
		table_rule(blob, from, to);
	}
	filter_replace(filter, filter_ruleset(blob));
	check_failure(filter, ARENA_FAILURE_STEPS);
	assert_no_walk_is_left();
}

static void test_judging_leaves_no_failure_and_no_walk_behind(void **state)
{
	uint64_t before[ARENA_FAILURES];

	memcpy(before, filter_root()->failures, sizeof(before));
	for (int i = 0; i < 1000; i++) {
		struct packet_bytes packet;

		packet_bytes_random(TEST_FAMILY, &packet);
		filter_check(*state, NF_INET_LOCAL_IN, &packet);
	}
	assert_memory_equal(filter_root()->failures, before, sizeof(before));
	assert_no_walk_is_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		filter_test(test_without_a_ruleset_packets_are_dropped),
		filter_test(test_a_walk_without_end_is_given_up),
		filter_test(test_judging_leaves_no_failure_and_no_walk_behind),
	};

	return cmocka_run_group_tests(tests, filter_set_up, filter_tear_down);
}
