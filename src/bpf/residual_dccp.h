/* SPDX-License-Identifier: GPL-2.0-only */
/* The residual predicate on DCCP's types and options (net/netfilter/xt_dccp.c). */
#pragma once

#include "abi/residual.h"
#include "bpf/ipv6.h"
#include "bpf/kernel.h"
#include "bpf/walk.h"

#include <linux/netfilter/xt_dccp.h>

#define DCCP_HEADER_SIZE   12
#define DCCP_EXTENDED_SIZE 4 /* of the long sequence number */

/* RFC 4340 section 5.1 */
enum dccp_type {
	DCCP_REQUEST,
	DCCP_RESPONSE,
	DCCP_DATA,
	DCCP_ACK,
	DCCP_DATA_ACK,
	DCCP_CLOSE_REQUEST,
	DCCP_CLOSE,
	DCCP_RESET,
	DCCP_SYNC,
	DCCP_SYNC_ACK,
};

struct dccp_header {
	__be16 source;
	__be16 destination;
	__u8 offset; /* of the data, in words */
	__u8 coverage;
	__be16 checksum;
	__u8 type; /* in bits 1 to 4; bit 0: extended */
	__u8 sequence[3];
};

INLINE __u32 dccp_type(const struct dccp_header *header)
{
	return header->type >> 1 & 15;
}

/* Where the options begin: __dccp_hdr_len() (include/linux/dccp.h). */
INLINE __u32 dccp_fixed_size(const struct dccp_header *header)
{
	__u32 size = DCCP_HEADER_SIZE + (header->type & 1) * DCCP_EXTENDED_SIZE;

	switch (dccp_type(header)) {
	case DCCP_DATA:
		return size;
	case DCCP_REQUEST:
		return size + 4;
	case DCCP_ACK:
	case DCCP_DATA_ACK:
	case DCCP_CLOSE_REQUEST:
	case DCCP_CLOSE:
	case DCCP_SYNC:
	case DCCP_SYNC_ACK:
		return size + 8;
	default:
		return size + 12;
	}
}

/* dccp_find_option(), in the @left bytes from @offset on. */
GLOBAL int dccp_option_result(SOURCE *ctx, __u32 option, __u32 offset, __u32 left)
{
	__u32 length = source_length(ctx);
	struct bpf_dynptr dynptr;

	if (!left)
		return RESIDUALS_DIFFER;
	if (offset > length || left > length - offset)
		return RESIDUALS_DROP;
	if (source_dynptr(ctx, &dynptr))
		return RESIDUALS_BOUND;
	for (;;) {
		__u8 kind = 0, size = 0;

		if (bpf_dynptr_read(&kind, 1, &dynptr, offset, 0))
			return RESIDUALS_DROP;
		if (kind == option)
			return RESIDUALS_MATCH;
		if (kind < 2 || left == 1)
			size = 1;
		else if (bpf_dynptr_read(&size, 1, &dynptr, offset + 1, 0))
			return RESIDUALS_DROP;
		size += !size;
		if (size >= left)
			return RESIDUALS_DIFFER;
		offset += size;
		left -= size;
		LOOP_BOUND;
	}
	return RESIDUALS_BOUND;
}

/* dccp_mt() behind the ports, on a packet that is no fragment. */
GLOBAL int dccp_result(SOURCE *ctx, const struct xt_dccp_info ARENA *condition ARENA_ARG,
		       __u32 transport)
{
	struct dccp_header header = {};
	__u32 inverted = condition->invflags;
	__u32 flags = condition->flags;
	struct bpf_dynptr dynptr;
	__u32 size;
	int result;

	if (source_dynptr(ctx, &dynptr))
		return RESIDUALS_BOUND;
	if (bpf_dynptr_read(&header, sizeof(header), &dynptr, transport, 0))
		return RESIDUALS_DROP;
	if ((flags & XT_DCCP_TYPE) &&
	    (condition->typemask >> dccp_type(&header) & 1) == !!(inverted & XT_DCCP_TYPE))
		return RESIDUALS_DIFFER;
	if (!(flags & XT_DCCP_OPTION))
		return RESIDUALS_MATCH;
	size = dccp_fixed_size(&header);
	if (header.offset * 4u < size)
		result = RESIDUALS_DROP;
	else
		result = dccp_option_result(ctx, condition->option, transport + size,
					    header.offset * 4u - size);
	return inverted & XT_DCCP_OPTION ? inverted_result(result) : result;
}
