/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arithmetic on sets of intervals, in place. Private to this module. */
#pragma once

#include "ruleset/predicate.h"

/* A field's value as one number: the arithmetic on carries and borrows is the compiler's then. */
__extension__ typedef unsigned __int128 wide;

static inline wide wide_from(struct value value)
{
	return (wide)value.high << 64 | value.low;
}

static inline struct value value_from(wide number)
{
	return (struct value){(uint64_t)(number >> 64), (uint64_t)number};
}

/*
 * Cuts the intervals to [0, @maximum], sorts them, and joins those that touch or overlap. Returns
 * how many are left.
 */
uint32_t intervals_normalize(struct interval *intervals, uint32_t n_intervals, wide maximum);

/*
 * What of [0, @maximum] is in none of the normalized @intervals. The result may have one interval
 * more than the argument: there must be room for it. Returns how many there are.
 */
uint32_t intervals_complement(struct interval *intervals, uint32_t n_intervals, wide maximum);

/* Are the normalized @intervals all of [0, @maximum]? */
bool intervals_are_full(const struct interval *intervals, uint32_t n_intervals, wide maximum);
