// SPDX-License-Identifier: GPL-2.0-or-later
#include "evaluate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct predicate predicate;

static int clear(void **state)
{
	(void)state;
	predicate_clear(&predicate);
	return 0;
}

static void assert_interval(uint32_t index, uint64_t first, uint64_t last)
{
	assert_true(index < predicate.n_intervals);
	assert_int_equal(predicate.intervals[index].first.high, 0);
	assert_int_equal(predicate.intervals[index].first.low, first);
	assert_int_equal(predicate.intervals[index].last.high, 0);
	assert_int_equal(predicate.intervals[index].last.low, last);
}

/* The only step is a requirement on the field, for the whole value, with that many intervals. */
static void assert_required(enum field field, uint32_t n_intervals)
{
	assert_int_equal(predicate.n_steps, 1);
	assert_int_equal(predicate.steps[0].kind, STEP_REQUIRE);
	assert_int_equal(predicate.steps[0].requirement[0].field, field);
	assert_int_equal(predicate.steps[0].requirement[0].n_intervals, n_intervals);
	assert_int_equal(predicate.steps[0].requirement[0].first_interval, 0);
	assert_int_equal(value_compare(predicate.steps[0].requirement[0].mask, VALUE_ALL_BITS), 0);
	assert_well_formed(&predicate);
}

static void every_field_has_a_name_and_a_maximum(void **state)
{
	static const uint64_t maxima[FIELD_COUNT] = {
		[FIELD_SOURCE] = UINT32_MAX,
		[FIELD_DESTINATION] = UINT32_MAX,
		[FIELD_IN_INTERFACE] = UINT64_MAX,
		[FIELD_OUT_INTERFACE] = UINT64_MAX,
		[FIELD_PROTOCOL] = 255,
		[FIELD_SHAPE] = 7,
		[FIELD_CONNTRACK] = 31,
		[FIELD_HOP_LIMIT] = 255,
		[FIELD_SOURCE_PORT] = 65535,
		[FIELD_DESTINATION_PORT] = 65535,
		[FIELD_TCP_FLAGS] = 255,
		[FIELD_ICMP] = 65535,
	};

	(void)state;
	for (enum field field = 0; field < FIELD_COUNT; field++) {
		bool is_name = field == FIELD_IN_INTERFACE || field == FIELD_OUT_INTERFACE;

		assert_non_null(field_name(field));
		assert_int_equal(field_maximum(NFPROTO_IPV4, field).low, maxima[field]);
		assert_int_equal(field_maximum(NFPROTO_IPV4, field).high, is_name ? UINT64_MAX : 0);
	}
}

static void an_interval_is_kept(void **state)
{
	(void)state;
	predicate_require(&predicate, FIELD_SOURCE_PORT, VALUE(80), VALUE(90), false);
	assert_required(FIELD_SOURCE_PORT, 1);
	assert_interval(0, 80, 90);
}

static void inverted_it_is_the_rest(void **state)
{
	(void)state;
	predicate_require(&predicate, FIELD_SOURCE_PORT, VALUE(80), VALUE(90), true);
	assert_required(FIELD_SOURCE_PORT, 2);
	assert_interval(0, 0, 79);
	assert_interval(1, 91, 65535);
}

static void inverted_at_an_edge_it_is_one_interval(void **state)
{
	(void)state;
	predicate_require(&predicate, FIELD_SOURCE_PORT, VALUE(0), VALUE(90), true);
	assert_required(FIELD_SOURCE_PORT, 1);
	assert_interval(0, 91, 65535);

	predicate_clear(&predicate);
	predicate_require(&predicate, FIELD_SOURCE_PORT, VALUE(90), VALUE(65535), true);
	assert_required(FIELD_SOURCE_PORT, 1);
	assert_interval(0, 0, 89);
}

static void what_always_holds_is_no_step(void **state)
{
	(void)state;
	predicate_require(&predicate, FIELD_PROTOCOL, VALUE(0), VALUE(255), false);
	predicate_require(&predicate, FIELD_PROTOCOL, VALUE(0), VALUE(1000), false);
	predicate_require(&predicate, FIELD_PROTOCOL, VALUE(2), VALUE(1), true);
	predicate_require(&predicate, FIELD_PROTOCOL, VALUE(300), VALUE(300), true);
	predicate_require_masked(&predicate, FIELD_SOURCE, VALUE(0), VALUE(0), false);
	predicate_require_masked(&predicate, FIELD_SOURCE, VALUE(3), VALUE(2), true);
	predicate_require_shapes(&predicate, SHAPES_ALL);
	predicate_hotdrop(&predicate, 0);
	assert_int_equal(predicate.n_steps, 0);
	assert_int_equal(predicate.n_intervals, 0);
}

static void what_never_holds_has_no_intervals(void **state)
{
	(void)state;
	predicate_require(&predicate, FIELD_PROTOCOL, VALUE(2), VALUE(1), false);
	assert_required(FIELD_PROTOCOL, 0);

	predicate_clear(&predicate);
	predicate_require(&predicate, FIELD_PROTOCOL, VALUE(256), VALUE(300), false);
	assert_required(FIELD_PROTOCOL, 0);

	predicate_clear(&predicate);
	predicate_require_masked(&predicate, FIELD_SOURCE, VALUE(0), VALUE(0), true);
	assert_required(FIELD_SOURCE, 0);

	predicate_clear(&predicate);
	predicate_never(&predicate);
	assert_int_equal(predicate.n_steps, 1);
	assert_int_equal(predicate.steps[0].requirement[0].n_intervals, 0);
}

static void a_set_is_sorted_and_merged(void **state)
{
	const struct interval set[] = {
		INTERVAL(500, 600), INTERVAL(10, 20),   INTERVAL(7, 3),         INTERVAL(21, 30),
		INTERVAL(550, 700), INTERVAL(560, 570), INTERVAL(1, 1),         INTERVAL(1, 1),
		INTERVAL(32, 32),   INTERVAL(9, 9),     INTERVAL(70000, 70001),
	};

	(void)state;
	predicate_require_set(&predicate, FIELD_DESTINATION_PORT, set, 11, false);
	assert_required(FIELD_DESTINATION_PORT, 4);
	assert_interval(0, 1, 1);
	assert_interval(1, 9, 30);
	assert_interval(2, 32, 32);
	assert_interval(3, 500, 700);
}

static void a_union_of_everything_is_no_step(void **state)
{
	const struct interval set[] = {INTERVAL(8, 255), INTERVAL(0, 7)};

	(void)state;
	predicate_require_set(&predicate, FIELD_TCP_FLAGS, set, 2, false);
	assert_int_equal(predicate.n_steps, 0);
	predicate_require_set(&predicate, FIELD_TCP_FLAGS, set, 2, true);
	assert_required(FIELD_TCP_FLAGS, 0);
}

static void any_set_is_its_values(void **state)
{
	(void)state;
	for (unsigned int round = 0; round < 2000; round++) {
		uint32_t n = random_below(7);
		bool invert = random_below(2);
		struct interval set[8];
		bool expected[256];

		memset(expected, invert, sizeof(expected));
		for (uint32_t i = 0; i < n; i++) {
			set[i] = INTERVAL(random_below(300), random_below(300));
			for (uint64_t v = set[i].first.low; v <= set[i].last.low && v < 256; v++)
				expected[v] = !invert;
		}
		predicate_clear(&predicate);
		predicate_require_set(&predicate, FIELD_PROTOCOL, set, n, invert);
		assert_well_formed(&predicate);
		for (unsigned int v = 0; v < 256; v++) {
			struct packet packet = {.fields[FIELD_PROTOCOL] = VALUE(v)};

			assert_int_equal(predicate_evaluate(&predicate, &packet) == MATCH,
					 expected[v]);
		}
	}
}

static void a_prefix_is_an_interval(void **state)
{
	(void)state;
	predicate_require_masked(&predicate, FIELD_SOURCE, VALUE(0x0a010000), VALUE(0xffff0000),
				 false);
	assert_required(FIELD_SOURCE, 1);
	assert_interval(0, 0x0a010000, 0x0a01ffff);

	predicate_clear(&predicate);
	predicate_require_masked(&predicate, FIELD_SOURCE, VALUE(0xffffffff), VALUE(0xffffffff),
				 true);
	assert_required(FIELD_SOURCE, 1);
	assert_interval(0, 0, 0xfffffffe);
}

static void bits_outside_of_the_mask_never_match(void **state)
{
	(void)state;
	predicate_require_masked(&predicate, FIELD_SOURCE, VALUE(0x0a010001), VALUE(0xffff0000),
				 false);
	assert_required(FIELD_SOURCE, 0);

	predicate_clear(&predicate);
	predicate_require_masked(&predicate, FIELD_SOURCE, VALUE(0x0a010001), VALUE(0xff00ff00),
				 false);
	assert_required(FIELD_SOURCE, 0);
}

static void assert_masked(uint64_t mask, uint32_t n_intervals)
{
	assert_int_equal(predicate.n_steps, 1);
	assert_int_equal(predicate.steps[0].requirement[0].mask.low, mask);
	assert_int_equal(predicate.steps[0].requirement[0].mask.high, 0);
	assert_int_equal(predicate.steps[0].requirement[0].n_intervals, n_intervals);
	assert_well_formed(&predicate);
}

static void a_mask_with_holes_is_kept(void **state)
{
	(void)state;
	predicate_require_masked(&predicate, FIELD_SOURCE, VALUE(0x0a000003), VALUE(0xff0000ff),
				 false);
	assert_masked(0xff0000ff, 1);
	assert_interval(0, 0x0a000003, 0x0a000003);

	predicate_clear(&predicate);
	predicate_require_masked(&predicate, FIELD_SOURCE, VALUE(0x0a000003), VALUE(0xff0000ff),
				 true);
	assert_masked(0xff0000ff, 2);
	assert_interval(0, 0, 0x0a000002);
	assert_interval(1, 0x0a000004, 0xff0000ff);
}

static void a_mask_with_holes_is_inverted_below_itself(void **state)
{
	(void)state;
	predicate_require_masked(&predicate, FIELD_SOURCE, VALUE(0), VALUE(1), true);
	assert_masked(1, 1);
	assert_interval(0, 1, 1);

	predicate_clear(&predicate);
	predicate_require_masked(&predicate, FIELD_SOURCE, VALUE(0xff0000ff), VALUE(0xff0000ff),
				 true);
	assert_masked(0xff0000ff, 1);
	assert_interval(0, 0, 0xff0000fe);
}

static void a_narrow_field_has_no_mask(void **state)
{
	(void)state;
	for (unsigned int round = 0; round < 500; round++) {
		uint32_t mask = random_below(256);
		uint32_t compare = random_below(256) & (mask | random_below(20));
		bool invert = random_below(2);

		predicate_clear(&predicate);
		predicate_require_masked(&predicate, FIELD_TCP_FLAGS, VALUE(compare), VALUE(mask),
					 invert);
		assert_well_formed(&predicate);
		if (predicate.n_steps)
			assert_int_equal(value_compare(predicate.steps[0].requirement[0].mask,
						       VALUE_ALL_BITS),
					 0);
		for (unsigned int flags = 0; flags < 256; flags++) {
			struct packet packet = {.fields[FIELD_TCP_FLAGS] = VALUE(flags)};

			assert_int_equal(predicate_evaluate(&predicate, &packet) == MATCH,
					 ((flags & mask) == compare) != invert);
		}
	}
}

static void a_name_prefix_is_a_wide_interval(void **state)
{
	const struct value eth = {0x6574680000000000, 0};

	(void)state;
	predicate_require_masked(&predicate, FIELD_IN_INTERFACE, eth,
				 (struct value){0xffffff0000000000, 0}, true);
	assert_required(FIELD_IN_INTERFACE, 2);
	assert_int_equal(predicate.intervals[0].last.high, 0x657467ffffffffff);
	assert_int_equal(predicate.intervals[0].last.low, UINT64_MAX);
	assert_int_equal(predicate.intervals[1].first.high, 0x6574690000000000);
	assert_int_equal(predicate.intervals[1].first.low, 0);
	assert_int_equal(predicate.intervals[1].last.low, UINT64_MAX);
}

static bool is_multiple(uint32_t value, const void *argument)
{
	return value % *(const uint32_t *)argument == 0;
}

static void values_are_asked_for(void **state)
{
	uint32_t step = 14;

	(void)state;
	predicate_require_values(&predicate, FIELD_CONNTRACK, is_multiple, &step);
	assert_required(FIELD_CONNTRACK, 3);
	assert_interval(0, 0, 0);
	assert_interval(1, 14, 14);
	assert_interval(2, 28, 28);

	predicate_clear(&predicate);
	step = 2; /* as many intervals as there can be */
	predicate_require_values(&predicate, FIELD_CONNTRACK, is_multiple, &step);
	assert_required(FIELD_CONNTRACK, 16);

	predicate_clear(&predicate);
	step = 1;
	predicate_require_values(&predicate, FIELD_CONNTRACK, is_multiple, &step);
	assert_int_equal(predicate.n_steps, 0);
}

static void either_is_one_step(void **state)
{
	const struct interval set[] = {INTERVAL(443, 443), INTERVAL(80, 80)};
	const struct interval all[] = {INTERVAL(0, 65535)};
	const struct step *step;

	(void)state;
	predicate_require_either(&predicate, FIELD_SOURCE_PORT, FIELD_DESTINATION_PORT, set, 2);
	assert_int_equal(predicate.n_steps, 1);
	step = &predicate.steps[0];
	assert_int_equal(step->kind, STEP_REQUIRE_EITHER);
	assert_int_equal(step->requirement[0].field, FIELD_SOURCE_PORT);
	assert_int_equal(step->requirement[1].field, FIELD_DESTINATION_PORT);
	assert_int_equal(step->requirement[0].n_intervals, 2);
	assert_int_equal(step->requirement[1].n_intervals, 2);
	assert_well_formed(&predicate);

	predicate_clear(&predicate);
	predicate_require_either(&predicate, FIELD_SOURCE_PORT, FIELD_DESTINATION_PORT, all, 1);
	assert_int_equal(predicate.n_steps, 0);

	predicate_require_either(&predicate, FIELD_SOURCE_PORT, FIELD_DESTINATION_PORT, NULL, 0);
	assert_required(FIELD_SOURCE_PORT, 0);
}

static void steps_keep_their_order(void **state)
{
	struct residual_tcp_option option = {.option = 2};
	uint8_t odd[5] = {1, 2, 3, 4, 5};

	(void)state;
	predicate_residual(&predicate, RESIDUAL_CONNTRACK, odd, sizeof(odd));
	predicate_hotdrop(&predicate, SHAPE_BIT(SHAPE_TINY));
	predicate_require_shapes(&predicate, SHAPES_FRAGMENT);
	predicate_residual(&predicate, RESIDUAL_TCP_OPTION, &option, sizeof(option));

	assert_int_equal(predicate.n_steps, 4);
	assert_int_equal(predicate.steps[0].kind, STEP_RESIDUAL);
	assert_int_equal(predicate.steps[0].residual.size, 5);
	assert_memory_equal(predicate.operands, "\1\2\3\4\5\0\0\0", 8);
	assert_int_equal(predicate.steps[1].kind, STEP_HOTDROP);
	assert_int_equal(predicate.steps[1].shapes, SHAPE_BIT(SHAPE_TINY));
	assert_int_equal(predicate.steps[2].kind, STEP_REQUIRE);
	assert_interval(0, SHAPE_FRAGMENT_1, SHAPE_FRAGMENT);
	assert_int_equal(predicate.steps[3].residual.operand, 8);
	assert_memory_equal(predicate.operands + 8, &option, sizeof(option));
}

static void many_steps_fit(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 3000; i++) {
		predicate_require(&predicate, FIELD_SOURCE_PORT, VALUE(i), VALUE(i + 1), true);
		predicate_residual(&predicate, RESIDUAL_TCP_OPTION, &i, sizeof(i));
	}
	assert_well_formed(&predicate);
	assert_int_equal(predicate.n_steps, 6000);
	assert_memory_equal(predicate.operands + 8 * 2999, &(uint32_t){2999}, 4);
	assert_int_equal(predicate.steps[5998].requirement[0].first_interval, 5997);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_field_has_a_name_and_a_maximum, clear),
		cmocka_unit_test_setup(an_interval_is_kept, clear),
		cmocka_unit_test_setup(inverted_it_is_the_rest, clear),
		cmocka_unit_test_setup(inverted_at_an_edge_it_is_one_interval, clear),
		cmocka_unit_test_setup(what_always_holds_is_no_step, clear),
		cmocka_unit_test_setup(what_never_holds_has_no_intervals, clear),
		cmocka_unit_test_setup(a_set_is_sorted_and_merged, clear),
		cmocka_unit_test_setup(a_union_of_everything_is_no_step, clear),
		cmocka_unit_test_setup(any_set_is_its_values, clear),
		cmocka_unit_test_setup(a_prefix_is_an_interval, clear),
		cmocka_unit_test_setup(bits_outside_of_the_mask_never_match, clear),
		cmocka_unit_test_setup(a_mask_with_holes_is_kept, clear),
		cmocka_unit_test_setup(a_mask_with_holes_is_inverted_below_itself, clear),
		cmocka_unit_test_setup(a_narrow_field_has_no_mask, clear),
		cmocka_unit_test_setup(a_name_prefix_is_a_wide_interval, clear),
		cmocka_unit_test_setup(values_are_asked_for, clear),
		cmocka_unit_test_setup(either_is_one_step, clear),
		cmocka_unit_test_setup(steps_keep_their_order, clear),
		cmocka_unit_test_setup(many_steps_fit, clear),
	};
	int failed = cmocka_run_group_tests_name("predicate", tests, NULL, NULL);

	predicate_free(&predicate);
	return failed;
}
