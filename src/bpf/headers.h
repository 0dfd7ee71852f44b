/* SPDX-License-Identifier: GPL-2.0-only */
/* From the bytes of an IP packet to the values of its fields (struct packet). */
#pragma once

#include "abi/image.h"
#include "bpf/classify.h"
#include "bpf/ipv6.h"
#include "bpf/kernel.h"

#define TRANSPORT_SIZE   20 /* as much of the transport header as fields are read from */
#define IPV4_OFFSET_MASK 0x1fff
#define PROTOCOL_TCP     6
#define TCP_HEADER_SIZE  20

INLINE enum shape transport_shape(__u32 available, __u32 protocol, __u8 header_words)
{
	__u32 header = (header_words >> 4) * 4;

	if (available < 4)
		return SHAPE_TINY;
	if (available < 8)
		return SHAPE_4_BYTES;
	if (available < TRANSPORT_SIZE)
		return SHAPE_8_BYTES;
	if (protocol == PROTOCOL_TCP && (header < TCP_HEADER_SIZE || header > available))
		return SHAPE_BAD_OPTIONS;
	return SHAPE_WHOLE;
}

NOINLINE bool read_scattered_transport(SOURCE *ctx, __u32 offset, __u32 available,
				       struct transport_bytes *ret_bytes)
{
	__u8 bytes[TRANSPORT_SIZE] = {};
	struct bpf_dynptr dynptr;

	if (available > TRANSPORT_SIZE)
		available = TRANSPORT_SIZE;
	if (source_dynptr(ctx, &dynptr) ||
	    (available && bpf_dynptr_read(bytes, available, &dynptr, offset, 0)))
		return false;
	ret_bytes->ports = *(__u32 *)bytes;
	ret_bytes->offset_flags = *(__u16 *)(bytes + 12);
	return true;
}

/* Most packets have their headers in the linear part: direct loads, as skb_header_pointer() does.
 */
INLINE bool read_transport_bytes(const struct packet *packet, SOURCE *ctx, __u32 offset,
				 __u32 available, struct transport_bytes *ret_bytes)
{
	if (available < TRANSPORT_SIZE || offset + TRANSPORT_SIZE > source_linear(ctx, packet))
		return read_scattered_transport(ctx, offset, available, ret_bytes);
	source_transport(ctx, packet, offset, ret_bytes);
	return true;
}

/* Fills in the shape and the transport fields of a packet that is no fragment but the first. */
INLINE bool read_transport(struct packet *packet, SOURCE *ctx, __u32 offset, __u32 protocol)
{
	__u32 available = packet->length > offset ? packet->length - offset : 0;
	struct transport_bytes bytes = {};

	if (!read_transport_bytes(packet, ctx, offset, available, &bytes))
		return false;
	packet_set_narrow(packet, FIELD_SHAPE,
			  transport_shape(available, protocol, (__u8)bytes.offset_flags));
	packet_set_narrow(packet, FIELD_SOURCE_PORT, bpf_ntohs((__u16)bytes.ports));
	packet_set_narrow(packet, FIELD_DESTINATION_PORT, bpf_ntohs((__u16)(bytes.ports >> 16)));
	packet_set_narrow(packet, FIELD_TCP_FLAGS, (__u8)(bytes.offset_flags >> 8));
	return true;
}

/* What does not depend on the family. */
INLINE void read_surroundings(struct packet *packet, SOURCE *ctx, __u32 needs)
{
	packet->length = source_packet_length(ctx, packet);
	if (needs & IMAGE_NEEDS_INTERFACES)
		source_interfaces(ctx, packet);
	if (needs & IMAGE_NEEDS_CONNTRACK)
		packet_set_narrow(packet, FIELD_CONNTRACK, source_conntrack(ctx, packet, needs));
}

INLINE __u64 field_mask(enum field field)
{
	return field_ones(field) << field_shift(field);
}

/*
 * Completes a packet of which the headers have been read, whatever @needs says: what is left is as
 * if it had been read by @needs.
 */
INLINE void complete_packet(struct packet *packet, SOURCE *ctx, bool ipv6, __u32 needs)
{
	__u64 transport = field_mask(FIELD_SHAPE) | field_mask(FIELD_SOURCE_PORT) |
			  field_mask(FIELD_DESTINATION_PORT) | field_mask(FIELD_TCP_FLAGS);

	if (ipv6)
		transport |= field_mask(FIELD_PROTOCOL);
	if (!(needs & IMAGE_NEEDS_TRANSPORT))
		packet->narrow &= ~transport;
	read_surroundings(packet, ctx, needs);
}

/*
 * Reads of an IPv4 packet what @needs (enum image_needs) asks for into the zeroed @packet. Returns
 * false if it could not be read.
 */
INLINE bool read_ipv4_packet(struct packet *packet, SOURCE *ctx, __u32 needs)
{
	const struct in6_addr *header = source_front(ctx, packet, 0);
	const struct in6_addr *rest = source_front(ctx, packet, 16);
	__u32 protocol = header->in6_u.u6_addr8[9];
	__u32 fragment;

	packet->wide[FIELD_SOURCE].low = bpf_ntohl(header->in6_u.u6_addr32[3]);
	packet->wide[FIELD_DESTINATION].low = bpf_ntohl(rest->in6_u.u6_addr32[0]);
	packet_set_narrow(packet, FIELD_PROTOCOL, protocol);
	packet_set_narrow(packet, FIELD_HOP_LIMIT,
			  source_hop_limit(ctx, packet, header->in6_u.u6_addr8[8]));
	packet->transport = (header->in6_u.u6_addr8[0] & 15) * 4;
	read_surroundings(packet, ctx, needs);
	if (!(needs & IMAGE_NEEDS_TRANSPORT))
		return true;
	fragment = bpf_ntohs(header->in6_u.u6_addr16[3]) & IPV4_OFFSET_MASK; /* in 8 bytes */
	if (!fragment)
		return read_transport(packet, ctx, packet->transport, protocol);
	packet_set_narrow(packet, FIELD_SHAPE, fragment == 1 ? SHAPE_FRAGMENT_1 : SHAPE_FRAGMENT);
	return true;
}

INLINE __u64 address_half(const struct in6_addr *address, __u32 word)
{
	return (__u64)bpf_ntohl(address->in6_u.u6_addr32[word]) << 32 |
	       bpf_ntohl(address->in6_u.u6_addr32[word + 1]);
}

/* The protocol and what follows it: ip6_tables.c ip6_packet_match(). */
INLINE bool read_ipv6_transport(struct packet *packet, SOURCE *ctx)
{
	struct ipv6_header found = {};
	int protocol = find_ipv6_header(ctx, NEXTHDR_ANY, &found);

	if (protocol == FIND_BOUND)
		return false;
	if (protocol < 0) {
		packet_set_narrow(packet, FIELD_SHAPE, SHAPE_BROKEN);
		return true;
	}
	packet_set_narrow(packet, FIELD_PROTOCOL, (__u32)protocol);
	packet->transport = found.offset;
	if (!found.fragment)
		return read_transport(packet, ctx, found.offset, (__u32)protocol);
	packet_set_narrow(packet, FIELD_SHAPE, SHAPE_FRAGMENT);
	return true;
}

/* As read_ipv4_packet(). */
INLINE bool read_ipv6_packet(struct packet *packet, SOURCE *ctx, __u32 needs)
{
	const struct in6_addr *source = source_front(ctx, packet, 8);
	const struct in6_addr *destination = source_front(ctx, packet, 24);

	packet->wide[FIELD_SOURCE].high = address_half(source, 0);
	packet->wide[FIELD_SOURCE].low = address_half(source, 2);
	packet->wide[FIELD_DESTINATION].high = address_half(destination, 0);
	packet->wide[FIELD_DESTINATION].low = address_half(destination, 2);
	packet_set_narrow(
		packet, FIELD_HOP_LIMIT,
		source_hop_limit(ctx, packet, source_front(ctx, packet, 0)->in6_u.u6_addr8[7]));
	read_surroundings(packet, ctx, needs);
	return needs & IMAGE_NEEDS_TRANSPORT ? read_ipv6_transport(packet, ctx) : true;
}
