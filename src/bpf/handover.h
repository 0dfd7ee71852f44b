/* SPDX-License-Identifier: GPL-2.0-only */
/* Notes of accepted packets while one hook takes over from another: see abi/handover.h. */
#pragma once

#include "abi/handover.h"
#include "bpf/generation.h"
#include "bpf/headers.h"

/* Do any of @judges (enum judges) judge now? */
INLINE __u32 judges_now(__u32 judges)
{
	return *(volatile __u32 ARENA *)&arena_root()->judges & judges;
}

#define HANDOVER_CHUNK 32u /* bytes that are looked at together: the stack is short */

/*
 * Takes out of a packet's first bytes what changes on the way from one hook to the other: the time
 * to live, and with it the checksum. Returns false if rules may look at headers behind those bytes
 * that a note knows.
 */
INLINE bool prepare_header(__u8 *bytes, __u32 length, bool ipv6)
{
	if (ipv6) {
		bytes[7] = 0;
		return length <= HANDOVER_BYTES || !is_extension_header(bytes[6]);
	}
	bytes[8] = 0;
	bytes[10] = 0;
	bytes[11] = 0;
	return length <= HANDOVER_BYTES || (bytes[0] & 15) == 5;
}

struct packet_hash {
	__u64 number;
	__u64 other;
};

INLINE void hash_pair(struct packet_hash *hash, const struct handover ARENA *handover, __u32 index,
		      __u32 first, __u32 second)
{
	const __u32 ARENA *key = &handover->key[index];

	hash->number += (__u64)(first + key[0]) * (second + key[1]);
	hash->other += (__u64)(first + key[2]) * (second + key[3]);
}

/* The packet's number, with 0 in the lowest byte, and its place; 0: it cannot be noted. */
INLINE __u64 note_number(SOURCE *ctx, const struct handover ARENA *handover, __u32 where,
			 __u32 *ret_place)
{
	__u32 length = source_length(ctx);
	__u32 words[HANDOVER_CHUNK / 4];
	struct packet_hash hash = {};
	struct bpf_dynptr dynptr;

	if (source_dynptr(ctx, &dynptr))
		return 0;
	/* Loops that are unrolled would take more stack than there is. */
#pragma clang loop unroll(disable)
	for (__u32 offset = 0; offset < HANDOVER_BYTES; offset += HANDOVER_CHUNK) {
		__u32 size = length > offset ? length - offset : 0;

		if (size > HANDOVER_CHUNK)
			size = HANDOVER_CHUNK;
		__builtin_memset(words, 0, sizeof(words));
		if (size && bpf_dynptr_read(words, size, &dynptr, offset, 0))
			return 0;
		if (!offset && !prepare_header((__u8 *)words, length, where & 1))
			return 0;
#pragma clang loop unroll(disable)
		for (__u32 i = 0; i < HANDOVER_CHUNK / 4; i += 2)
			hash_pair(&hash, handover, offset / 4 + i, words[i], words[i + 1]);
	}
	hash_pair(&hash, handover, HANDOVER_BYTES / 4, where, source_device(ctx));
	hash_pair(&hash, handover, HANDOVER_BYTES / 4 + 2, length, 0);
	*ret_place = (__u32)(hash.other >> 32);
	return (hash.number ^ hash.other << 16) & ~HANDOVER_COUNT_MASK;
}

INLINE bool add_note(__u64 ARENA *place, __u64 number)
{
	__u64 now = *(volatile __u64 ARENA *)place;

	if (now && (now & ~HANDOVER_COUNT_MASK) != number)
		return false;
	if ((now & HANDOVER_COUNT_MASK) == HANDOVER_COUNT_MASK)
		return false;
	return __sync_val_compare_and_swap(place, now, (now ? now : number) + 1) == now;
}

INLINE bool take_note(__u64 ARENA *place, __u64 number)
{
	__u64 now = *(volatile __u64 ARENA *)place;
	__u64 next = (now & HANDOVER_COUNT_MASK) == 1 ? 0 : now - 1;

	return now && (now & ~HANDOVER_COUNT_MASK) == number &&
	       __sync_val_compare_and_swap(place, now, next) == now;
}

/*
 * Adds a note of the packet, or with @take takes one away; @where is handover_where(). Returns
 * whether it has: if not, the packet is judged once more, and counted.
 */
GLOBAL int handover_note(SOURCE *ctx, __u32 where, bool take)
{
	struct handover ARENA *handover;
	__u32 position = (__u32)arena_root()->handover, place;
	__u64 number;

	if (!position)
		return false;
	handover = ARENA_AT(struct handover, position);
	number = note_number(ctx, handover, where, &place);
	if (!number)
		return false;
	/* Twice, because others may change the places meanwhile. */
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < 2 * HANDOVER_PROBES; i++) {
		__u64 ARENA *at =
			&handover->place[(place + i % HANDOVER_PROBES) & (HANDOVER_PLACES - 1)];

		if (take ? take_note(at, number) : add_note(at, number))
			return true;
		LOOP_BOUND;
	}
	return false;
}

/* Names a stage for packets of a chain. */
INLINE __u32 handover_where(enum handover_stage stage, enum arena_family family, __u32 hook)
{
	return (__u32)stage << 8 | hook << 1 | family;
}
