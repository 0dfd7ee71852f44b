/* SPDX-License-Identifier: GPL-2.0-only */
/* The residual predicate on the time of day and the date (net/netfilter/xt_time.c). */
#pragma once

#include "abi/residual.h"
#include "bpf/calendar.h"
#include "bpf/generation.h"
#include "bpf/ipv6.h"
#include "bpf/kernel.h"

#define NANOSECONDS_OF_A_SECOND 1000000000ll

/* Of the clock that the daemon follows: see struct arena_clock. */
GLOBAL int time_result(const struct xt_time_info ARENA *condition ARENA_ARG)
{
	const struct arena_clock ARENA *clock = &arena_root()->clock;
	__s64 now = ((__s64)bpf_ktime_get_tai_ns() - clock->atomic_time_ahead) /
		    NANOSECONDS_OF_A_SECOND;

	if (condition->flags & XT_TIME_LOCAL_TZ)
		now -= clock->seconds_west;
	return result_of(calendar_matches(condition, now));
}
