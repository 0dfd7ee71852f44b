/* SPDX-License-Identifier: GPL-2.0-only */
/* Residual predicates on IPv6's authentication header and its segment routing header. */
#pragma once

#include "abi/residual.h"
#include "bpf/ipv6.h"
#include "bpf/kernel.h"

#include <linux/netfilter_ipv6/ip6t_ah.h>

/* ip6t_ah.c ah_mt6() */
GLOBAL int ipv6_authentication_result(SOURCE *ctx, const struct ip6t_ah ARENA *condition ARENA_ARG)
{
	struct {
		__u8 next;
		__u8 length;
		__be16 reserved;
		__be32 spi;
		__be32 sequence;
	} header = {};
	struct ipv6_header found = {};
	struct bpf_dynptr dynptr;
	int result = read_ipv6_header(ctx, NEXTHDR_AUTH, &found, &dynptr, &header, sizeof(header));
	__u32 size, spi;

	if (result != RESIDUALS_MATCH)
		return result;
	size = extension_size(NEXTHDR_AUTH, header.length);
	if (source_length(ctx) - found.offset < size)
		return RESIDUALS_DROP;
	spi = bpf_ntohl(header.spi);
	if ((spi >= condition->spis[0] && spi <= condition->spis[1]) ==
	    !!(condition->invflags & IP6T_AH_INV_SPI))
		return RESIDUALS_DIFFER;
	if (condition->hdrlen &&
	    (condition->hdrlen == size) == !!(condition->invflags & IP6T_AH_INV_LEN))
		return RESIDUALS_DIFFER;
	return result_of(!(condition->hdrres && header.reserved));
}

#define SEGMENT_ROUTING_TYPE 4
#define SEGMENTS_OFFSET      8
#define SEGMENT_SIZE         16

struct segment_header {
	__u8 next;
	__u8 length;
	__u8 type;
	__u8 left;
	__u8 last; /* number of the last segment */
	__u8 flags;
	__u16 tag; /* compared as it stands */
};

/* NF_SRH_INVF(): is the condition not asked for, or does its outcome differ from its inversion? */
INLINE bool segment_condition(const struct residual_segments ARENA *condition, __u32 flag,
			      bool outcome)
{
	return !(condition->flags & flag) || outcome != !!(condition->inverted & flag);
}

INLINE bool segment_header_matches(const struct residual_segments ARENA *condition,
				   const struct segment_header *header)
{
	return segment_condition(condition, RESIDUAL_SEGMENTS_NEXT_HEADER,
				 header->next == condition->next_header) &&
	       segment_condition(condition, RESIDUAL_SEGMENTS_LEN_EQ,
				 header->length == condition->length) &&
	       segment_condition(condition, RESIDUAL_SEGMENTS_LEN_GT,
				 header->length > condition->length) &&
	       segment_condition(condition, RESIDUAL_SEGMENTS_LEN_LT,
				 header->length < condition->length) &&
	       segment_condition(condition, RESIDUAL_SEGMENTS_LEFT_EQ,
				 header->left == condition->left) &&
	       segment_condition(condition, RESIDUAL_SEGMENTS_LEFT_GT,
				 header->left > condition->left) &&
	       segment_condition(condition, RESIDUAL_SEGMENTS_LEFT_LT,
				 header->left < condition->left) &&
	       segment_condition(condition, RESIDUAL_SEGMENTS_LAST_EQ,
				 header->last == condition->last_number) &&
	       segment_condition(condition, RESIDUAL_SEGMENTS_LAST_GT,
				 header->last > condition->last_number) &&
	       segment_condition(condition, RESIDUAL_SEGMENTS_LAST_LT,
				 header->last < condition->last_number) &&
	       segment_condition(condition, RESIDUAL_SEGMENTS_TAG, header->tag == condition->tag);
}

/* Is the address at @offset, masked, the wanted one? No if it is not in the packet. */
INLINE bool segment_matches(SOURCE *ctx, const struct residual_segments ARENA *condition,
			    __u32 flag, __u32 offset, const struct residual_segment ARENA *wanted)
{
	struct in6_addr segment = {};
	struct bpf_dynptr dynptr;
	__u32 differs = 0;

	if (source_dynptr(ctx, &dynptr) ||
	    bpf_dynptr_read(&segment, sizeof(segment), &dynptr, offset, 0))
		return false;
	for (int i = 0; i < 4; i++)
		differs |= (segment.in6_u.u6_addr32[i] ^ wanted->address[i]) & wanted->mask[i];
	return segment_condition(condition, flag, !differs);
}

/* The previous segment, the next and the last, of the header whose segments begin at @offset. */
GLOBAL int ipv6_segment_addresses_match(SOURCE *ctx,
					const struct residual_segments ARENA *condition ARENA_ARG,
					__u32 offset, __u32 left, __u32 last)
{
	__u32 flags = condition->flags;

	if ((flags & RESIDUAL_SEGMENTS_PREVIOUS) &&
	    (left == last ||
	     !segment_matches(ctx, condition, RESIDUAL_SEGMENTS_PREVIOUS,
			      offset + (left + 1) * SEGMENT_SIZE, &condition->previous)))
		return false;
	if ((flags & RESIDUAL_SEGMENTS_NEXT) &&
	    (!left || !segment_matches(ctx, condition, RESIDUAL_SEGMENTS_NEXT,
				       offset + (left - 1) * SEGMENT_SIZE, &condition->next)))
		return false;
	return !(flags & RESIDUAL_SEGMENTS_LAST_SEGMENT) ||
	       segment_matches(ctx, condition, RESIDUAL_SEGMENTS_LAST_SEGMENT, offset,
			       &condition->last);
}

/* ip6t_srh.c srh1_mt6(), which drops nothing. */
GLOBAL int ipv6_segments_result(SOURCE *ctx,
				const struct residual_segments ARENA *condition ARENA_ARG)
{
	struct ipv6_header found = {};
	int number = find_ipv6_header(ctx, NEXTHDR_ROUTING, &found);
	struct segment_header header = {};
	struct bpf_dynptr dynptr;

	if (number < 0)
		return number == FIND_BOUND ? RESIDUALS_BOUND : RESIDUALS_DIFFER;
	if (source_dynptr(ctx, &dynptr))
		return RESIDUALS_BOUND;
	if (bpf_dynptr_read(&header, sizeof(header), &dynptr, found.offset, 0) ||
	    source_length(ctx) - found.offset < extension_size(NEXTHDR_ROUTING, header.length) ||
	    header.type != SEGMENT_ROUTING_TYPE || header.left > header.last ||
	    !segment_header_matches(condition, &header))
		return RESIDUALS_DIFFER;
	return result_of(ipv6_segment_addresses_match(
		ctx, condition, found.offset + SEGMENTS_OFFSET, header.left, header.last));
}
