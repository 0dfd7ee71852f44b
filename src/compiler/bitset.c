// SPDX-License-Identifier: GPL-2.0-or-later
#include "compiler/bitset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int bitset_init(struct bitset *set, uint32_t n_bits)
{
	uint32_t groups = n_bits / 4096 + 1;

	*set = (struct bitset){.n_words = groups * IMAGE_GROUP_WORDS};
	set->words = calloc(set->n_words, sizeof(*set->words));
	return set->words ? 0 : -ENOMEM;
}

void bitset_free(struct bitset *set)
{
	free(set->words);
	set->words = NULL;
}

bool bitset_has(const struct bitset *set, uint32_t bit)
{
	return set->words[bit / 64] >> bit % 64 & 1;
}

void bitset_clear(struct bitset *set)
{
	memset(set->words, 0, set->n_words * sizeof(*set->words));
	*set = (struct bitset){.words = set->words, .n_words = set->n_words};
}

void bitset_assign(struct bitset *set, const struct bitset *from)
{
	uint64_t *words = set->words;

	memcpy(words, from->words, from->n_words * sizeof(*words));
	*set = *from;
	set->words = words;
}
