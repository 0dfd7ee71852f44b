/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a packet comes from: a netfilter hook. A program includes one such file before the code
 * that reads packets, which knows SOURCE, the program's context, and these functions only.
 * Positions in a packet count from its IP header.
 */
#pragma once

#include "abi/image.h"
#include "bpf/classify.h"
#include "bpf/conntrack.h"
#include "bpf/docket.h"
#include "bpf/kernel.h"
#include "bpf/source.h"

#define SOURCE struct bpf_nf_ctx

/* The kernel carries out behind the hook what rules delegate to it. */
#define SOURCE_DELEGATES true

/* The packet's number (docket.h). */
INLINE __u64 source_packet(SOURCE *ctx)
{
	return packet_number(ctx->skb);
}

/* The IP header, 20 or 40 bytes of which can be read. */
INLINE const unsigned char *source_header(SOURCE *ctx)
{
	return ctx->skb->data;
}

/* Bytes of the packet: what counters add. */
INLINE __u32 source_length(SOURCE *ctx)
{
	return ctx->skb->len;
}

/*
 * The same where @packet is at hand, which the packet is read into: sources may keep it beside what
 * they know of the packet.
 */
INLINE __u32 source_packet_length(SOURCE *ctx, const struct packet *packet)
{
	(void)packet;
	return source_length(ctx);
}

/* Have its headers been read into it already, by read_ipv4_packet() with IMAGE_NEEDS_TRANSPORT? */
INLINE bool source_has_read(const struct packet *packet)
{
	(void)packet;
	return false;
}

/* So many of them are in one piece at source_header(). */
INLINE __u32 source_linear(SOURCE *ctx, const struct packet *packet)
{
	(void)packet;
	return ctx->skb->len - ctx->skb->data_len;
}

/* The same, for who has not got the struct packet. */
INLINE __u32 source_linear_size(SOURCE *ctx)
{
	return ctx->skb->len - ctx->skb->data_len;
}

/* Sixteen bytes of the IP header, from @offset on, a constant and a multiple of 8. */
INLINE const struct in6_addr *source_front(SOURCE *ctx, const struct packet *packet, __u32 offset)
{
	(void)packet;
	return kernel_bytes(source_header(ctx) + offset);
}

/* Reads the transport header at @offset, of which sixteen bytes are linear. */
INLINE void source_transport(SOURCE *ctx, const struct packet *packet, __u32 offset,
			     struct transport_bytes *ret_bytes)
{
	(void)packet;
	read_transport_at(kernel_bytes(source_header(ctx) + offset), ret_bytes);
}

/* All of them. Returns 0 or -errno. */
INLINE int source_dynptr(SOURCE *ctx, struct bpf_dynptr *dynptr)
{
	return bpf_dynptr_from_skb((struct __sk_buff *)ctx->skb, 0, dynptr);
}

/* What is behind the data of an skb. */
INLINE const struct skb_shared_info *shared_info(const struct sk_buff *skb)
{
	return bpf_rdonly_cast(skb->head + skb->end,
			       bpf_core_type_id_kernel(struct skb_shared_info));
}

#define GSO_TCP (1u << 0 | 1u << 4) /* SKB_GSO_TCPV4, SKB_GSO_TCPV6 (include/linux/skbuff.h) */

/*
 * The length that an IPv4 packet's header says; @length, which it has, if there is no room for that
 * in the header: iph_totlen() (include/linux/ip.h).
 */
INLINE __u32 source_ipv4_length(SOURCE *ctx, __u32 length)
{
	const struct sk_buff *skb = ctx->skb;
	__u32 total = bpf_ntohs(kernel_bytes(skb->data)->in6_u.u6_addr16[1]);

	if (total || !shared_info(skb)->gso_size || !(shared_info(skb)->gso_type & GSO_TCP))
		return total;
	return length;
}

/* skb->pkt_type: PACKET_HOST ... (linux/if_packet.h) */
INLINE __u32 source_packet_type(SOURCE *ctx)
{
	return BPF_CORE_READ_BITFIELD(ctx->skb, pkt_type);
}

/* The end of the fragment of @skb in which byte @offset is, or that of the last. @end: where the
 * first begins. */
INLINE __u32 fragment_end(const struct sk_buff *skb, __u32 offset, __u32 end)
{
	const struct skb_shared_info *shared = shared_info(skb);
	const char *fragment =
		(const char *)shared + bpf_core_field_offset(struct skb_shared_info, frags);
	__u32 n = shared->nr_frags;

	for (__u32 i = 0; i < n && offset >= end; i++) {
		const struct skb_frag *one =
			bpf_rdonly_cast(fragment + i * bpf_core_type_size(struct skb_frag),
					bpf_core_type_id_kernel(struct skb_frag));

		end += one->len;
		LOOP_BOUND;
	}
	return end;
}

/*
 * The end of the piece of memory in which byte @offset is, one behind its last byte, as
 * skb_seq_read() (net/core/skbuff.c) hands them out.
 */
GLOBAL __u32 source_piece_end(SOURCE *ctx, __u32 offset)
{
	__u32 end = source_linear_size(ctx);
	const struct sk_buff *skb = ctx->skb;

	if (offset < end)
		return end;
	end = fragment_end(skb, offset, end);
	skb = shared_info(skb)->frag_list;
	while (offset >= end && skb) {
		end += skb->len - skb->data_len;
		if (offset >= end)
			end = fragment_end(skb, offset, end);
		skb = skb->next;
		LOOP_BOUND;
	}
	return offset < end ? end : source_length(ctx);
}

/* What rules see of @value, the packet's time to live or hop limit. */
INLINE __u8 source_hop_limit(SOURCE *ctx, const struct packet *packet, __u8 value)
{
	(void)ctx;
	(void)packet;
	return value;
}

INLINE void source_interfaces(SOURCE *ctx, struct packet *packet)
{
	read_interface(packet, FIELD_IN_INTERFACE, ctx->state->in);
	read_interface(packet, FIELD_OUT_INTERFACE, ctx->state->out);
}

/* Number of the device that the packet comes from; of one that this machine sends, it leaves by. */
INLINE __u32 source_device(SOURCE *ctx)
{
	const struct net_device *device = ctx->state->in ? ctx->state->in : ctx->state->out;

	return device ? (__u32)device->ifindex : 0;
}

/* Value of FIELD_CONNTRACK; the NAT bits only if @needs says so (enum image_needs). */
INLINE __u32 source_conntrack(SOURCE *ctx, const struct packet *packet, __u32 needs)
{
	(void)packet;
	return packet_conntrack_bits(ctx->skb, needs & IMAGE_NEEDS_NAT);
}

/* Does the packet's connection fulfil a residual_conntrack? */
INLINE bool source_connection_matches(SOURCE *ctx, const struct residual_conntrack ARENA *condition,
				      __u32 tick_rate)
{
	return conntrack_matches(ctx, condition, tick_rate);
}

/* Does the packet leave, without having been sent by a socket of this namespace? xt_recent.c */
INLINE bool source_was_forwarded(SOURCE *ctx)
{
	const struct sock *socket = ctx->skb->sk;

	return ctx->state->out && (!socket || socket->__sk_common.skc_net.net != ctx->state->net);
}

#define ARPHRD_ETHER       1
#define MAC_HEADER_NOT_SET 0xffff

/* The packet's Ethernet header, and what it says that it is followed by (ETHERTYPE_...). */
INLINE enum source_ethernet source_ethernet(SOURCE *ctx, const unsigned char **ret_header,
					    __be16 *ret_type)
{
	struct sk_buff *skb = ctx->skb;

	if (!skb->dev || skb->dev->type != ARPHRD_ETHER)
		return SOURCE_OTHER_DEVICE;
	if (skb->mac_header == MAC_HEADER_NOT_SET ||
	    skb->network_header - skb->mac_header < ETHERNET_SIZE)
		return SOURCE_NO_HEADER;
	*ret_header = skb->head + skb->mac_header;
	*ret_type = kernel_bytes(*ret_header)->in6_u.u6_addr16[6];
	return SOURCE_ETHERNET;
}

#include "bpf/metadata.h"

/* What comes of a residual about what the kernel knows of the packet, RESIDUAL_OWNER ... */
INLINE int source_metadata_result(SOURCE *ctx, const struct residual ARENA *residual)
{
	return metadata_result(ctx, residual);
}
