/* SPDX-License-Identifier: GPL-2.0-only */
/* From a packet at a device to what the connection tracker wants to know of it. */
#pragma once

#include "bpf/device_source.h"
#include "bpf/headers.h"
#include "bpf/tracker.h"

#define ICMP_HEADER_SIZE    8
#define TCP_HEADER_MAX_SIZE 60
#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV6_MORE_FRAGMENTS 1
#define QUOTED_PORTS        4
#define ICMPV6_REDIRECT     137
#define REDIRECT_QUOTE      40 /* behind target and destination, if the options begin with it */

/* Copies @size bytes from @offset of the packet; false if they are not all there. */
NOINLINE bool read_packet_bytes(SOURCE *ctx, void *to, __u32 size, __u32 offset)
{
	struct bpf_dynptr dynptr;

	if (source_dynptr(ctx, &dynptr) || size > TRACKER_OPTIONS_BUFFER || !size)
		return false;
	return !bpf_dynptr_read(to, size, &dynptr, offset, 0);
}

INLINE __u16 big_endian_16(const __u8 *bytes)
{
	return (__u16)(bytes[0] << 8 | bytes[1]);
}

INLINE __u32 big_endian_32(const __u8 *bytes)
{
	return (__u32)big_endian_16(bytes) << 16 | big_endian_16(bytes + 2);
}

#define TIMESTAMP_SIZE   12         /* with its padding */
#define TIMESTAMP_LAYOUT 0x0a080101 /* its first four bytes in memory: RFC 7323 appendix A */

/* Is there a timestamp and nothing else? Nearly all packets of most connections are so. */
INLINE bool has_plain_timestamp(const struct device_work *work, __u32 options, __u32 size)
{
	return size == TIMESTAMP_SIZE && options + size <= work->linear &&
	       kernel_bytes(work->header + options)->in6_u.u6_addr32[0] == TIMESTAMP_LAYOUT;
}

INLINE void fill_tcp(SOURCE *ctx, const struct device_work *work, struct tracker_packet *packet,
		     const __u8 *bytes, __u32 transport)
{
	__u32 size = (bytes[12] >> 4) * 4;

	packet->tcp.sequence = big_endian_32(bytes + 4);
	packet->tcp.acknowledgement = big_endian_32(bytes + 8);
	packet->tcp.header_size = (__u8)size;
	packet->tcp.flags = bytes[13];
	packet->tcp.window = big_endian_16(bytes + 14);
	packet->n_options = 0;
	if (size <= TCP_HEADER_SIZE || size > TCP_HEADER_MAX_SIZE)
		return;
	size -= TCP_HEADER_SIZE;
	if (has_plain_timestamp(work, transport + TCP_HEADER_SIZE, size))
		return;
	if (read_packet_bytes(ctx, packet->tcp.options, size, transport + TCP_HEADER_SIZE))
		packet->n_options = (__u8)size;
}

/* The ports of a quoted packet, or what ICMP has in their place. */
INLINE bool fill_quoted_transport(SOURCE *ctx, struct tracker_packet *packet, __u8 *bytes,
				  __u32 offset)
{
	bool icmp = packet->quoted.protocol == PROTOCOL_ICMP ||
		    packet->quoted.protocol == PROTOCOL_ICMPV6;

	packet->quoted.transport.word = 0;
	if (!icmp && !protocol_has_ports(packet->quoted.protocol))
		return true;
	if (!read_packet_bytes(ctx, bytes, icmp ? ICMP_HEADER_SIZE : QUOTED_PORTS, offset))
		return false;
	if (icmp) {
		packet->quoted.transport.icmp.type = bytes[0];
		packet->quoted.transport.icmp.code = bytes[1];
		packet->quoted.transport.icmp.id = *(__u16 *)(bytes + 4);
	} else {
		packet->quoted.transport.port.source = *(__u16 *)bytes;
		packet->quoted.transport.port.destination = *(__u16 *)(bytes + 2);
	}
	return true;
}

INLINE void fill_quoted_ipv4(SOURCE *ctx, struct tracker_packet *packet, __u8 *bytes, __u32 offset)
{
	if (!read_packet_bytes(ctx, bytes, IPV4_HEADER_SIZE, offset) || bytes[0] >> 4 != 4 ||
	    big_endian_16(bytes + 6) & IPV4_OFFSET_MASK)
		return;
	packet->quoted.protocol = bytes[9];
	packet->quoted.source = (struct tracker_address){{*(__u32 *)(bytes + 12), 0}};
	packet->quoted.destination = (struct tracker_address){{*(__u32 *)(bytes + 16), 0}};
	packet->quoted.present =
		fill_quoted_transport(ctx, packet, bytes, offset + (bytes[0] & 15) * 4);
}

/*
 * Where the quoted packet's transport header begins, given where the first header behind its IPv6
 * header does; packet->quoted.protocol becomes its protocol. 0 if it is not there, or not in this
 * fragment. After net/ipv6/exthdrs_core.c ipv6_skip_exthdr().
 */
GLOBAL int skip_quoted_extensions(SOURCE *ctx, struct tracker_packet *packet NONNULL_ARG,
				  __u32 offset)
{
	__u32 number = packet->quoted.protocol;

	while (is_extension_header(number)) {
		__u8 header[4] = {};

		if (number == NEXTHDR_NONE ||
		    !read_packet_bytes(ctx, header, number == NEXTHDR_FRAGMENT ? 4 : 2, offset) ||
		    (number == NEXTHDR_FRAGMENT &&
		     big_endian_16(header + 2) & IPV6_FRAGMENT_OFFSET))
			return 0;
		offset += extension_size(number, header[1]);
		number = header[0];
		LOOP_BOUND;
	}
	packet->quoted.protocol = (__u8)number;
	return is_extension_header(number) ? 0 : (int)offset;
}

INLINE void fill_quoted_ipv6(SOURCE *ctx, struct tracker_packet *packet, __u8 *bytes, __u32 offset)
{
	if (packet->transport.icmp.type == ICMPV6_REDIRECT)
		offset += REDIRECT_QUOTE;
	if (!read_packet_bytes(ctx, bytes, IPV6_BASE_SIZE, offset) || bytes[0] >> 4 != 6)
		return;
	packet->quoted.protocol = bytes[6];
	__builtin_memcpy(&packet->quoted.source, bytes + 8, sizeof(struct tracker_address));
	__builtin_memcpy(&packet->quoted.destination, bytes + 24, sizeof(struct tracker_address));
	offset = (__u32)skip_quoted_extensions(ctx, packet, offset + IPV6_BASE_SIZE);
	packet->quoted.present = offset && fill_quoted_transport(ctx, packet, bytes, offset);
}

/* TRANSPORT_SIZE bytes at @offset, if they are in the packet's front. */
INLINE const __u8 *transport_in_front(const struct device_work *work, __u32 offset)
{
	const __u8 *front = (const __u8 *)work->front;

	if (offset + TRANSPORT_SIZE > work->linear)
		return NULL;
	if (offset == IPV4_HEADER_SIZE)
		return front + IPV4_HEADER_SIZE;
	if (offset == IPV6_BASE_SIZE && work->front_size == DEVICE_FRONT_IPV6)
		return front + IPV6_BASE_SIZE;
	return NULL;
}

INLINE void fill_transport(SOURCE *ctx, struct device_work *work, struct tracker_packet *packet,
			   __u32 transport)
{
	__u32 size = packet->length < TRANSPORT_SIZE ? packet->length : TRANSPORT_SIZE;
	const __u8 *bytes = size == TRANSPORT_SIZE ? transport_in_front(work, transport) : NULL;

	packet->transport.word = 0;
	if (!bytes) {
		if (!size || !read_packet_bytes(ctx, work->bytes, size, transport))
			return;
		bytes = work->bytes;
	}
	switch (packet->protocol) {
	case PROTOCOL_ICMP:
	case PROTOCOL_ICMPV6:
		packet->transport.icmp.type = bytes[0];
		packet->transport.icmp.code = bytes[1];
		packet->transport.icmp.id = *(__u16 *)(bytes + 4);
		packet->quoted.present = false;
		if (packet->family == ARENA_IPV4)
			fill_quoted_ipv4(ctx, packet, work->bytes, transport + ICMP_HEADER_SIZE);
		else
			fill_quoted_ipv6(ctx, packet, work->bytes, transport + ICMP_HEADER_SIZE);
		return;
	case PROTOCOL_TCP:
		fill_tcp(ctx, work, packet, bytes, transport);
		break;
	default:
		packet->udp.length = big_endian_16(bytes + 4);
		break;
	}
	packet->transport.port.source = *(__u16 *)bytes;
	packet->transport.port.destination = *(__u16 *)(bytes + 2);
}
