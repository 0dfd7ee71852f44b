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

void bitset_toggle(struct bitset *set, uint32_t bit);
bool bitset_has(const struct bitset *set, uint32_t bit);

void bitset_clear(struct bitset *set);

/* @set becomes equal to @from; both are of the same size. */
void bitset_assign(struct bitset *set, const struct bitset *from);
