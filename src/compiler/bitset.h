/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A set of bits with the same three levels as an image's rows, so that its non-empty words are
 * found without looking at the empty ones, and with a hash that follows each change, so that equal
 * sets are found without comparing all.
 */
#pragma once

#include "abi/image.h"

#include <stdbool.h>
#include <stdint.h>

struct bitset {
	uint64_t top;
	uint64_t summary[64];
	uint64_t *words; /* n_words; memory for whole groups */
	uint32_t n_words;
	uint32_t used_words; /* words that are not zero */
	uint64_t hash; /* of the contents; equal sets have equal hashes, not the other way round */
};

/* An empty set for bits 0 to n_bits - 1. Returns 0 or -ENOMEM. */
int bitset_init(struct bitset *set, uint32_t n_bits);
void bitset_free(struct bitset *set); /* accepts a zeroed one */

/* A number for each bit, as if drawn by lot (splitmix64): a set's hash is the XOR of its bits'. */
static inline uint64_t bitset_hash(uint32_t bit)
{
	uint64_t hash = (bit + 1) * 0x9e3779b97f4a7c15ull;

	hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9ull;
	hash = (hash ^ hash >> 27) * 0x94d049bb133111ebull;
	return hash ^ hash >> 31;
}

/* A word has become empty, or is empty no more. */
static inline void bitset_note_word(struct bitset *set, uint32_t word)
{
	uint32_t group = word / IMAGE_GROUP_WORDS;

	set->summary[group] ^= 1ull << word % IMAGE_GROUP_WORDS;
	set->used_words += set->words[word] ? 1 : -1u;
	if (set->summary[group])
		set->top |= 1ull << group;
	else
		set->top &= ~(1ull << group);
}

/* Here, because a sweep does hardly anything else. */
static inline void bitset_toggle(struct bitset *set, uint32_t bit)
{
	uint64_t before = set->words[bit / 64];

	set->words[bit / 64] = before ^ 1ull << bit % 64;
	set->hash ^= bitset_hash(bit);
	if (!before || !set->words[bit / 64])
		bitset_note_word(set, bit / 64);
}

bool bitset_has(const struct bitset *set, uint32_t bit);

void bitset_clear(struct bitset *set);

/* @set becomes equal to @from; both are of the same size. */
void bitset_assign(struct bitset *set, const struct bitset *from);
