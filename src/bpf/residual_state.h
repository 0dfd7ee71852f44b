/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Matches that keep something from packet to packet (abi/match_state.h). Several CPUs, and walks
 * that interrupt each other on one, do so at the same time; each sees what it would see if they
 * came one after the other.
 */
#pragma once

#include "abi/match_state.h"
#include "abi/residual.h"
#include "bpf/generation.h"
#include "bpf/walk.h"

struct match_lock {
	struct bpf_spin_lock lock;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MATCH_LOCKS);
	__type(key, __u32);
	__type(value, struct match_lock);
} match_locks SEC(".maps");

/* NULL is for the verifier, or there is no such lock. */
INLINE struct match_lock *match_lock(__u32 number)
{
	return bpf_map_lookup_elem(&match_locks, &number);
}

INLINE __u64 ticks_now(void)
{
	__u64 test_ticks = *(volatile __u64 ARENA *)&arena_root()->test_ticks;

	return test_ticks ? test_ticks : bpf_jiffies64();
}

/* xt_statistic.c statistic_mt(), also the next one */
INLINE int random_result(const struct match_random ARENA *random)
{
	bool chosen = (bpf_get_prandom_u32() & 0x7fffffff) < random->probability;

	return result_of(chosen != !!random->inverted);
}

/* xt_limit.c limit_mt() */
GLOBAL int limit_result(struct match_limit ARENA *limit ARENA_ARG)
{
	volatile __u32 ARENA *credit = &limit->credit;
	volatile __u64 ARENA *previous = &limit->previous;
	__u32 cost = limit->cost, increase = 0;

	if (*credit < cost && *previous == ticks_now())
		return RESIDUALS_DIFFER;
	for (;;) {
		__u64 now = ticks_now();
		__u32 before, after;

		increase += (__u32)(now - __sync_lock_test_and_set(&limit->previous, now)) *
			    limit->credits_per_tick;
		before = *credit;
		after = before + increase;
		if (after > limit->credit_cap)
			after = limit->credit_cap;
		if (__sync_val_compare_and_swap(&limit->credit, before,
						after >= cost ? after - cost : after) == before)
			return result_of(after >= cost);
		LOOP_BOUND;
	}
	return RESIDUALS_BOUND;
}

GLOBAL int nth_result(struct match_nth ARENA *nth ARENA_ARG)
{
	for (;;) {
		__u32 before = *(volatile __u32 ARENA *)&nth->count;
		__u32 after = before == nth->every ? 0 : before + 1;

		if (__sync_val_compare_and_swap(&nth->count, before, after) == before)
			return result_of(!after != !!nth->inverted);
		LOOP_BOUND;
	}
	return RESIDUALS_BOUND;
}

/* xt_quota.c quota_mt(): a packet that is too large ends the quota for smaller ones, too. */
GLOBAL int quota_result(struct match_quota ARENA *quota ARENA_ARG, __u32 length)
{
	for (;;) {
		__u64 before = *(volatile __u64 ARENA *)&quota->left;
		__u64 after = before >= length ? before - length : 0;

		if (__sync_val_compare_and_swap(&quota->left, before, after) == before)
			return result_of((before >= length) != !!quota->inverted);
		LOOP_BOUND;
	}
	return RESIDUALS_BOUND;
}

/* The match whose state is at @position; @length is the packet's. */
GLOBAL int state_result(__u32 kind, __u32 position, __u32 length)
{
	switch (kind) {
	case RESIDUAL_RANDOM:
		return random_result(ARENA_AT(struct match_random, position));
	case RESIDUAL_LIMIT:
		return limit_result(ARENA_AT(struct match_limit, position));
	case RESIDUAL_NTH:
		return nth_result(ARENA_AT(struct match_nth, position));
	default:
		return quota_result(ARENA_AT(struct match_quota, position), length);
	}
}
