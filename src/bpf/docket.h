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

INLINE void clear_docket(struct arena_docket ARENA *docket)
{
	docket->n_actions = 0;
	docket->next = 0;
	docket->begun = 0;
	docket->step = 0;
	for (__u32 i = 0; i < DOCKET_CONDITIONS / 64; i++)
		*(volatile __u64 ARENA *)&docket->condition[i] = 0;
}

/*
 * An empty docket for the packet; 0 if there is no room. One that is found belonged to an earlier
 * packet at the same address, which somebody dropped on its way through the chains.
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
	if (number)
		clear_docket(docket_at(number));
	return number;
}

/* The packet's docket if the chains in front of the hook have begun it; 0 if not. */
INLINE __u32 find_begun_docket(__u64 packet)
{
	__u32 number = find_docket(packet);

	return number && docket_at(number)->begun ? number : 0;
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
		number = find_begun_docket(packet);
	if (!number)
		number = take_docket(packet);
	if (!number || !add_action(number, action))
		__sync_fetch_and_add(&arena_root()->undelegated, 1);
	return number;
}

enum docket_condition {
	DOCKET_CONDITION_FAILS,
	DOCKET_CONDITION_HOLDS,
	DOCKET_CONDITION_UNKNOWN, /* there was no room for a docket */
};

/* Does @condition hold? If so, or if @always, @action (0: none) is to be done. */
GLOBAL int docket_condition(__u64 packet, __u32 condition, __u32 action, __u32 always)
{
	__u32 number = find_begun_docket(packet);
	bool holds;

	condition %= DOCKET_CONDITIONS;
	if (!number)
		return DOCKET_CONDITION_UNKNOWN;
	holds = docket_at(number)->condition[condition / 64] >> condition % 64 & 1;
	if (action && (holds || always))
		delegate_action(packet, number, action);
	return holds ? DOCKET_CONDITION_HOLDS : DOCKET_CONDITION_FAILS;
}

/*
 * What the hook answers for a packet that is judged, and for which @number is the docket that was
 * taken meanwhile, or 0: a packet for which something is to be done is accepted here, and dropped
 * behind the hook if the rules have said so.
 */
GLOBAL int docket_verdict(__u64 packet, __u32 number, int accepted)
{
	struct arena_docket ARENA *docket;
	bool taken = number;

	if (!number)
		number = find_docket(packet);
	if (!number)
		return accepted;
	docket = docket_at(number);
	if ((!taken && !docket->begun) || !docket->n_actions) {
		release_docket(number);
		return accepted;
	}
	docket->begun = 0;
	if (!accepted)
		add_action(number, DOCKET_DROP);
	return true;
}
