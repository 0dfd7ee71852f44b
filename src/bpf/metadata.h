/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Residual predicates about what the kernel knows of a packet at a netfilter hook, and what is in
 * none of its bytes. A part of netfilter_source.h.
 */
#pragma once

#include "abi/residual.h"
#include "bpf/address_type.h"
#include "bpf/bridge_ports.h"
#include "bpf/connection_data.h"
#include "bpf/ipsec_policy.h"
#include "bpf/kernel.h"
#include "bpf/residual_result.h"
#include "bpf/socket_owner.h"

#include <linux/netfilter/xt_cpu.h>
#include <linux/netfilter/xt_devgroup.h>

INLINE bool masked_matches(__u32 value, const struct residual_masked ARENA *condition)
{
	return ((value & condition->mask) == condition->number) != !!condition->invert;
}

/* xt_realm.c realm_mt() */
INLINE bool realm_matches(struct bpf_nf_ctx *ctx, const struct residual_masked ARENA *condition)
{
	__u64 address = packet_route(ctx->skb);
	const struct dst_entry *route = KERNEL_POINTER(struct dst_entry, address);
	__u32 realm = 0;

	if (address && bpf_core_field_exists(route->tclassid))
		realm = route->tclassid;
	return masked_matches(realm, condition);
}

/* xt_devgroup.c devgroup_mt() */
INLINE bool devgroup_matches(struct bpf_nf_ctx *ctx, const struct xt_devgroup_info ARENA *condition)
{
	const struct net_device *in = ctx->state->in, *out = ctx->state->out;
	__u32 flags = condition->flags;

	if (flags & XT_DEVGROUP_MATCH_SRC) {
		__u32 group = in ? (__u32)in->group : 0;

		if (!((condition->src_group ^ group) & condition->src_mask) ==
		    !!(flags & XT_DEVGROUP_INVERT_SRC))
			return false;
	}
	if (flags & XT_DEVGROUP_MATCH_DST) {
		__u32 group = out ? (__u32)out->group : 0;

		if (!((condition->dst_group ^ group) & condition->dst_mask) ==
		    !!(flags & XT_DEVGROUP_INVERT_DST))
			return false;
	}
	return true;
}

/* xt_cpu.c cpu_mt() */
INLINE bool cpu_matches(const struct xt_cpu_info ARENA *condition)
{
	return (condition->cpu == bpf_get_smp_processor_id()) != !!condition->invert;
}

/* xt_addrtype.c, IPv4 */
GLOBAL int packet_address_types_result(struct bpf_nf_ctx *ctx,
				       const struct xt_addrtype_info_v1 ARENA *condition ARENA_ARG)
{
	const struct nf_hook_state *state = ctx->state;

	return address_types_result(KERNEL_ADDRESS(state->net), KERNEL_ADDRESS(state->in),
				    KERNEL_ADDRESS(state->out), source_header(ctx), condition);
}

/* Those that a look at the packet's own structures answers. */
GLOBAL int plain_metadata_result(struct bpf_nf_ctx *ctx,
				 const struct residual ARENA *residual ARENA_ARG)
{
	const void ARENA *operand = residual + 1;
	bool matches;

	switch (residual->kind) {
	case RESIDUAL_MARK:
		matches = masked_matches(ctx->skb->mark, operand);
		break;
	case RESIDUAL_REALM:
		matches = realm_matches(ctx, operand);
		break;
	case RESIDUAL_DEVGROUP:
		matches = devgroup_matches(ctx, operand);
		break;
	case RESIDUAL_CPU:
		matches = cpu_matches(operand);
		break;
	default:
		return RESIDUALS_BOUND;
	}
	return matches ? RESIDUALS_MATCH : RESIDUALS_DIFFER;
}

/* enum residual_result of a predicate from RESIDUAL_OWNER to RESIDUAL_ADDRESS_TYPE. */
INLINE int metadata_result(struct bpf_nf_ctx *ctx, const struct residual ARENA *residual)
{
	const void ARENA *operand = residual + 1;

	switch (residual->kind) {
	case RESIDUAL_OWNER:
		return owner_result(ctx, operand);
	case RESIDUAL_PHYSDEV:
		return physdev_result(ctx, operand);
	case RESIDUAL_POLICY:
		return policy_result(ctx, operand);
	case RESIDUAL_CONNMARK:
		return connection_mark_result(ctx, operand);
	case RESIDUAL_CONNBYTES:
		return connection_bytes_result(ctx, operand);
	case RESIDUAL_CONNLABEL:
		return connection_label_result(ctx, operand);
	case RESIDUAL_HELPER:
		return helper_result(ctx, operand);
	case RESIDUAL_ADDRESS_TYPE:
		return packet_address_types_result(ctx, operand);
	default:
		return plain_metadata_result(ctx, residual);
	}
}
