/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Residual predicates on the transport header. @transport is where the kernel's matches look for
 * it, par->thoff; in a fragment of IPv6 that is the IP header.
 */
#pragma once

#include "abi/residual.h"
#include "bpf/headers.h"
#include "bpf/ipv6.h"
#include "bpf/kernel.h"
#include "bpf/walk.h"

/* Has the packet @needed bytes of the transport header? As skb_header_pointer() finds it. */
INLINE bool has_transport(SOURCE *ctx, __u32 transport, __u32 needed)
{
	__u32 length = source_length(ctx);

	return length >= transport && length - transport >= needed;
}

/* xt_ecn.c match_tcp() */
GLOBAL int tcp_bits_result(SOURCE *ctx, const struct residual_tcp_bits ARENA *condition ARENA_ARG,
			   __u32 transport)
{
	struct bpf_dynptr dynptr;
	__u8 bits = 0;

	if (!has_transport(ctx, transport, TCP_HEADER_SIZE))
		return RESIDUALS_DIFFER;
	if (source_dynptr(ctx, &dynptr) || bpf_dynptr_read(&bits, 1, &dynptr, transport + 13, 0))
		return RESIDUALS_BOUND;
	return result_of((bits & condition->mask) == condition->value);
}

INLINE int transport_size_result(SOURCE *ctx, const struct residual_transport_size ARENA *condition,
				 __u32 transport)
{
	return has_transport(ctx, transport, condition->needed) ? RESIDUALS_MATCH : RESIDUALS_DROP;
}

/* The security parameter index: xt_esp.c esp_mt(), ipt_ah.c ah_mt() */
GLOBAL int
transport_number_result(SOURCE *ctx,
			const struct residual_transport_number ARENA *condition ARENA_ARG,
			__u32 transport)
{
	struct bpf_dynptr dynptr;
	__be32 bytes = 0;
	__u32 number;

	if (!has_transport(ctx, transport, condition->needed))
		return RESIDUALS_DROP;
	if (source_dynptr(ctx, &dynptr) ||
	    bpf_dynptr_read(&bytes, sizeof(bytes), &dynptr, transport + condition->offset, 0))
		return RESIDUALS_BOUND;
	number = bpf_ntohl(bytes);
	return result_of((number >= condition->first && number <= condition->last) !=
			 condition->invert);
}

#define TCP_OPTIONS_MAX_SIZE 40
#define TCP_OPTIONS_BUFFER   64 /* a power of two: indices are masked */

INLINE __u8 option_byte(const __u8 *options, __u32 index)
{
	return options[MASKED_INDEX(index, TCP_OPTIONS_BUFFER - 1)];
}

/*
 * Is the option there? xt_tcpudp.c tcp_find_option(), on a header whose options are all there
 * (SHAPE_WHOLE).
 */
GLOBAL int tcp_option_result(SOURCE *ctx, __u32 transport, __u32 option)
{
	__u8 options[TCP_OPTIONS_BUFFER] = {};
	struct bpf_dynptr dynptr;
	__u8 header_words = 0;
	__u32 length, i = 0;

	if (source_dynptr(ctx, &dynptr) ||
	    bpf_dynptr_read(&header_words, 1, &dynptr, transport + 12, 0))
		return RESIDUALS_DIFFER;
	length = (header_words >> 4) * 4;
	if (length <= TCP_HEADER_SIZE)
		return RESIDUALS_DIFFER;
	length -= TCP_HEADER_SIZE;
	if (length > TCP_OPTIONS_MAX_SIZE ||
	    bpf_dynptr_read(options, length, &dynptr, transport + TCP_HEADER_SIZE, 0))
		return RESIDUALS_DIFFER;
	while (i < length) {
		__u8 kind = option_byte(options, i);
		__u8 size = option_byte(options, i + 1);

		if (kind == option)
			return RESIDUALS_MATCH;
		/* End of list and no-operation have no length; nor has one in the last byte. */
		i += kind < 2 || i == length - 1 || !size ? 1 : size;
		LOOP_BOUND;
	}
	return i < length ? RESIDUALS_BOUND : RESIDUALS_DIFFER;
}

#define TCP_OPTION_MSS      2
#define TCP_OPTION_MSS_SIZE 4

/* xt_tcpmss.c tcpmss_mt(). It does not ask whether the packet is a fragment. */
GLOBAL int tcp_mss_result(SOURCE *ctx, const struct residual_tcp_mss ARENA *condition ARENA_ARG,
			  __u32 transport)
{
	__u8 options[TCP_OPTIONS_BUFFER] = {};
	struct bpf_dynptr dynptr;
	__u8 header_words = 0;
	__u32 length, i = 0;

	if (!has_transport(ctx, transport, TCP_HEADER_SIZE))
		return RESIDUALS_DROP;
	if (source_dynptr(ctx, &dynptr) ||
	    bpf_dynptr_read(&header_words, 1, &dynptr, transport + 12, 0))
		return RESIDUALS_BOUND;
	length = (header_words >> 4) * 4;
	if (length <= TCP_HEADER_SIZE)
		return length < TCP_HEADER_SIZE ? RESIDUALS_DROP : result_of(condition->invert);
	length -= TCP_HEADER_SIZE;
	if (length > TCP_OPTIONS_MAX_SIZE ||
	    bpf_dynptr_read(options, length, &dynptr, transport + TCP_HEADER_SIZE, 0))
		return RESIDUALS_DROP;
	while (i < length) {
		__u8 kind = option_byte(options, i);
		__u8 size = option_byte(options, i + 1);

		if (kind == TCP_OPTION_MSS && length - i >= TCP_OPTION_MSS_SIZE &&
		    size == TCP_OPTION_MSS_SIZE) {
			__u32 mss = option_byte(options, i + 2) << 8 | option_byte(options, i + 3);

			return result_of((mss >= condition->minimum && mss <= condition->maximum) ^
					 condition->invert);
		}
		i += kind < 2 || i == length - 1 || !size ? 1 : size;
		LOOP_BOUND;
	}
	return i < length ? RESIDUALS_BOUND : result_of(condition->invert);
}
