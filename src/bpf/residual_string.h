/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The residual predicate on text in the packet (net/netfilter/xt_string.c): the searches of the
 * kernel's lib/ts_bm.c and lib/ts_kmp.c, which do not find the same. Boyer-Moore does not find what
 * lies across the pieces that a packet is made of (skb_seq_read() in net/core/skbuff.c), nor
 * everything when case does not matter.
 */
#pragma once

#include "abi/residual.h"
#include "bpf/ipv6.h"
#include "bpf/kernel.h"
#include "bpf/walk.h"

#define TEXT_WINDOW 16u /* a power of two, and the size of kernel_bytes() */

/* The bytes of the packet that are looked at. */
struct text {
	__u8 bytes[TEXT_WINDOW];
	__u32 position; /* not a multiple of the window's size: there is nothing in it yet */
};

/* toupper() of the kernel's include/linux/ctype.h: of Latin-1. */
INLINE __u8 fold_case(__u8 byte)
{
	bool lower = (byte >= 'a' && byte <= 'z') || (byte >= 0xdf && byte != 0xf7);

	return lower ? byte - ('a' - 'A') : byte;
}

/* Moves the window. What cannot be read is zero. */
GLOBAL int text_load(SOURCE *ctx, struct text *text NONNULL_ARG, __u32 begin)
{
	__u32 size = source_length(ctx) - begin;
	struct bpf_dynptr dynptr;

	text->position = begin;
	if (begin + TEXT_WINDOW <= source_linear_size(ctx)) {
		*(struct in6_addr *)text->bytes = *kernel_bytes(source_header(ctx) + begin);
		return 0;
	}
	if (size > TEXT_WINDOW || !size)
		size = TEXT_WINDOW;
	if (source_dynptr(ctx, &dynptr) || bpf_dynptr_read(text->bytes, size, &dynptr, begin, 0))
		__builtin_memset(text->bytes, 0, sizeof(text->bytes));
	return 0;
}

/* The byte at @position, which is below the packet's length; as it stands. */
INLINE __u8 text_byte(SOURCE *ctx, struct text *text, __u32 position)
{
	__u32 begin = position & ~(TEXT_WINDOW - 1);

	if (begin != text->position)
		text_load(ctx, text, begin);
	return text->bytes[MASKED_INDEX(position, TEXT_WINDOW - 1)];
}

INLINE __u8 folded(const struct residual_string ARENA *string, __u8 byte)
{
	return string->flags & RESIDUAL_STRING_FOLD ? fold_case(byte) : byte;
}

/*
 * ts_kmp.c kmp_find(), up to @limit. It counts down because the verifier, which follows the
 * counter, then sees ever smaller ranges and is done.
 */
GLOBAL int find_knuth_morris_pratt(SOURCE *ctx,
				   const struct residual_string ARENA *string ARENA_ARG,
				   __u32 limit)
{
	__u32 left = string->from < limit ? limit - string->from : 0;
	__u32 length = string->length;
	struct text text = {.position = 1};
	__u32 missing = length; /* bytes of the pattern */

	while (left) {
		__u8 byte = folded(string, text_byte(ctx, &text, limit - left));
		__u32 matched = length - missing;

		if (string->pattern[matched] == byte) {
			left--;
			if (missing <= 1)
				return RESIDUALS_MATCH;
			missing--;
		} else if (matched) {
			missing = length - string->shift[matched];
		} else {
			left--;
		}
		LOOP_BOUND;
	}
	return left ? RESIDUALS_BOUND : RESIDUALS_DIFFER;
}

/*
 * ts_bm.c bm_find(), up to @limit: piece by piece, in each of them from the first place where the
 * pattern can end.
 */
GLOBAL int find_boyer_moore(SOURCE *ctx, const struct residual_string ARENA *string ARENA_ARG,
			    __u32 limit)
{
	struct text text = {.position = 1};
	__u32 left =
		string->length; /* bytes of the pattern that have not matched, the first ones */
	__u32 piece_end = string->from;
	__u32 last = piece_end; /* where the pattern's last byte is looked for */

	for (;;) {
		__u32 matched = string->length - left;
		__u8 byte;

		if (!left)
			return RESIDUALS_MATCH;
		if (last >= piece_end || last >= limit) {
			if (piece_end >= limit)
				return RESIDUALS_DIFFER;
			last = piece_end + string->length - 1;
			piece_end = source_piece_end(ctx, piece_end);
			left = string->length;
			goto next;
		}
		byte = text_byte(ctx, &text, last - matched);
		if (folded(string, byte) == string->pattern[left - 1]) {
			left--;
		} else {
			__s32 by_byte = string->bad_shift[byte] - (__s32)matched;
			__s32 by_match = string->shift[matched];

			last += by_byte > by_match ? by_byte : by_match;
			left = string->length;
		}
	next:
		LOOP_BOUND;
	}
	return RESIDUALS_BOUND;
}

/* xt_string.c string_mt(), skb_find_text() */
INLINE int string_result(SOURCE *ctx, const struct residual_string ARENA *string)
{
	__u32 length = source_length(ctx);
	__u32 limit = string->to < length ? string->to : length;
	int result;

	if (string->flags & RESIDUAL_STRING_BOYER_MOORE)
		result = find_boyer_moore(ctx, string, limit);
	else
		result = find_knuth_morris_pratt(ctx, string, limit);
	return string->flags & RESIDUAL_STRING_INVERT ? inverted_result(result) : result;
}
