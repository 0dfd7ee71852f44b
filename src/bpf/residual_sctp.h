/* SPDX-License-Identifier: GPL-2.0-only */
/* The residual predicate on SCTP's chunks (net/netfilter/xt_sctp.c). */
#pragma once

#include "abi/residual.h"
#include "bpf/ipv6.h"
#include "bpf/kernel.h"
#include "bpf/walk.h"

#include <linux/netfilter/xt_sctp.h>

#define SCTP_HEADER_SIZE 12

/* match_flags(): what the rule says of the flags of a chunk of this type. */
INLINE bool sctp_flags_match(const struct residual_sctp_chunks ARENA *condition, __u32 type,
			     __u32 flags)
{
	__u32 n = condition->n_flags;

	for (__u32 i = 0; i < RESIDUAL_SCTP_FLAGS; i++)
		if (i < n && condition->flags_of[i].type == type)
			return (flags & condition->flags_of[i].mask) ==
			       condition->flags_of[i].value;
	return true;
}

/* match_packet(): the chunks from @offset on. A packet with one that is cut short is dropped. */
GLOBAL int find_sctp_chunks(SOURCE *ctx,
			    const struct residual_sctp_chunks ARENA *condition ARENA_ARG,
			    __u32 offset)
{
	__u32 missing[RESIDUAL_SCTP_CHUNK_WORDS];
	__u32 match = condition->match;
	__u32 length = source_length(ctx);
	struct bpf_dynptr dynptr;
	__u32 left = 0;

	/* Word by word: clang's copy of a block would not cast its address. */
	for (int i = 0; i < RESIDUAL_SCTP_CHUNK_WORDS; i++)
		missing[i] = *(const volatile __u32 ARENA *)&condition->chunks[i];
	if (source_dynptr(ctx, &dynptr))
		return RESIDUALS_BOUND;
	for (;;) {
		struct {
			__u8 type;
			__u8 flags;
			__be16 length;
		} chunk = {};
		__u32 word, bit;

		if (bpf_dynptr_read(&chunk, sizeof(chunk), &dynptr, offset, 0) || !chunk.length)
			return RESIDUALS_DROP;
		offset += (bpf_ntohs(chunk.length) + 3u) & ~3u;
		word = chunk.type / 32;
		bit = 1u << chunk.type % 32;
		if (!(condition->chunks[word] & bit)) {
			if (match == SCTP_CHUNK_MATCH_ONLY)
				return RESIDUALS_DIFFER;
		} else if (sctp_flags_match(condition, chunk.type, chunk.flags)) {
			if (match == SCTP_CHUNK_MATCH_ANY)
				return RESIDUALS_MATCH;
			missing[MASKED_INDEX(word, RESIDUAL_SCTP_CHUNK_WORDS - 1)] &= ~bit;
		} else if (match == SCTP_CHUNK_MATCH_ONLY) {
			return RESIDUALS_DIFFER;
		}
		if (offset >= length)
			goto ended;
		LOOP_BOUND;
	}
	return RESIDUALS_BOUND;
ended:
	for (int i = 0; i < RESIDUAL_SCTP_CHUNK_WORDS; i++)
		left |= missing[i];
	if (match == SCTP_CHUNK_MATCH_ALL)
		return result_of(!left && !condition->more_chunks);
	return result_of(match == SCTP_CHUNK_MATCH_ONLY);
}

/* @transport is that of a packet that is no fragment and has the whole of SCTP's header. */
INLINE int sctp_chunks_result(SOURCE *ctx, const struct residual_sctp_chunks ARENA *condition,
			      __u32 transport)
{
	int result = find_sctp_chunks(ctx, condition, transport + SCTP_HEADER_SIZE);

	return condition->invert ? inverted_result(result) : result;
}
