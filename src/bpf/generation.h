/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The arena as the programs see it, and how a walk enters the generation in force and leaves it.
 */
#pragma once

#include "abi/arena.h"
#include "abi/kernel_constants.h"
#include "bpf/kernel.h"
#include "bpf/portable.h"

struct {
	__uint(type, KERNEL_MAP_TYPE_ARENA);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, ARENA_PAGES);
} arena SEC(".maps");

INLINE struct arena_root ARENA *arena_root(void)
{
	__u64 address = ARENA_ADDRESS;

	/*
	 * A program that uses arena memory has to mention its map, and clang must not see through
	 * the address, or it leaves out the cast that makes it an arena pointer. It is a number
	 * here: to make an arena pointer of any other pointer takes eight instructions.
	 */
	asm volatile("" : "+r"(address) : "r"(&arena));
	return (struct arena_root ARENA *)address;
}

#define ARENA_AT(type, offset) ((type ARENA *)((char ARENA *)arena_root() + (offset)))

INLINE void note_failure(enum arena_failure failure)
{
	__sync_fetch_and_add(&arena_root()->failures[failure], 1);
}

/*
 * An addition that is a full barrier on every architecture: eBPF's atomic operations are ordered
 * only if they return the old value (Documentation/bpf/standardization/instruction-set.rst), and
 * clang leaves that out where it is not used.
 */
INLINE void add_with_barrier(__u64 ARENA *number, __u64 addend)
{
	__u64 before = __sync_fetch_and_add(number, addend);

	asm volatile("" ::"r"(before) : "memory");
}

/*
 * Takes the CPU's lane for a walk in the generation in force, whose position it stores at
 * @position. False if somebody has the lane, or if the generation
 * changed again and again. The exchange is a full barrier: see generation_flip() in
 * datapath/generation.c, which waits until no lane is held in the old generation.
 */
INLINE bool take_lane(__u32 family, struct arena_lane ARENA *lane, __u64 *position)
{
	volatile __u64 ARENA *current = &arena_root()->current[family];

	*position = *current;
	if (!*position || __sync_val_compare_and_swap(&lane->holder, 0, *position))
		return false;
	for (int attempt = 0; attempt < 8; attempt++) {
		__u64 now = *current;

		if (now == *position)
			return true;
		if (!now)
			break;
		*position = now;
		__sync_lock_test_and_set(&lane->holder, now);
	}
	__sync_lock_test_and_set(&lane->holder, 0);
	return false;
}

/* All that the walk has read and written comes before. */
INLINE void leave_lane(struct arena_lane ARENA *lane)
{
#ifdef STORES_STAY_IN_ORDER
	asm volatile("" ::: "memory");
	*(volatile __u64 ARENA *)&lane->holder = 0;
#else
	__u64 before = __sync_lock_test_and_set(&lane->holder, 0);

	asm volatile("" ::"r"(before) : "memory");
#endif
}

/*
 * Announces a walk without a lane in the generation in force, and returns its position; the
 * readers' count keeps it valid until leave_generation(). The atomic addition is a full barrier:
 * the generation that is read after it is one that nobody has begun to take away
 * (datapath/generation.c waits for the count). 0 if there is none.
 */
INLINE __u64 enter_generation(__u32 family, struct arena_readers ARENA *readers)
{
	volatile __u64 ARENA *current = &arena_root()->current[family];

	for (int attempt = 0; attempt < 8; attempt++) {
		__u64 position = *current;

		if (!position) {
			note_failure(ARENA_FAILURE_NO_RULESET);
			return 0;
		}
		add_with_barrier(&readers->under_way[position & 1], 1);
		if (*current == position)
			return position;
		add_with_barrier(&readers->under_way[position & 1], -1);
	}
	note_failure(ARENA_FAILURE_FLIPPING);
	return 0;
}

INLINE void leave_generation(struct arena_readers ARENA *readers, __u64 position)
{
	add_with_barrier(&readers->under_way[position & 1], -1);
}
