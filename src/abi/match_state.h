/* SPDX-License-Identifier: GPL-2.0-only OR GPL-2.0-or-later */
/*
 * What matches keep from packet to packet, in the arena, beside the images: it outlives the
 * generation that it was made for as long as its rule stands in the table (ruleset_pair_states()).
 * User space fills a cell in before a program can find it, and only reads it then; programs on
 * several CPUs, of two generations, and of both kinds of hooks change it at the same time, by
 * atomic operations. Times are jiffies (arena_root.tick_rate of them are a second).
 */
#pragma once

#include <linux/types.h>

#define MATCH_CELL_SIZE 64u /* a cache line of its own */

/* xt_limit.c: a bucket of credits, of which each tick brings some and each match costs some. */
struct match_limit {
	__u64 previous; /* when the bucket was filled up last */
	__u32 credit;
	__u32 credit_cap;
	__u32 cost;
	__u32 credits_per_tick;
};

/* xt_statistic.c: @probability of 2^31 packets. */
struct match_random {
	__u32 probability;
	__u32 inverted;
};

/* xt_statistic.c: packets are counted from 0 to @every, and then again. */
struct match_nth {
	__u32 count;
	__u32 every;
	__u32 inverted;
};

/* xt_quota.c */
struct match_quota {
	__u64 left; /* bytes */
	__u32 inverted;
};
