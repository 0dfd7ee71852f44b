// SPDX-License-Identifier: GPL-2.0-or-later
#include "compiler/conjunction.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define PORT 3u /* a field's number */

static struct conjunction conjunction;

static int set_up(void **state)
{
	(void)state;
	conjunction_clear(&conjunction);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	conjunction_clear(&conjunction);
	return 0;
}

static void require(uint32_t number, const struct interval *intervals, uint32_t n_intervals)
{
	const struct requirement requirement = {
		.field = FIELD_DESTINATION_PORT,
		.mask = VALUE_ALL_BITS,
		.n_intervals = n_intervals,
	};

	assert_int_equal(conjunction_require(&conjunction, number, &requirement, intervals), 0);
}

/* The @n_intervals of the field, as first and last, first and last ... */
static void assert_field(uint32_t n_intervals, const uint64_t *ends)
{
	const struct conjunction_field *field = &conjunction.fields[PORT];

	assert_true(field->used);
	assert_int_equal(field->n_intervals, n_intervals);
	for (uint32_t i = 0; i < n_intervals; i++) {
		assert_int_equal(field->intervals[i].first.low, ends[2 * i]);
		assert_int_equal(field->intervals[i].last.low, ends[2 * i + 1]);
	}
}

/* The residual that begins @offset bytes into the list, which it moves behind it. */
static const struct residual *next_residual(uint32_t *offset)
{
	const struct residual *residual = (const void *)(conjunction.residuals + *offset);

	assert_true(*offset + sizeof(*residual) <= conjunction.residuals_size);
	assert_int_equal(residual->size % 8, 0);
	*offset += residual->size;
	assert_true(*offset <= conjunction.residuals_size);
	return residual;
}

static void test_a_field_that_is_required_twice_is_intersected(void **state)
{
	const struct interval one[] = {INTERVAL(1, 10), INTERVAL(20, 30), INTERVAL(40, 50)};
	const struct interval other[] = {INTERVAL(5, 22), INTERVAL(24, 24), INTERVAL(50, 99)};
	static const uint64_t common[] = {5, 10, 20, 22, 24, 24, 50, 50};

	(void)state;
	require(PORT, one, 3);
	require(PORT, other, 3);
	assert_field(4, common);
	assert_true(conjunction_possible(&conjunction));
	assert_int_equal(conjunction.residuals_size, 0);
}

static void test_what_is_implied_changes_nothing(void **state)
{
	const struct interval narrow[] = {INTERVAL(1, 3), INTERVAL(8, 9)};
	const struct interval wide[] = {INTERVAL(0, 5), INTERVAL(7, 20)};
	static const uint64_t ends[] = {1, 3, 8, 9};

	(void)state;
	require(PORT, narrow, 2);
	/* Behind a hotdrop, too. */
	assert_int_equal(conjunction_hotdrop(&conjunction, SHAPE_BIT(SHAPE_TINY)), 0);
	require(PORT, wide, 2);
	assert_field(2, ends);
	assert_ptr_equal(conjunction.fields[PORT].intervals, narrow);
	assert_int_equal(conjunction.residuals_size, 0);
}

static void test_what_contradicts_itself_is_impossible(void **state)
{
	const struct interval one = INTERVAL(1, 10), other = INTERVAL(11, 20);

	(void)state;
	require(PORT, &one, 1);
	require(PORT, &other, 1);
	assert_false(conjunction_possible(&conjunction));
}

/* Then there are still the packets that it drops. */
static void test_what_contradicts_itself_behind_a_hotdrop_is_possible(void **state)
{
	(void)state;
	assert_int_equal(conjunction_hotdrop(&conjunction, SHAPE_BIT(SHAPE_TINY)), 0);
	require(PORT, NULL, 0);
	assert_int_equal(conjunction.fields[PORT].late, SHAPE_BIT(SHAPE_TINY));
	assert_true(conjunction_possible(&conjunction));
}

static void test_a_field_is_late_for_shapes_that_are_dropped_before(void **state)
{
	const struct interval interval = INTERVAL(1, 10);

	(void)state;
	require(PORT, &interval, 1);
	assert_int_equal(conjunction.fields[PORT].late, 0);
	assert_int_equal(conjunction_hotdrop(&conjunction, SHAPE_BIT(SHAPE_TINY)), 0);
	require(PORT + 1, &interval, 1);
	assert_int_equal(conjunction.fields[PORT + 1].late, SHAPE_BIT(SHAPE_TINY));
	assert_int_equal(conjunction_hotdrop(&conjunction, SHAPE_BIT(SHAPE_4_BYTES)), 0);
	require(PORT + 2, &interval, 1);
	assert_int_equal(conjunction.fields[PORT + 2].late,
			 SHAPE_BIT(SHAPE_TINY) | SHAPE_BIT(SHAPE_4_BYTES));
	assert_int_equal(conjunction.fields[PORT + 1].late, SHAPE_BIT(SHAPE_TINY));
	assert_int_equal(conjunction.hotdrop, SHAPE_BIT(SHAPE_TINY) | SHAPE_BIT(SHAPE_4_BYTES));
}

static void assert_intervals(const struct residual *residual, const struct interval *interval)
{
	const struct residual_intervals *operand = (const void *)(residual + 1);

	assert_int_equal(residual->kind, RESIDUAL_INTERVALS);
	assert_int_equal(operand->field, FIELD_DESTINATION_PORT);
	assert_int_equal(operand->count, 1);
	assert_int_equal(operand->mask.low, UINT64_MAX);
	assert_int_equal(operand->interval[0].first.low, interval->first.low);
	assert_int_equal(operand->interval[0].last.low, interval->last.low);
}

/* The bit must not lose the packets that are dropped between the two. */
static void test_a_field_again_behind_a_hotdrop_is_a_residual(void **state)
{
	const struct interval one = INTERVAL(1, 10), other = INTERVAL(5, 20);
	static const uint64_t ends[] = {1, 10};
	uint32_t offset = 0;

	(void)state;
	require(PORT, &one, 1);
	assert_int_equal(conjunction_hotdrop(&conjunction, SHAPE_BIT(SHAPE_TINY)), 0);
	require(PORT, &other, 1);
	assert_field(1, ends);
	assert_intervals(next_residual(&offset), &other);
	assert_int_equal(offset, conjunction.residuals_size);
	assert_int_equal(conjunction.hotdrop, SHAPE_BIT(SHAPE_TINY));
}

static void test_a_field_that_the_image_has_no_room_for_is_a_residual(void **state)
{
	const struct interval interval = INTERVAL(7, 8);
	uint32_t offset = 0;

	(void)state;
	require(IMAGE_MAX_FIELDS, &interval, 1);
	assert_intervals(next_residual(&offset), &interval);
}

static void test_hotdrops_keep_their_place_among_residuals(void **state)
{
	static const struct residual_tcp_option option = {.option = 3};
	uint32_t tiny = SHAPE_BIT(SHAPE_TINY), bad = SHAPE_BIT(SHAPE_BAD_OPTIONS), offset = 0;
	const struct residual *residual;

	(void)state;
	assert_int_equal(conjunction_hotdrop(&conjunction, tiny), 0);
	assert_int_equal(
		conjunction_residual(&conjunction, RESIDUAL_TCP_OPTION, 0, &option, sizeof(option)),
		0);
	/* Those that are dropped already are not again. */
	assert_int_equal(conjunction_hotdrop(&conjunction, tiny), 0);
	assert_int_equal(conjunction_hotdrop(&conjunction, tiny | bad), 0);
	assert_int_equal(conjunction.hotdrop, tiny);

	residual = next_residual(&offset);
	assert_int_equal(residual->kind, RESIDUAL_TCP_OPTION);
	assert_memory_equal(residual + 1, &option, sizeof(option));
	residual = next_residual(&offset);
	assert_int_equal(residual->kind, RESIDUAL_HOTDROP);
	assert_int_equal(residual->argument, bad);
	assert_int_equal(offset, conjunction.residuals_size);
}

static void test_operands_are_padded_with_zeros(void **state)
{
	static const uint8_t operand[] = {1, 2, 3};
	static const uint8_t padded[8] = {1, 2, 3};
	uint32_t offset = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(conjunction_residual(&conjunction, RESIDUAL_CONNTRACK, 0, operand,
						      sizeof(operand)),
				 0);
	while (offset < conjunction.residuals_size)
		assert_memory_equal(next_residual(&offset) + 1, padded, sizeof(padded));
}

static void test_a_copy_goes_its_own_way(void **state)
{
	const struct interval one[] = {INTERVAL(1, 10), INTERVAL(20, 30)};
	const struct interval other = INTERVAL(5, 25), third = INTERVAL(5, 6);
	static const uint64_t ends[] = {5, 10, 20, 25};
	const struct requirement requirement = {
		.field = FIELD_DESTINATION_PORT, .mask = VALUE_ALL_BITS, .n_intervals = 1};
	struct conjunction copy;

	(void)state;
	require(PORT, one, 2);
	require(PORT, &other, 1);
	require(IMAGE_MAX_FIELDS, &third, 1);
	assert_int_equal(conjunction_copy(&copy, &conjunction), 0);
	assert_int_equal(copy.residuals_size, conjunction.residuals_size);
	assert_memory_equal(copy.residuals, conjunction.residuals, copy.residuals_size);
	assert_int_equal(conjunction_require(&copy, PORT, &requirement, &third), 0);
	assert_int_equal(copy.fields[PORT].n_intervals, 1);
	assert_int_equal(conjunction_residual(&copy, RESIDUAL_CONNTRACK, 0, NULL, 0), 0);
	conjunction_clear(&copy);
	assert_field(2, ends);
}

#define conjunction_test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		conjunction_test(test_a_field_that_is_required_twice_is_intersected),
		conjunction_test(test_what_is_implied_changes_nothing),
		conjunction_test(test_what_contradicts_itself_is_impossible),
		conjunction_test(test_what_contradicts_itself_behind_a_hotdrop_is_possible),
		conjunction_test(test_a_field_is_late_for_shapes_that_are_dropped_before),
		conjunction_test(test_a_field_again_behind_a_hotdrop_is_a_residual),
		conjunction_test(test_a_field_that_the_image_has_no_room_for_is_a_residual),
		conjunction_test(test_hotdrops_keep_their_place_among_residuals),
		conjunction_test(test_operands_are_padded_with_zeros),
		conjunction_test(test_a_copy_goes_its_own_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
