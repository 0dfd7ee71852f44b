// SPDX-License-Identifier: GPL-2.0-or-later
#include "ruleset/interval.h"

#include <stdlib.h>

static int compare_first(const void *one, const void *other)
{
	const struct interval *a = one;
	const struct interval *b = other;

	return value_compare(a->first, b->first);
}

static bool are_sorted(const struct interval *intervals, uint32_t n_intervals)
{
	for (uint32_t i = 1; i < n_intervals; i++) {
		if (compare_first(&intervals[i - 1], &intervals[i]) > 0)
			return false;
	}
	return true;
}

static uint32_t clip(struct interval *intervals, uint32_t n_intervals, wide maximum)
{
	uint32_t n_kept = 0;

	for (uint32_t i = 0; i < n_intervals; i++) {
		struct interval interval = intervals[i];

		if (value_compare(interval.first, interval.last) > 0 ||
		    wide_from(interval.first) > maximum)
			continue;
		if (wide_from(interval.last) > maximum)
			interval.last = value_from(maximum);
		intervals[n_kept++] = interval;
	}
	return n_kept;
}

uint32_t intervals_normalize(struct interval *intervals, uint32_t n_intervals, wide maximum)
{
	uint32_t n_merged = 0;

	n_intervals = clip(intervals, n_intervals, maximum);
	if (n_intervals <= 1)
		return n_intervals;
	if (!are_sorted(intervals, n_intervals))
		qsort(intervals, n_intervals, sizeof(*intervals), compare_first);

	for (uint32_t i = 0; i < n_intervals; i++) {
		struct interval *previous = n_merged ? &intervals[n_merged - 1] : NULL;

		/* first - 1 cannot wrap: a first of 0 is below the previous interval's last. */
		if (previous && (value_compare(intervals[i].first, previous->last) <= 0 ||
				 wide_from(intervals[i].first) - 1 == wide_from(previous->last))) {
			if (value_compare(intervals[i].last, previous->last) > 0)
				previous->last = intervals[i].last;
		} else {
			intervals[n_merged++] = intervals[i];
		}
	}
	return n_merged;
}

uint32_t intervals_complement(struct interval *intervals, uint32_t n_intervals, wide maximum)
{
	uint32_t n_gaps = 0;
	wide start = 0;

	/* No more gaps than intervals have been seen: a write never overtakes the reads. */
	for (uint32_t i = 0; i < n_intervals; i++) {
		wide first = wide_from(intervals[i].first);
		wide last = wide_from(intervals[i].last);

		if (first > start)
			intervals[n_gaps++] =
				(struct interval){value_from(start), value_from(first - 1)};
		if (last == maximum)
			return n_gaps;
		start = last + 1;
	}
	intervals[n_gaps++] = (struct interval){value_from(start), value_from(maximum)};
	return n_gaps;
}

bool intervals_are_full(const struct interval *intervals, uint32_t n_intervals, wide maximum)
{
	return n_intervals == 1 && wide_from(intervals[0].first) == 0 &&
	       wide_from(intervals[0].last) == maximum;
}
