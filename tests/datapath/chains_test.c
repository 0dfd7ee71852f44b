// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Deep chains: a walk's own return stack has few places, the rest is in the arena. And gotos, which
 * take none. Each rule counts, so a return to the wrong place shows.
 */
#include "abi/arena.h"
#include "filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define NAME_SIZE 16

static const char *chain_name(char name[NAME_SIZE], uint32_t number)
{
	snprintf(name, NAME_SIZE, "c%u", number);
	return name;
}

/* The kinds of links between a chain and the next. */
enum link {
	LINKS_JUMPS,
	LINKS_BOTH, /* jumps and gotos, by turns */
	LINKS_TWICE /* each chain jumps to the next two times, while that is affordable */
};

static void add_jump(struct blob *blob, const char *from, uint32_t to, bool is_goto)
{
	char name[NAME_SIZE];
	ip_rule *ip = table_rule(blob, from, chain_name(name, to));

	if (is_goto)
		ip->flags |= IP_F_GOTO;
}

/* INPUT leads to c0, c0 to c1 ...; before and behind each jump is a rule that only counts. */
static struct ruleset *nested_chains(uint32_t depth, enum link links)
{
	struct blob *blob = table_new();
	char name[NAME_SIZE];

	for (uint32_t i = 0; i < depth; i++)
		blob_chain(blob, chain_name(name, i));
	add_jump(blob, "INPUT", 0, false);
	for (uint32_t i = 0; i + 1 < depth; i++) {
		bool is_goto = links == LINKS_BOTH && i % 3 == 1;

		chain_name(name, i);
		table_rule(blob, name, NULL);
		add_jump(blob, name, i + 1, is_goto);
		if (links == LINKS_TWICE && i + 4 > depth)
			add_jump(blob, name, i + 1, false);
		table_rule(blob, name, NULL);
		if (i % 2)
			table_rule(blob, name, "RETURN");
	}
	table_rule(blob, chain_name(name, depth - 1), NULL);
	table_rule(blob, "INPUT", NULL);
	blob_policy(blob, "INPUT", NF_DROP);
	return filter_ruleset(blob);
}

static const struct arena_generation *generation_in_force(void)
{
	return (const struct arena_generation *)((uint8_t *)filter_root() +
						 (filter_root()->current[TEST_ARENA] & ~1ull));
}

static struct arena_stack *stack_number(uint32_t number)
{
	const struct arena_generation *generation = generation_in_force();

	assert_int_not_equal(generation->stacks, 0);
	return (struct arena_stack *)((uint8_t *)filter_root() + generation->stacks +
				      (size_t)number * generation->stack_size);
}

static void assert_stacks_are_free(void)
{
	for (uint32_t i = 0; i < ARENA_STACKS; i++)
		assert_int_equal(stack_number(i)->taken, 0);
}

static void check_depth(struct filter *filter, uint32_t depth, enum link links)
{
	struct packet_bytes packet;

	packet_bytes_make(TEST_FAMILY, &packet, IPPROTO_UDP, 1, 2, 3, 4);
	filter_replace(filter, nested_chains(depth, links));
	for (int i = 0; i < 3; i++)
		filter_check(filter, NF_INET_LOCAL_IN, &packet);
}

/* From some depth on the walk's own stack does not do. */
static void test_chains_around_the_limit_of_a_walk(void **state)
{
	bool in_arena = false;

	for (uint32_t depth = 1; depth <= 20; depth++) {
		check_depth(*state, depth, LINKS_JUMPS);
		if (in_arena)
			assert_stacks_are_free();
		else
			in_arena = generation_in_force()->stacks != 0;
		assert_true(depth > 1 || !in_arena);
		check_depth(*state, depth, LINKS_TWICE);
	}
	assert_true(in_arena);
}

static void test_40_nested_chains(void **state)
{
	check_depth(*state, 40, LINKS_JUMPS);
	assert_stacks_are_free();
	check_depth(*state, 40, LINKS_TWICE);
	assert_stacks_are_free();
}

static void test_5000_nested_chains(void **state)
{
	check_depth(*state, 5000, LINKS_JUMPS);
	assert_stacks_are_free();
}

static void test_gotos_leave_nothing_to_return_to(void **state)
{
	for (uint32_t depth = 2; depth <= 14; depth++)
		check_depth(*state, depth, LINKS_BOTH);
	check_depth(*state, 2000, LINKS_BOTH);
}

static void test_the_end_of_a_goto_from_a_base_chain_is_the_policy(void **state)
{
	struct filter *filter = *state;
	struct blob *blob = table_new();
	struct packet_bytes packet;

	blob_chain(blob, "c0");
	add_jump(blob, "INPUT", 0, true);
	table_rule(blob, "INPUT", "ACCEPT");
	table_rule(blob, "c0", NULL);
	blob_policy(blob, "INPUT", NF_DROP);
	filter_replace(filter, filter_ruleset(blob));
	packet_bytes_make(TEST_FAMILY, &packet, IPPROTO_UDP, 1, 2, 3, 4);
	filter_check(filter, NF_INET_LOCAL_IN, &packet);
}

/* A packet that is dropped deep down gives its stack back, too. */
static void test_a_drop_deep_down(void **state)
{
	struct filter *filter = *state;
	struct blob *blob = table_new();
	struct packet_bytes packet;
	char name[NAME_SIZE];

	for (uint32_t i = 0; i < 20; i++)
		blob_chain(blob, chain_name(name, i));
	add_jump(blob, "INPUT", 0, false);
	for (uint32_t i = 0; i + 1 < 20; i++)
		add_jump(blob, chain_name(name, i), i + 1, false);
	table_rule(blob, "c19", "DROP");
	filter_replace(filter, filter_ruleset(blob));
	packet_bytes_make(TEST_FAMILY, &packet, IPPROTO_UDP, 1, 2, 3, 4);
	for (uint32_t i = 0; i < 2 * ARENA_STACKS; i++)
		filter_check(filter, NF_INET_LOCAL_IN, &packet);
	assert_stacks_are_free();
}

static void test_without_a_free_stack_packets_are_dropped_and_counted(void **state)
{
	struct filter *filter = *state;
	uint64_t failures = filter_root()->failures[ARENA_FAILURE_STACKS];
	struct packet_bytes packet;

	check_depth(filter, 40, LINKS_JUMPS);
	packet_bytes_make(TEST_FAMILY, &packet, IPPROTO_UDP, 1, 2, 3, 4);
	for (uint32_t i = 0; i < ARENA_STACKS; i++)
		stack_number(i)->taken = i + 1 < ARENA_STACKS;
	/* One is enough. */
	filter_check(filter, NF_INET_LOCAL_IN, &packet);
	assert_int_equal(filter_root()->failures[ARENA_FAILURE_STACKS], failures);
	stack_number(ARENA_STACKS - 1)->taken = 1;
	assert_false(filter_run(filter, NF_INET_LOCAL_IN, &packet));
	assert_int_equal(filter_root()->failures[ARENA_FAILURE_STACKS], failures + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		filter_test(test_chains_around_the_limit_of_a_walk),
		filter_test(test_40_nested_chains),
		filter_test(test_5000_nested_chains),
		filter_test(test_gotos_leave_nothing_to_return_to),
		filter_test(test_the_end_of_a_goto_from_a_base_chain_is_the_policy),
		filter_test(test_a_drop_deep_down),
		filter_test(test_without_a_free_stack_packets_are_dropped_and_counted),
	};

	return cmocka_run_group_tests(tests, filter_set_up, filter_tear_down);
}
