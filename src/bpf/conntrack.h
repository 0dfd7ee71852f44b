/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What rules ask of the kernel's connection tracking: the state of the packet (FIELD_CONNTRACK) and
 * the conditions of residual_conntrack. After net/netfilter/xt_conntrack.c.
 */
#pragma once

#include "abi/packet.h"
#include "abi/residual.h"
#include "bpf/kernel.h"
#include "bpf/portable.h"
#include "bpf/source.h"

/* include/linux/skbuff.h: skb->_nfct; include/uapi/linux/netfilter/nf_conntrack_common.h */
#define NFCT_INFO_MASK  7ul
#define IP_CT_IS_REPLY  3
#define IP_CT_UNTRACKED 7
#define IPS_SRC_NAT     (1ul << 4)
#define IPS_DST_NAT     (1ul << 5)

INLINE struct nf_conn *packet_connection(const struct sk_buff *skb, __u32 *ret_info)
{
	unsigned long nfct = bpf_core_field_exists(skb->_nfct) ? skb->_nfct : 0;

	*ret_info = nfct & NFCT_INFO_MASK;
	return (struct nf_conn *)(nfct & ~NFCT_INFO_MASK);
}

/* Value of FIELD_CONNTRACK; the NAT bits only if @nat. */
INLINE __u32 packet_conntrack_bits(const struct sk_buff *skb, bool nat)
{
	__u32 info, bits;
	struct nf_conn *connection = packet_connection(skb, &info);
	unsigned long status;

	if (!connection)
		return info == IP_CT_UNTRACKED ? CONNTRACK_UNTRACKED : CONNTRACK_INVALID;
	/* ESTABLISHED, RELATED, NEW, then the same in reply direction */
	bits = info < IP_CT_IS_REPLY ? info : (info - IP_CT_IS_REPLY) | CONNTRACK_REPLY;
	bits += CONNTRACK_ESTABLISHED;
	if (nat) {
		status = BPF_CORE_READ(connection, status);
		if (status & IPS_SRC_NAT)
			bits |= CONNTRACK_SNAT;
		if (status & IPS_DST_NAT)
			bits |= CONNTRACK_DNAT;
	}
	return bits;
}

/* nf_ct_expires() / HZ: what is left of the connection's timeout, in seconds. */
INLINE __u32 connection_expires(const struct nf_conn *connection, __u32 tick_rate)
{
	__s32 left = (__s32)(BPF_CORE_READ(connection, timeout) - (__u32)bpf_jiffies64());

	return left > 0 && tick_rate ? (__u32)left / tick_rate : 0;
}

#define CT_TUPLE_FAILS(name, direction, side)                                                     \
	({                                                                                        \
		struct nf_conntrack_tuple_hash *hash_ = &connection->tuplehash[direction];        \
		union nf_inet_addr address_ = {};                                                 \
		__be16 port_;                                                                     \
		BPF_CORE_READ_INTO(&address_, hash_, tuple.side.u3);                              \
		port_ = BPF_CORE_READ(hash_, tuple.side.u.all);                                   \
		CT_FAILS(condition, RESIDUAL_CT_##name,                                           \
			 tuple_address_matches(condition, RESIDUAL_CT_TUPLE_##name,               \
					       address_.all)) ||                                  \
			CT_FAILS(condition, RESIDUAL_CT_##name##_PORT,                            \
				 tuple_port_matches(condition, RESIDUAL_CT_TUPLE_##name, port_)); \
	})

/* A packet without a connection passes: FIELD_CONNTRACK has judged it. */
GLOBAL int conntrack_matches(struct bpf_nf_ctx *ctx,
			     const struct residual_conntrack ARENA *condition ARENA_ARG,
			     __u32 tick_rate)
{
	__u32 info, expires;
	struct nf_conn *connection = packet_connection(ctx->skb, &info);

	if (!connection)
		return true;
	if (CT_FAILS(condition, RESIDUAL_CT_PROTOCOL,
		     BPF_CORE_READ(connection, tuplehash[0].tuple.dst.protonum) ==
			     condition->protocol))
		return false;
	if (CT_FAILS(condition, RESIDUAL_CT_STATUS,
		     !!(BPF_CORE_READ(connection, status) & condition->status)))
		return false;
	if (CT_TUPLE_FAILS(ORIGINAL_SOURCE, 0, src) ||
	    CT_TUPLE_FAILS(ORIGINAL_DESTINATION, 0, dst) || CT_TUPLE_FAILS(REPLY_SOURCE, 1, src) ||
	    CT_TUPLE_FAILS(REPLY_DESTINATION, 1, dst))
		return false;
	expires = connection_expires(connection, tick_rate);
	return !CT_FAILS(condition, RESIDUAL_CT_EXPIRES,
			 expires >= condition->expires_minimum &&
				 expires <= condition->expires_maximum);
}
