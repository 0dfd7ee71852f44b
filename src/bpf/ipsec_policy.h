/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The transformations (IPsec) that a packet has come through, or that it is going to: after
 * net/netfilter/xt_policy.c.
 */
#pragma once

#include "abi/residual.h"
#include "bpf/kernel.h"
#include "bpf/packet_extension.h"
#include "bpf/residual_result.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* Of the unions of addresses no more is said than that they have 16 bytes. */
struct xfrm_state {
	struct {
		struct in6_addr daddr;
		__be32 spi;
		__u8 proto;
	} id;
	struct {
		__u32 reqid;
		__u8 mode;
		struct in6_addr saddr;
	} props;
};

struct xfrm_dst {
	union {
		struct dst_entry dst;
	} u;
	struct dst_entry *child;
};

struct sec_path {
	int len;
	struct xfrm_state *xvec[1];
};

#pragma clang attribute pop

#define SEC_PATH_MAX 8 /* XFRM_MAX_DEPTH is 6 */

INLINE bool policy_address_matches(const __be32 ARENA *address, const __be32 ARENA *mask,
				   __u64 transformed)
{
	const struct in6_addr *bytes = kernel_bytes(transformed);
	__u32 differs = 0;

	for (int i = 0; i < 4; i++)
		differs |= (address[i] ^ bytes->in6_u.u6_addr32[i]) & mask[i];
	return !differs;
}

#define POLICY_FAILS(element, condition, outcome)          \
	((element)->match & RESIDUAL_POLICY_##condition && \
	 (outcome) == !!((element)->invert & RESIDUAL_POLICY_##condition))

/* match_xfrm_state() of the one at @address */
INLINE bool transformation_matches(__u64 address,
				   const struct residual_policy_element ARENA *element)
{
	const struct xfrm_state *state = KERNEL_POINTER(struct xfrm_state, address);

	return !POLICY_FAILS(
		       element, SOURCE,
		       policy_address_matches(
			       element->source, element->source_mask,
			       address + bpf_core_field_offset(struct xfrm_state, props.saddr))) &&
	       !POLICY_FAILS(
		       element, DESTINATION,
		       policy_address_matches(
			       element->destination, element->destination_mask,
			       address + bpf_core_field_offset(struct xfrm_state, id.daddr))) &&
	       !POLICY_FAILS(element, PROTOCOL, element->protocol == state->id.proto) &&
	       !POLICY_FAILS(element, MODE, element->mode == state->props.mode) &&
	       !POLICY_FAILS(element, SPI, element->spi == state->id.spi) &&
	       !POLICY_FAILS(element, REQID, element->reqid == state->props.reqid);
}

/* What is known after one more transformation; RESIDUALS_BOUND: nothing yet. */
INLINE int transformation_result(__u64 address, const struct residual_policy ARENA *condition,
				 __u32 place)
{
	bool strict = condition->flags & RESIDUAL_POLICY_STRICT;
	__u32 number = strict ? place : 0;
	bool matches;

	if (number >= condition->n_elements || number >= RESIDUAL_POLICY_ELEMENTS)
		return RESIDUALS_DIFFER;
	matches = transformation_matches(address, &condition->element[number]);
	if (matches == strict)
		return RESIDUALS_BOUND;
	return matches ? RESIDUALS_MATCH : RESIDUALS_DIFFER;
}

/* match_policy_in(): the last one first. */
GLOBAL int policy_in_result(__u64 path, const struct residual_policy ARENA *condition ARENA_ARG)
{
	__u32 length = (__u32)KERNEL_POINTER(struct sec_path, path)->len;
	bool strict = condition->flags & RESIDUAL_POLICY_STRICT;
	__u64 states = path + bpf_core_field_offset(struct sec_path, xvec);

	if (length > SEC_PATH_MAX)
		return RESIDUALS_BOUND;
	if (strict && condition->n_elements != length)
		return RESIDUALS_DIFFER;
	for (__u32 i = 0; i < SEC_PATH_MAX; i++) {
		int result;

		if (i >= length)
			return strict ? RESIDUALS_MATCH : RESIDUALS_DIFFER;
		result = transformation_result(
			kernel_word((const void *)(states + (length - 1 - i) * 8)), condition, i);
		if (result != RESIDUALS_BOUND)
			return result;
	}
	return RESIDUALS_BOUND;
}

/* dst->xfrm; 0 if there is none. */
INLINE __u64 route_transformation(__u64 route)
{
	const struct dst_entry *entry = KERNEL_POINTER(struct dst_entry, route);

	return bpf_core_field_exists(entry->xfrm) ? KERNEL_ADDRESS(entry->xfrm) : 0;
}

/* match_policy_out() */
GLOBAL int policy_out_result(__u64 route, const struct residual_policy ARENA *condition ARENA_ARG)
{
	bool strict = condition->flags & RESIDUAL_POLICY_STRICT;

	for (__u32 i = 0; i <= SEC_PATH_MAX; i++) {
		__u64 state = route ? route_transformation(route) : 0;
		int result;

		if (!state)
			return strict && i == condition->n_elements ? RESIDUALS_MATCH
								    : RESIDUALS_DIFFER;
		result = transformation_result(state, condition, i);
		if (result != RESIDUALS_BOUND)
			return result;
		route = KERNEL_ADDRESS(KERNEL_POINTER(struct xfrm_dst, route)->child);
	}
	return RESIDUALS_BOUND;
}

/* policy_mt() */
GLOBAL int policy_result(struct bpf_nf_ctx *ctx,
			 const struct residual_policy ARENA *condition ARENA_ARG)
{
	__u64 route = packet_route(ctx->skb);
	bool in = condition->flags & RESIDUAL_POLICY_IN;
	bool none = condition->flags & RESIDUAL_POLICY_NONE;
	__u64 path = 0;

	if (in)
		path = PACKET_EXTENSION(ctx->skb, SEC_PATH);
	else if (route && route_transformation(route))
		path = route;
	if (!path)
		return none ? RESIDUALS_MATCH : RESIDUALS_DIFFER;
	if (none)
		return RESIDUALS_DIFFER;
	return in ? policy_in_result(path, condition) : policy_out_result(path, condition);
}
