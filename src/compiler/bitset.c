// SPDX-License-Identifier: GPL-2.0-or-later
#include "compiler/bitset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A number for each bit, as if drawn by lot (splitmix64): a set's hash is the XOR of its bits'. */
static uint64_t bit_hash(uint32_t bit)
{
	uint64_t hash = (bit + 1) * 0x9e3779b97f4a7c15ull;

	hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9ull;
	hash = (hash ^ hash >> 27) * 0x94d049bb133111ebull;
	return hash ^ hash >> 31;
}

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

void bitset_toggle(struct bitset *set, uint32_t bit)
{
	uint32_t word = bit / 64;
	uint32_t group = word / IMAGE_GROUP_WORDS;
	uint64_t in_group = 1ull << word % IMAGE_GROUP_WORDS;
	uint64_t before = set->words[word];

	set->words[word] ^= 1ull << bit % 64;
	set->hash ^= bit_hash(bit);
	if (!before) {
		set->summary[group] |= in_group;
		set->top |= 1ull << group;
		set->used_words++;
	} else if (!set->words[word]) {
		set->summary[group] &= ~in_group;
		if (!set->summary[group])
			set->top &= ~(1ull << group);
		set->used_words--;
	}
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
