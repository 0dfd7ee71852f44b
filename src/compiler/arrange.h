/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the bits stand in an image. Rules that only decide, one behind the other in a chain, can be
 * looked at in any order as long as the first of those that match is found: rules with similar
 * addresses are put next to each other, so that a packet's rules are in few words of the rows.
 */
#pragma once

#include "abi/image.h"
#include "compiler/layout.h"
#include "compiler/lower.h"

/* All NULL if every bit stands where its rule does. */
struct arrangement {
	uint32_t *place_of_bit;
	struct image_place *places;
	uint32_t *word_ranks; /* the lowest rank in each 64 places */
};

/* Returns 0 or -ENOMEM. To be freed with arrangement_free() in either case. */
int arrange_bits(const struct ruleset *ruleset, const struct layout *layout,
		 const struct lowered *lowered, struct arrangement *ret_arrangement);

void arrangement_free(struct arrangement *arrangement); /* accepts a zeroed one */

static inline uint32_t arrangement_place(const struct arrangement *arrangement, uint32_t bit)
{
	return arrangement->place_of_bit ? arrangement->place_of_bit[bit] : bit;
}
