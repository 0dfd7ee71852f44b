/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Residual predicates (abi/residual.h) on a packet at a netfilter hook. Each of the functions
 * returns an enum residual_result.
 */
#pragma once

#include "abi/residual.h"
#include "bpf/docket.h"
#include "bpf/generation.h"
#include "bpf/headers.h"
#include "bpf/ipv6.h"
#include "bpf/residual_dccp.h"
#include "bpf/residual_hashlimit.h"
#include "bpf/residual_header.h"
#include "bpf/residual_ipv6.h"
#include "bpf/residual_recent.h"
#include "bpf/residual_sctp.h"
#include "bpf/residual_state.h"
#include "bpf/residual_string.h"
#include "bpf/residual_time.h"
#include "bpf/residual_transport.h"
#include "bpf/residual_u32.h"
#include "bpf/walk.h"

GLOBAL int intervals_result(const struct residual_intervals ARENA *intervals ARENA_ARG,
			    const struct packet *packet NONNULL_ARG, __u32 field)
{
	__u64 high, low;
	__u32 i = 0;

	if (field >= FIELD_COUNT || !field_is_readable(field, packet_shape(packet)))
		return RESIDUALS_DIFFER;
	if (field < PACKET_WIDE_FIELDS) {
		high = packet->wide[field].high & intervals->mask.high;
		low = packet->wide[field].low & intervals->mask.low;
	} else {
		high = 0;
		low = packet_narrow(packet, (enum field)field) & intervals->mask.low;
	}
	while (i < intervals->count) {
		const struct residual_value ARENA *first = &intervals->interval[i].first;
		const struct residual_value ARENA *last = &intervals->interval[i].last;

		if (reaches(high, low, first->high, first->low) &&
		    reaches(last->high, last->low, high, low))
			return RESIDUALS_MATCH;
		i++;
		LOOP_BOUND;
	}
	return i < intervals->count ? RESIDUALS_BOUND : RESIDUALS_DIFFER;
}

/* A packet about which it is not known is dropped. */
GLOBAL int delegated_result(SOURCE *ctx, const struct residual_delegated ARENA *delegated ARENA_ARG)
{
	int result = DOCKET_CONDITION_UNKNOWN;

	if (SOURCE_DELEGATES && arena_root()->dockets)
		result = docket_condition(source_packet(ctx), delegated->condition,
					  delegated->action, delegated->always);
	if (result == DOCKET_CONDITION_UNKNOWN)
		return RESIDUALS_BOUND;
	return (result == DOCKET_CONDITION_HOLDS) != !!delegated->inverted ? RESIDUALS_MATCH
									   : RESIDUALS_DIFFER;
}

INLINE int residual_result(SOURCE *ctx, const struct packet *packet,
			   const struct residual ARENA *residual)
{
	const void ARENA *operand = residual + 1;

	switch (residual->kind) {
	case RESIDUAL_HOTDROP:
		return residual->argument >> packet_shape(packet) & 1 ? RESIDUALS_DROP
								      : RESIDUALS_MATCH;
	case RESIDUAL_INTERVALS: {
		const struct residual_intervals ARENA *intervals = operand;
		int result = intervals_result(intervals, packet, intervals->field);

		return result == RESIDUALS_DIFFER && intervals->other != FIELD_COUNT
			       ? intervals_result(intervals, packet, intervals->other)
			       : result;
	}
	case RESIDUAL_TCP_OPTION: {
		const struct residual_tcp_option ARENA *option = operand;
		int result = tcp_option_result(ctx, packet->transport, option->option);

		if (option->invert && result == RESIDUALS_MATCH)
			return RESIDUALS_DIFFER;
		if (option->invert && result == RESIDUALS_DIFFER)
			return RESIDUALS_MATCH;
		return result;
	}
	case RESIDUAL_CONNTRACK:
		return source_connection_matches(ctx, operand, arena_root()->tick_rate)
			       ? RESIDUALS_MATCH
			       : RESIDUALS_DIFFER;
	case RESIDUAL_OWNER ... RESIDUAL_ADDRESS_TYPE:
		return source_metadata_result(ctx, residual);
	case RESIDUAL_IPV6_HEADERS:
		return ipv6_headers_result(ctx, operand);
	case RESIDUAL_IPV6_FRAGMENT:
		return ipv6_fragment_result(ctx, operand);
	case RESIDUAL_IPV6_ROUTING:
		return ipv6_routing_result(ctx, operand);
	case RESIDUAL_IPV6_HOP_OPTIONS:
		return ipv6_options_result(ctx, operand, NEXTHDR_HOP);
	case RESIDUAL_IPV6_DESTINATION_OPTIONS:
		return ipv6_options_result(ctx, operand, NEXTHDR_DEST);
	case RESIDUAL_IPV6_MOBILITY:
		return ipv6_mobility_result(ctx, operand, packet->transport, packet_shape(packet));
	case RESIDUAL_IPV6_EUI64:
		return ipv6_eui64_result(ctx);
	case RESIDUAL_DELEGATED:
		return delegated_result(ctx, operand);
	case RESIDUAL_TRAFFIC_CLASS:
		return traffic_class_result(ctx, operand);
	case RESIDUAL_LENGTH:
		return length_result(ctx, operand);
	case RESIDUAL_PACKET_TYPE:
		return packet_type_result(ctx, operand);
	case RESIDUAL_MAC:
		return mac_result(ctx, operand);
	case RESIDUAL_TCP_BITS:
		return tcp_bits_result(ctx, operand, packet->transport);
	case RESIDUAL_TRANSPORT_NUMBER:
		return transport_number_result(ctx, operand, packet->transport);
	case RESIDUAL_TCP_MSS:
		return tcp_mss_result(ctx, operand, packet->transport);
	case RESIDUAL_TRANSPORT_SIZE:
		return transport_size_result(ctx, operand, packet->transport);
	case RESIDUAL_SCTP_CHUNKS:
		return sctp_chunks_result(ctx, operand, packet->transport);
	case RESIDUAL_DCCP:
		return dccp_result(ctx, operand, packet->transport);
	case RESIDUAL_U32:
		return u32_result(ctx, operand);
	case RESIDUAL_STRING:
		return string_result(ctx, operand);
	case RESIDUAL_TIME:
		return time_result(operand);
	case RESIDUAL_IPV6_AUTHENTICATION:
		return ipv6_authentication_result(ctx, operand);
	case RESIDUAL_IPV6_SEGMENTS:
		return ipv6_segments_result(ctx, operand);
	case RESIDUAL_RANDOM:
	case RESIDUAL_LIMIT:
	case RESIDUAL_NTH:
	case RESIDUAL_QUOTA:
		return state_result(residual->kind, residual->argument, packet->length);
	case RESIDUAL_RECENT:
		/* As it was before the packet was forwarded. */
		return recent_result(
			ARENA_AT(struct match_recent, residual->argument), residual->argument,
			operand, packet,
			(packet_narrow(packet, FIELD_HOP_LIMIT) + source_was_forwarded(ctx)) &
				0xff);
	case RESIDUAL_HASHLIMIT: {
		const struct residual_hashlimit ARENA *rule = operand;
		__u32 table = residual->argument;
		__s64 ports = hashlimit_needs_ports(table)
				      ? hashlimit_packet_ports(ctx, packet, rule->is_ipv6)
				      : 0;

		return hashlimit_result(table, rule->flags, packet, ports);
	}
	}
	/* The compiler makes no other: nothing is known about the packet. */
	return RESIDUALS_BOUND;
}

/* In the position of a residual, which is a multiple of 8: one before it has doomed the packet. */
#define DOOMED 1u

/* The list of residuals at @offset of the image, up to its end or the first that decides. */
GLOBAL int residuals_result(SOURCE *ctx, const struct image ARENA *image ARENA_ARG,
			    const struct packet *packet NONNULL_ARG, __u32 offset)
{
	for (;;) {
		const struct residual ARENA *residual =
			IMAGE_AT(struct residual, image, offset & ~DOOMED);
		int result;

		if (residual->kind == RESIDUAL_END)
			return offset & DOOMED ? RESIDUALS_DOOMED : RESIDUALS_MATCH;
		result = residual_result(ctx, packet, residual);
		if (result == RESIDUALS_DOOMED)
			offset |= DOOMED;
		else if (result == RESIDUALS_DIFFER && offset & DOOMED)
			return RESIDUALS_DROP;
		else if (result == RESIDUALS_DIFFER &&
			 IMAGE_AT(struct residual, image, offset & ~DOOMED)->last_try)
			return RESIDUALS_RULE_DIFFERS;
		else if (result != RESIDUALS_MATCH)
			return result;
		offset += IMAGE_AT(struct residual, image, offset & ~DOOMED)->size;
		LOOP_BOUND;
	}
	return RESIDUALS_BOUND;
}
