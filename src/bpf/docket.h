/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Dockets (abi/arena.h): what the kernel is to do for a packet behind the hook at which it is
 * judged. A packet is in one CPU's hands at a time, and so is its docket; only places are fought
 * for.
 */
#pragma once

#include "bpf/generation.h"

/*
 * The address of a packet's struct sk_buff as a number, which the verifier does not let anybody
 * have for anything else. It takes the difference between two pointers for one; from the same map
 * it is the same in every program.
 */
INLINE __u64 packet_number(const void *packet)
{
	__u64 number = (__u64)packet;

	asm volatile("%0 -= %1" : "+r"(number) : "r"(&arena));
	return number;
}

INLINE struct arena_dockets ARENA *all_dockets(void)
{
	return ARENA_AT(struct arena_dockets, arena_root()->dockets);
}

/* A docket is known by its number, counted from 1 on. */
INLINE struct arena_docket ARENA *docket_at(__u32 number)
{
	return &all_dockets()->docket[0][number - 1];
}

INLINE __u32 docket_bucket(__u64 packet)
{
	return (__u32)(packet * 0x9e3779b97f4a7c15ull >> 32) & (DOCKET_BUCKETS - 1);
}

/* The packet's docket; 0 if it has none. */
INLINE __u32 find_docket(__u64 packet)
{
	__u32 bucket = docket_bucket(packet);

	for (__u32 place = 0; place < DOCKET_PLACES; place++)
		if (*(volatile __u64 ARENA *)&all_dockets()->packet[bucket][place] == packet)
			return bucket * DOCKET_PLACES + place + 1;
	return 0;
}

INLINE void release_docket(__u32 number)
{
	*(volatile __u64 ARENA *)&all_dockets()->packet[0][number - 1] = 0;
}

/*
 * An empty docket for the packet; 0 if there is no room. One that is found belonged to an earlier
 * packet at the same address, which somebody dropped between the hook and the chains behind it.
 */
INLINE __u32 take_docket(__u64 packet)
{
	__u32 bucket = docket_bucket(packet);
	__u32 number = find_docket(packet);

	for (__u32 place = 0; place < DOCKET_PLACES && !number; place++) {
		__u64 ARENA *key = &all_dockets()->packet[bucket][place];

		if (!*(volatile __u64 ARENA *)key && !__sync_val_compare_and_swap(key, 0, packet))
			number = bucket * DOCKET_PLACES + place + 1;
	}
	if (number) {
		docket_at(number)->n_actions = 0;
		docket_at(number)->next = 0;
	}
	return number;
}

/* There is always room for the verdict, which comes last. */
INLINE bool add_action(__u32 number, __u32 action)
{
	struct arena_docket ARENA *docket = docket_at(number);
	__u32 n = docket->n_actions;

	if (n >= DOCKET_ACTIONS - (action != DOCKET_DROP))
		return false;
	docket->action[n] = (__u16)action;
	docket->n_actions = (__u8)(n + 1);
	return true;
}

/* Notes that @action is to be done for @packet, whose docket is @number (0: none yet). */
GLOBAL __u32 delegate_action(__u64 packet, __u32 number, __u32 action)
{
	if (!number)
		number = take_docket(packet);
	if (!number || !add_action(number, action))
		__sync_fetch_and_add(&arena_root()->undelegated, 1);
	return number;
}

/*
 * What the hook answers for a packet that is judged, and whose docket is @number (0: none): one
 * with a docket is accepted here, to be dropped behind the hook if the rules have said so.
 */
GLOBAL int hand_over(__u64 packet, __u32 number, int accepted)
{
	if (!number && accepted) {
		number = find_docket(packet);
		if (number)
			release_docket(number);
		return true;
	}
	if (!number)
		return false;
	if (!accepted)
		add_action(number, DOCKET_DROP);
	return true;
}
