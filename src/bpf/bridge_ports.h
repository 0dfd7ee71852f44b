/* SPDX-License-Identifier: GPL-2.0-only */
/* Ports of the bridge that a packet goes through. After net/netfilter/xt_physdev.c physdev_mt(). */
#pragma once

#include "abi/residual.h"
#include "bpf/kernel.h"
#include "bpf/kernel_network.h"
#include "bpf/packet_extension.h"
#include "bpf/residual_result.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct nf_bridge_info {
	int physinif;
	struct net_device *physoutdev;
};

#pragma clang attribute pop

INLINE bool port_name_differs(const struct net_device *port, const __u64 ARENA *name,
			      const __u64 ARENA *mask)
{
	const __u64 *words = (const __u64 *)port->name;

	return ((words[0] ^ name[0]) & mask[0]) | ((words[1] ^ name[1]) & mask[1]);
}

/* Is an option asked for, and @outcome not what is asked? */
#define PHYSDEV_FAILS(condition, option, outcome)            \
	((condition)->bitmask & RESIDUAL_PHYSDEV_##option && \
	 !!(outcome) == !!((condition)->invert & RESIDUAL_PHYSDEV_##option))

/* A packet that comes from no bridge. */
INLINE bool matches_without_ports(const struct residual_physdev ARENA *condition)
{
	return !(condition->bitmask & ~condition->invert &
		 (RESIDUAL_PHYSDEV_BRIDGED | RESIDUAL_PHYSDEV_IS_IN | RESIDUAL_PHYSDEV_IS_OUT |
		  RESIDUAL_PHYSDEV_IN | RESIDUAL_PHYSDEV_OUT));
}

GLOBAL int physdev_result(struct bpf_nf_ctx *ctx,
			  const struct residual_physdev ARENA *condition ARENA_ARG)
{
	__u64 address = PACKET_EXTENSION(ctx->skb, BRIDGE_NF);
	const struct nf_bridge_info *bridge = KERNEL_POINTER(struct nf_bridge_info, address);
	const struct net_device *in, *out;

	if (!address)
		return matches_without_ports(condition) ? RESIDUALS_MATCH : RESIDUALS_DIFFER;
	out = bridge->physoutdev;
	if (PHYSDEV_FAILS(condition, BRIDGED, out))
		return RESIDUALS_DIFFER;
	in = device_plain(device_of_namespace((const struct net___network *)ctx->state->net,
					      (__u32)bridge->physinif));
	if (PHYSDEV_FAILS(condition, IS_IN, in) || PHYSDEV_FAILS(condition, IS_OUT, out))
		return RESIDUALS_DIFFER;
	if (in &&
	    PHYSDEV_FAILS(condition, IN, !port_name_differs(in, condition->in, condition->in_mask)))
		return RESIDUALS_DIFFER;
	if (!(condition->bitmask & RESIDUAL_PHYSDEV_OUT))
		return RESIDUALS_MATCH;
	if (!out || PHYSDEV_FAILS(condition, OUT,
				  !port_name_differs(out, condition->out, condition->out_mask)))
		return RESIDUALS_DIFFER;
	return RESIDUALS_MATCH;
}
