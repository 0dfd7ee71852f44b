// SPDX-License-Identifier: GPL-2.0-or-later
#include "compiler/bitset.h"
#include "evaluate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define N_BITS 20000u

static bool model[N_BITS];

/* Summary, top and the number of words follow from the words. */
static void assert_consistent(const struct bitset *set)
{
	uint32_t used_words = 0;

	for (uint32_t word = 0; word < set->n_words; word++) {
		uint32_t group = word / IMAGE_GROUP_WORDS;
		bool in_summary = set->summary[group] >> word % IMAGE_GROUP_WORDS & 1;

		assert_int_equal(in_summary, set->words[word] != 0);
		assert_int_equal(set->top >> group & 1, set->summary[group] != 0);
		used_words += in_summary;
	}
	assert_int_equal(set->used_words, used_words);
}

static void assert_is_model(const struct bitset *set)
{
	for (uint32_t bit = 0; bit < N_BITS; bit++)
		assert_int_equal(bitset_has(set, bit), model[bit]);
	assert_consistent(set);
}

static void toggle_some(struct bitset *set, uint32_t n, uint32_t below)
{
	while (n--) {
		uint32_t bit = random_below(below);

		bitset_toggle(set, bit);
		model[bit] ^= true;
	}
}

static void test_toggled_bits_are_there_until_they_are_toggled_again(void **state)
{
	struct bitset set;

	(void)state;
	memset(model, 0, sizeof(model));
	assert_int_equal(bitset_init(&set, N_BITS), 0);
	assert_is_model(&set);
	for (int round = 0; round < 30; round++) {
		toggle_some(&set, 50, round % 2 ? 200 : N_BITS);
		assert_is_model(&set);
	}
	for (uint32_t bit = 0; bit < N_BITS; bit++)
		if (model[bit])
			bitset_toggle(&set, bit);
	assert_int_equal(set.top, 0);
	assert_int_equal(set.hash, 0);
	assert_consistent(&set);
	bitset_free(&set);
}

static void test_equal_sets_have_equal_hashes_however_they_came_about(void **state)
{
	struct bitset one, other;

	(void)state;
	assert_int_equal(bitset_init(&one, N_BITS), 0);
	assert_int_equal(bitset_init(&other, N_BITS), 0);
	for (uint32_t bit = 0; bit < N_BITS; bit += 7)
		bitset_toggle(&one, bit);
	bitset_toggle(&other, 5000);
	for (uint32_t bit = (N_BITS - 1) / 7 * 7 + 7; bit; bit -= 7)
		bitset_toggle(&other, bit - 7);
	assert_int_not_equal(one.hash, other.hash);
	bitset_toggle(&other, 5000);
	assert_int_equal(one.hash, other.hash);
	bitset_free(&one);
	bitset_free(&other);
}

static void test_a_copy_is_equal_and_apart(void **state)
{
	struct bitset set, copy;

	(void)state;
	memset(model, 0, sizeof(model));
	assert_int_equal(bitset_init(&set, N_BITS), 0);
	assert_int_equal(bitset_init(&copy, N_BITS), 0);
	bitset_toggle(&copy, 77);
	toggle_some(&set, 300, N_BITS);
	bitset_assign(&copy, &set);
	assert_is_model(&copy);
	assert_int_equal(copy.hash, set.hash);
	bitset_clear(&set);
	assert_is_model(&copy);
	memset(model, 0, sizeof(model));
	assert_is_model(&set);
	assert_int_equal(set.hash, 0);
	bitset_free(&set);
	bitset_free(&copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_toggled_bits_are_there_until_they_are_toggled_again),
		cmocka_unit_test(test_equal_sets_have_equal_hashes_however_they_came_about),
		cmocka_unit_test(test_a_copy_is_equal_and_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
