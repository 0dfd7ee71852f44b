// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A table that is compiled with the help of the one before it has the same images, byte for byte,
 * as if it were compiled by itself: after any edit, and any number of them.
 */
#include "common/cleanup.h"
#include "compiler/compiler.h"
#include "compiler/lower.h"
#include "random_ruleset.h"
#include "test_family.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MEMORY_SIZE (64u << 20)
#define MAX_RULES   8000u

static const unsigned int hooks[] = {NF_INET_LOCAL_IN, NF_INET_FORWARD, NF_INET_LOCAL_OUT};

static struct random_rule rules[MAX_RULES];
static struct random_table table = {.rules = rules};
static bool odd_masks;

/* --- edits --- */

static struct random_rule new_rule(void)
{
	struct random_rule rule = {
		.odd_masks = odd_masks,
		.seed = 1 + random_below(UINT32_MAX),
		.match_seed = 1 + random_below(UINT32_MAX),
	};

	do
		rule.chain = random_below(2) ? 0 : random_below(RANDOM_CHAINS);
	while (rule.chain >= RANDOM_BASE_CHAINS && !(table.chains >> rule.chain & 1));
	return rule;
}

static void insert_rule(uint32_t place)
{
	if (table.n_rules == MAX_RULES)
		return;
	memmove(&rules[place + 1], &rules[place], (table.n_rules - place) * sizeof(rules[0]));
	rules[place] = new_rule();
	table.n_rules++;
}

static void delete_rule(uint32_t place)
{
	table.n_rules--;
	memmove(&rules[place], &rules[place + 1], (table.n_rules - place) * sizeof(rules[0]));
}

static void flush_chain(uint32_t chain)
{
	for (uint32_t i = table.n_rules; i > 0; i--)
		if (rules[i - 1].chain == chain)
			delete_rule(i - 1);
}

/* Its rules go with it; jumps to it have no target as long as it is not there. */
static void toggle_chain(uint32_t chain)
{
	flush_chain(chain);
	table.chains ^= 1u << chain;
}

static void edit_table(void)
{
	uint32_t place = table.n_rules ? random_below(table.n_rules) : 0;

	switch (random_below(13)) {
	case 0:
	case 1:
	case 2:
		insert_rule(table.n_rules);
		break;
	case 3:
	case 4:
		insert_rule(place);
		break;
	case 5:
	case 6:
		if (table.n_rules)
			delete_rule(place);
		break;
	case 7:
		if (table.n_rules)
			rules[place] = new_rule();
		break;
	case 8:
		if (table.n_rules)
			rules[place].match_seed = 1 + random_below(UINT32_MAX);
		break;
	case 9:
		table.dropping ^= 1u << random_below(RANDOM_BASE_CHAINS);
		break;
	case 10:
		if (!random_below(4))
			flush_chain(random_below(RANDOM_CHAINS));
		break;
	default:
		if (!random_below(4))
			toggle_chain(RANDOM_BASE_CHAINS +
				     random_below(RANDOM_CHAINS - RANDOM_BASE_CHAINS));
		break;
	}
}

static void new_table(uint32_t n_rules, bool with_odd_masks)
{
	odd_masks = with_odd_masks;
	table.n_rules = 0;
	table.chains = ~0u;
	table.dropping = 0;
	while (table.n_rules < n_rules)
		insert_rule(table.n_rules);
}

/* --- comparison --- */

/* A table, compiled for all hooks. */
struct state {
	struct ruleset *ruleset;
	struct compiled compiled[ARRAY_SIZE(hooks)];
};

static uint8_t *with_help, *by_itself;

static void free_state(struct state *state)
{
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++)
		compiled_free(&state->compiled[i]);
	ruleset_free(state->ruleset);
	*state = (struct state){};
}

/* What is not written stays zero: padding must not make a difference. */
static void compile(const struct ruleset *ruleset, unsigned int hook,
		    const struct compiled_before *before, uint8_t *memory,
		    struct compiled *compiled)
{
	struct message message = {};

	if (compiler_compile(ruleset, hook, before, memory, MEMORY_SIZE, compiled, &message))
		fail_msg("cannot be compiled: %s", message.text);
}

static void assert_same(const struct compiled *one, const struct compiled *other)
{
	assert_int_equal(one->size, other->size);
	assert_int_equal(one->depth, other->depth);
	assert_int_equal(one->n_counters, other->n_counters);
	assert_memory_equal(one->entry_of_counter, other->entry_of_counter,
			    one->n_counters * sizeof(*one->entry_of_counter));
	assert_memory_equal(with_help, by_itself, one->size);
}

/* Compiles the table as it is now in the place of the one in @state. */
static void replace(struct state *state)
{
	struct state next = {.ruleset = random_table_build(TEST_FAMILY, &table)};

	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		const struct compiled_before before = {state->ruleset, &state->compiled[i]};
		struct compiled compiled = {};

		compile(next.ruleset, hooks[i], NULL, by_itself, &compiled);
		compile(next.ruleset, hooks[i], state->ruleset ? &before : NULL, with_help,
			&next.compiled[i]);
		assert_same(&next.compiled[i], &compiled);
		memset(by_itself, 0, compiled.size);
		memset(with_help, 0, compiled.size);
		compiled_free(&compiled);
	}
	free_state(state);
	*state = next;
}

static uint32_t n_exhausted;

static void test_edits(uint32_t n_rules, uint32_t n_edits, uint32_t n_at_once, bool with_odd_masks)
{
	struct state state = {};

	new_table(n_rules, with_odd_masks);
	replace(&state);
	while (n_edits--) {
		for (uint32_t i = random_below(n_at_once); i > 0; i--)
			edit_table();
		edit_table();
		replace(&state);
		n_exhausted += state.compiled[0].lowered->exhausted;
	}
	free_state(&state);
}

static void test_small_tables(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 30; i++)
		test_edits(random_below(20), 40, 1 + i % 3, i % 4 != 0);
}

static void test_tables_of_two_levels(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 4; i++)
		test_edits(150, 30, 1 + i, false);
}

static void test_tables_of_three_levels(void **state)
{
	(void)state;
	test_edits(6000, 6, 1, false);
}

/* Which masks have a field of their own depends on which came first. */
static void test_more_masks_than_fields(void **state)
{
	(void)state;
	n_exhausted = 0;
	for (uint32_t i = 0; i < 4; i++)
		test_edits(60, 60, 2, true);
	assert_in_range(n_exhausted, 24, 216);
}

static void test_another_table_altogether(void **state)
{
	struct state before = {};

	(void)state;
	for (uint32_t i = 0; i < 20; i++) {
		new_table(random_below(3) ? random_below(40) : 0, true);
		replace(&before);
	}
	free_state(&before);
}

static int set_up(void **state)
{
	(void)state;
	with_help = calloc(1, MEMORY_SIZE);
	by_itself = calloc(1, MEMORY_SIZE);
	return !with_help || !by_itself;
}

static int tear_down(void **state)
{
	(void)state;
	free(with_help);
	free(by_itself);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small_tables),
		cmocka_unit_test(test_tables_of_two_levels),
		cmocka_unit_test(test_tables_of_three_levels),
		cmocka_unit_test(test_more_masks_than_fields),
		cmocka_unit_test(test_another_table_altogether),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
