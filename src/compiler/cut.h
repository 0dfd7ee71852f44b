/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A run of bits (or rules, ...) that is taken out of a sequence, and how many take its place. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct cut {
	uint32_t first;
	uint32_t end; /* one behind the last */
	uint32_t inserted;
};

static inline bool cut_removes(const struct cut *cut, uint32_t number)
{
	return number >= cut->first && number < cut->end;
}

/* The new number of what is not removed. */
static inline uint32_t cut_renumber(const struct cut *cut, uint32_t number)
{
	return number < cut->end ? number : number - cut->end + cut->first + cut->inserted;
}
