/* SPDX-License-Identifier: GPL-2.0-only */
/* The residual predicate on any bytes of the packet (net/netfilter/xt_u32.c). */
#pragma once

#include "abi/residual.h"
#include "bpf/ipv6.h"
#include "bpf/kernel.h"
#include "bpf/walk.h"

#include <linux/netfilter/xt_u32.h>

#define U32_SIZE 4u

/* The number at @position of the packet, which has been checked to be there. */
INLINE int u32_read(SOURCE *ctx, __u32 position, __u32 *ret_value)
{
	struct bpf_dynptr dynptr;
	__be32 bytes = 0;

	if (source_dynptr(ctx, &dynptr))
		return RESIDUALS_BOUND;
	if (bpf_dynptr_read(&bytes, sizeof(bytes), &dynptr, position, 0))
		return RESIDUALS_DROP;
	*ret_value = bpf_ntohl(bytes);
	return RESIDUALS_MATCH;
}

/* The value that the test's operations make of the packet. Positions wrap around as the kernel's.
 */
GLOBAL int u32_value_result(SOURCE *ctx, const struct xt_u32_test ARENA *test ARENA_ARG,
			    __u32 *ret_value NONNULL_ARG)
{
	__u32 length = source_length(ctx);
	__u32 n = test->nnums;
	__u32 at = 0, i = 1;
	__u32 value = 0;
	int result;

	if (length < U32_SIZE || test->location[0].number > length - U32_SIZE)
		return RESIDUALS_DIFFER;
	result = u32_read(ctx, test->location[0].number, &value);
	if (result != RESIDUALS_MATCH)
		return result;
	while (i < n) {
		__u32 number = test->location[i].number;

		switch (test->location[i].nextop) {
		case XT_U32_AND:
			value &= number;
			break;
		case XT_U32_LEFTSH:
			value <<= number & 31;
			break;
		case XT_U32_RIGHTSH:
			value >>= number & 31;
			break;
		case XT_U32_AT:
			if (at + value < at)
				return RESIDUALS_DIFFER;
			at += value;
			if (at + U32_SIZE < at || length < at + U32_SIZE ||
			    number > length - at - U32_SIZE)
				return RESIDUALS_DIFFER;
			result = u32_read(ctx, at + number, &value);
			if (result != RESIDUALS_MATCH)
				return result;
			break;
		}
		i++;
		LOOP_BOUND;
	}
	*ret_value = value;
	return i < n ? RESIDUALS_BOUND : RESIDUALS_MATCH;
}

GLOBAL int u32_in_ranges(const struct xt_u32_test ARENA *test ARENA_ARG, __u32 value)
{
	__u32 n = test->nvalues;
	__u32 i = 0;

	while (i < n) {
		if (test->value[i].min <= value && value <= test->value[i].max)
			return RESIDUALS_MATCH;
		i++;
		LOOP_BOUND;
	}
	return i < n ? RESIDUALS_BOUND : RESIDUALS_DIFFER;
}

/* u32_mt(), u32_match_it() */
GLOBAL int u32_result(SOURCE *ctx, const struct xt_u32 ARENA *condition ARENA_ARG)
{
	__u32 n = condition->ntests;
	int result = RESIDUALS_MATCH;
	__u32 i = 0;

	while (i < n) {
		__u32 value = 0;

		result = u32_value_result(ctx, &condition->tests[i], &value);
		if (result == RESIDUALS_MATCH)
			result = u32_in_ranges(&condition->tests[i], value);
		if (result != RESIDUALS_MATCH)
			break;
		i++;
		LOOP_BOUND;
	}
	if (result == RESIDUALS_MATCH && i < n)
		return RESIDUALS_BOUND;
	if (result != RESIDUALS_MATCH && result != RESIDUALS_DIFFER)
		return result;
	return result_of((result == RESIDUALS_MATCH) ^ condition->invert);
}
