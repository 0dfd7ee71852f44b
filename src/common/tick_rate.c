// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/tick_rate.h"

#include <time.h>

/* The coarse clock moves once a tick. */
uint32_t tick_rate(void)
{
	struct timespec resolution = {};

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &resolution) || resolution.tv_nsec <= 0)
		return 0;
	return (uint32_t)((1000000000ull + (uint64_t)resolution.tv_nsec / 2) /
			  (uint64_t)resolution.tv_nsec);
}
