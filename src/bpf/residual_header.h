/* SPDX-License-Identifier: GPL-2.0-only */
/* Residual predicates on the IP header, and on what the frame and its receiver say of a packet. */
#pragma once

#include "abi/residual.h"
#include "bpf/classify.h"
#include "bpf/ipv6.h"
#include "bpf/kernel.h"

#include <linux/if_packet.h>
#include <linux/netfilter/xt_mac.h>

/* ipv4_get_dsfield(), ipv6_get_dsfield() (include/net/dsfield.h) */
INLINE __u32 traffic_class(SOURCE *ctx, bool is_ipv6)
{
	const struct in6_addr *header = kernel_bytes(source_header(ctx));

	if (is_ipv6)
		return bpf_ntohs(header->in6_u.u6_addr16[0]) >> 4 & 0xff;
	return header->in6_u.u6_addr8[1];
}

/* xt_dscp.c dscp_mt(), tos_mt(); xt_ecn.c match_ip() */
GLOBAL int traffic_class_result(SOURCE *ctx,
				const struct residual_traffic_class ARENA *condition ARENA_ARG)
{
	__u32 class = traffic_class(ctx, condition->is_ipv6);

	return result_of(((class & condition->mask) == condition->value) != condition->invert);
}

/* xt_length.c length_mt(), length_mt6() */
GLOBAL int length_result(SOURCE *ctx, const struct residual_length ARENA *condition ARENA_ARG)
{
	__u32 length = source_length(ctx);

	if (!condition->is_ipv6)
		length = source_ipv4_length(ctx, length);
	return result_of((length >= condition->minimum && length <= condition->maximum) !=
			 condition->invert);
}

/* xt_pkttype.c pkttype_mt() */
GLOBAL int packet_type_result(SOURCE *ctx,
			      const struct residual_packet_type ARENA *condition ARENA_ARG)
{
	const struct in6_addr *destination = kernel_bytes(source_header(ctx) + 16);
	__u32 type = source_packet_type(ctx);

	if (type == PACKET_LOOPBACK) {
		bool multicast = condition->is_ipv6 || destination->in6_u.u6_addr8[0] >> 4 == 0xe;

		type = multicast ? PACKET_MULTICAST : PACKET_BROADCAST;
	}
	return result_of(((int)type == condition->type) ^ condition->invert);
}

/* xt_mac.c mac_mt() */
GLOBAL int mac_result(SOURCE *ctx, const struct xt_mac_info ARENA *condition ARENA_ARG)
{
	const unsigned char *ethernet = NULL;
	const struct in6_addr *frame;
	__u32 differs = 0;
	__be16 type = 0;

	if (source_ethernet(ctx, &ethernet, &type) != SOURCE_ETHERNET)
		return RESIDUALS_DIFFER;
	frame = kernel_bytes(ethernet);
	for (int i = 0; i < ETH_ALEN; i++)
		differs |= frame->in6_u.u6_addr8[ETH_ALEN + i] ^ condition->srcaddr[i];
	return result_of(!differs ^ condition->invert);
}
