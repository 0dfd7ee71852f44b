// SPDX-License-Identifier: GPL-2.0-or-later
#include "compiler/rows.h"
#include "evaluate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define MEMORY_SIZE (8u << 20)

/* A number of bits that needs each number of levels. */
static const uint32_t sizes[] = {0, 64, 4096, 70000};

static void *memory;

/* Rows stand behind an image's header. */
#define HEADER_SIZE sizeof(struct image)

/* Is the bit in the row, as abi/image.h describes rows? */
static bool row_has(const uint8_t *image, uint32_t offset, uint32_t levels, uint32_t bit)
{
	const struct image_row *row = (const void *)(image + offset);
	const struct image_group *group = (const void *)(image + offset);
	uint32_t group_number = bit / 4096, word = bit / 64 % 64;

	if (offset & IMAGE_ROW_INLINE)
		return image_inline_bit(offset) == bit;
	if (levels == 1)
		return *(const uint64_t *)(const void *)(image + offset) >> bit & 1;
	if (levels == 3) {
		if (!(row->top >> group_number & 1))
			return false;
		group = (const void *)(image + row->groups);
		group += group_number;
	}
	if (!(group->summary >> word & 1))
		return false;
	return ((const uint64_t *)(const void *)(image + group->words))[word] >> bit % 64 & 1;
}

static bool has_one_bit_at_most(const struct bitset *set)
{
	uint32_t n = 0;

	for (uint32_t word = 0; word < set->n_words; word++)
		n += (uint32_t)__builtin_popcountll(set->words[word]);
	return n <= 1;
}

static void random_set(struct bitset *set, uint32_t n_bits)
{
	uint32_t dense = random_below(n_bits);

	bitset_clear(set);
	for (uint32_t n = random_below(3); n; n--)
		bitset_toggle(set, random_below(n_bits));
	for (uint32_t bit = dense; bit < n_bits && bit < dense + 100; bit++)
		if (random_below(2))
			bitset_toggle(set, bit);
}

static void test_levels(void **state)
{
	(void)state;
	assert_int_equal(rows_levels(0), 1);
	assert_int_equal(rows_levels(64), 1);
	assert_int_equal(rows_levels(65), 2);
	assert_int_equal(rows_levels(4096), 2);
	assert_int_equal(rows_levels(4097), 3);
	assert_int_equal(rows_levels(IMAGE_MAX_BITS), 3);
}

static void test_a_row_holds_the_set_that_it_was_made_from(void **state)
{
	(void)state;
	for (uint32_t levels = 1; levels <= 3; levels++) {
		struct writer writer = {
			.memory = memory, .capacity = MEMORY_SIZE, .used = HEADER_SIZE};
		uint32_t n_bits = sizes[levels];
		struct bitset set;
		struct rows rows;

		assert_int_equal(bitset_init(&set, n_bits), 0);
		assert_int_equal(rows_init(&rows, &writer, levels), 0);
		for (int n = 0; n < 60; n++) {
			uint32_t offset = 0;

			random_set(&set, n_bits);
			assert_int_equal(rows_find(&rows, &set, &offset), 0);
			assert_false(writer.full);
			assert_true(offset >= HEADER_SIZE && offset % 4 == 0);
			assert_int_equal(!!(offset & IMAGE_ROW_INLINE), has_one_bit_at_most(&set));
			for (uint32_t bit = 0; bit < n_bits; bit++)
				assert_int_equal(row_has(memory, offset, levels, bit),
						 bitset_has(&set, bit));
		}
		rows_free(&rows);
		bitset_free(&set);
	}
}

/* More of them than the table has room for at first. */
static void test_each_row_is_kept_once(void **state)
{
	enum { N = 3000 };
	static uint32_t offsets[N];

	(void)state;
	for (uint32_t levels = 1; levels <= 3; levels++) {
		uint32_t n_stored = 0;
		struct writer writer = {
			.memory = memory, .capacity = MEMORY_SIZE, .used = HEADER_SIZE};
		struct bitset set;
		struct rows rows;

		assert_int_equal(bitset_init(&set, sizes[levels]), 0);
		assert_int_equal(rows_init(&rows, &writer, levels), 0);

		for (uint32_t n = 0; n < 2 * N; n++) {
			uint32_t offset = 0;

			/* Each number's own set of bits. */
			bitset_clear(&set);
			for (uint32_t bit = 0; bit < 12; bit++)
				if ((n % N) >> bit & 1)
					bitset_toggle(&set, bit * sizes[levels] / 12);
			assert_int_equal(rows_find(&rows, &set, &offset), 0);
			if (n < N)
				offsets[n] = offset;
			else
				assert_int_equal(offset, offsets[n - N]);
			n_stored += n < N && !(offset & IMAGE_ROW_INLINE);
		}
		assert_int_equal(rows.n_rows, n_stored);
		assert_int_equal(n_stored, N - 1 - 12);
		rows_free(&rows);
		bitset_free(&set);
	}
}

static void test_equal_hashes_are_not_enough(void **state)
{
	(void)state;
	for (uint32_t levels = 1; levels <= 3; levels++) {
		struct writer writer = {
			.memory = memory, .capacity = MEMORY_SIZE, .used = HEADER_SIZE};
		uint32_t last = 0;
		struct bitset set;
		struct rows rows;

		assert_int_equal(bitset_init(&set, sizes[levels]), 0);
		assert_int_equal(rows_init(&rows, &writer, levels), 0);
		/* The same words in other groups, other words in the same group, one word more. */
		for (uint32_t i = 0; i < 8; i++) {
			uint32_t offset = 0;

			bitset_toggle(&set, sizes[levels] / 8 * i);
			set.hash = 42;
			assert_int_equal(rows_find(&rows, &set, &offset), 0);
			/* The first has one bit: it is none of those that are stored. */
			assert_int_equal(!!(offset & IMAGE_ROW_INLINE), i == 0);
			assert_true(i == 0 || offset > last);
			last = i == 0 ? 0 : offset;
		}
		rows_free(&rows);
		bitset_free(&set);
	}
}

static void test_a_full_image_is_noticed(void **state)
{
	(void)state;
	for (uint32_t levels = 1; levels <= 3; levels++) {
		for (size_t capacity = 0; capacity < 120; capacity += 8) {
			struct writer writer = {.memory = memory, .capacity = capacity};
			uint32_t offset = 0;
			struct bitset set;
			struct rows rows;

			assert_int_equal(bitset_init(&set, sizes[levels]), 0);
			assert_int_equal(rows_init(&rows, &writer, levels), 0);
			for (uint32_t bit = 0; bit < 64 && !writer.full; bit++) {
				bitset_toggle(&set, bit * (sizes[levels] / 64));
				assert_int_equal(rows_find(&rows, &set, &offset), 0);
			}
			assert_true(writer.full);
			assert_true(writer.used <= capacity);
			rows_free(&rows);
			bitset_free(&set);
		}
	}
}

static int set_up(void **state)
{
	(void)state;
	memory = malloc(MEMORY_SIZE);
	return !memory;
}

static int tear_down(void **state)
{
	(void)state;
	free(memory);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_a_row_holds_the_set_that_it_was_made_from),
		cmocka_unit_test(test_each_row_is_kept_once),
		cmocka_unit_test(test_equal_hashes_are_not_enough),
		cmocka_unit_test(test_a_full_image_is_noticed),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
