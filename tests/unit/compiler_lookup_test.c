// SPDX-License-Identifier: GPL-2.0-or-later
/* Lookups, written by the compiler and searched by the code that also runs in eBPF. */
#include "compiler/lookup.h"

#include "bpf/classify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MEMORY_SIZE (16u << 20)
#define MAX_BOUNDS  3000u

static void *memory;
static struct bound bounds[MAX_BOUNDS];

/* As in evaluate.c, whose packet is another than the classifier's. */
static uint64_t random_bits(void)
{
	static uint64_t state = 1;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static struct value random_value(uint32_t bits)
{
	struct value value = {random_bits(), random_bits()};

	if (bits < 128)
		value = VALUE(value.low >> (64 - bits));
	/* Neighbours, too: values that differ in the last bits only. */
	if (random_bits() % 3 == 0 && bits > 8) {
		value.high = 0;
		value.low &= 0x1ff;
	}
	return value;
}

static int compare_bounds(const void *a, const void *b)
{
	return value_compare(((const struct bound *)a)->value, ((const struct bound *)b)->value);
}

/* Sorted bounds, each with a row of its own; the first is 0, the last is often the greatest. */
static uint32_t random_bounds(uint32_t n, uint32_t bits)
{
	uint32_t kept = 1;

	bounds[0].value = VALUE(0);
	for (uint32_t i = 1; i < n; i++)
		bounds[i].value = random_value(bits);
	if (n > 1 && random_bits() % 2)
		bounds[n - 1].value = bits == 128 ? VALUE_ALL_BITS : VALUE((1ull << bits) - 1);
	qsort(bounds, n, sizeof(*bounds), compare_bounds);
	for (uint32_t i = 1; i < n; i++)
		if (value_compare(bounds[i].value, bounds[kept - 1].value))
			bounds[kept++].value = bounds[i].value;
	for (uint32_t i = 0; i < kept; i++)
		bounds[i].row = 8 * (i + 1);
	return kept;
}

static uint32_t expected_row(uint32_t n, struct value value)
{
	uint32_t i = n - 1;

	while (value_compare(bounds[i].value, value) > 0)
		i--;
	return bounds[i].row;
}

static void check_value(const struct image_field *field, uint32_t n, struct value value)
{
	assert_int_equal(wide_field_row(memory, field, value.high, value.low),
			 expected_row(n, value));
}

static struct value neighbour(struct value value, int distance, uint32_t bits)
{
	value.low += (uint64_t)(int64_t)distance;
	if (bits < 128)
		value.low &= (1ull << bits) - 1;
	return value;
}

static void check_lookup(uint32_t n, uint32_t bits)
{
	struct writer writer = {.memory = memory, .capacity = MEMORY_SIZE};
	struct image_field field = {};

	/* Offset 0 is none. */
	writer_reserve(&writer, 8);
	n = random_bounds(n, bits);
	lookup_write(&writer, bounds, n, bits, &field);
	assert_false(writer.full);
	for (uint32_t i = 0; i < n; i++)
		for (int distance = -1; distance <= 1; distance++)
			check_value(&field, n, neighbour(bounds[i].value, distance, bits));
	for (int i = 0; i < 200; i++)
		check_value(&field, n, random_value(bits));
}

static void test_each_value_has_the_row_of_its_bound(void **state)
{
	/* What a list holds, one more, and many. */
	static const uint32_t numbers[] = {1, 2, 4, 5, 6, 7, 16, 17, 18, 40, 300, MAX_BOUNDS};
	static const uint32_t widths[] = {8, 16, 32, 128};

	(void)state;
	for (size_t w = 0; w < sizeof(widths) / sizeof(widths[0]); w++)
		for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
			for (int n = 0; n < 5; n++)
				check_lookup(numbers[i], widths[w]);
}

static void test_every_value_of_narrow_fields(void **state)
{
	(void)state;
	for (uint32_t bits = 8; bits <= 16; bits += 8) {
		struct writer writer = {.memory = memory, .capacity = MEMORY_SIZE, .used = 8};
		uint32_t n = random_bounds(100, bits);
		struct image_field field = {};

		lookup_write(&writer, bounds, n, bits, &field);
		for (uint32_t value = 0; value < 1u << bits; value++)
			check_value(&field, n, VALUE(value));
	}
}

static void test_a_full_image_is_noticed(void **state)
{
	static const uint32_t widths[] = {8, 16, 32, 128};

	(void)state;
	for (size_t w = 0; w < sizeof(widths) / sizeof(widths[0]); w++) {
		for (size_t capacity = 16; capacity < 1024; capacity += 48) {
			uint8_t *exact = malloc(capacity);
			struct writer writer = {.memory = exact, .capacity = capacity};
			uint32_t n = random_bounds(200, widths[w]);
			struct image_field field = {};

			assert_non_null(exact);
			lookup_write(&writer, bounds, n, widths[w], &field);
			assert_true(writer.full);
			free(exact);
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
		cmocka_unit_test(test_each_value_has_the_row_of_its_bound),
		cmocka_unit_test(test_every_value_of_narrow_fields),
		cmocka_unit_test(test_a_full_image_is_noticed),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
