/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the stack does with an IP packet before it comes to a filter: packets that it would drop are
 * not judged, and padding behind a packet does not count.
 */
#pragma once

#include "bpf/kernel.h"
#include "bpf/portable.h"

#define IPV4_HEADER_SIZE     20
#define IPV4_HEADER_MAX_SIZE 60
#define IPV6_BASE_SIZE       40

/* The sum of the IPv4 header's halfwords, as they lie in memory; @front are its first words. */
INLINE __u32 ipv4_header_sum(const __u32 *front, __u64 header, __u32 size)
{
	__u64 sum = 0;

	for (__u32 i = 0; i < IPV4_HEADER_SIZE / sizeof(*front); i++)
		sum += front[i];
	for (__u32 offset = IPV4_HEADER_SIZE; offset < IPV4_HEADER_MAX_SIZE; offset += 4) {
		if (offset >= size)
			break;
		sum += kernel_bytes(header + offset)->in6_u.u6_addr32[0];
	}
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u32)sum;
}

/*
 * Length of the IPv4 packet at @header, which begins with @front, of which @linear bytes are in one
 * piece and @available are there; 0 if the stack drops it (net/ipv4/ip_input.c ip_rcv_core()).
 * @merged: it is made of several, and may be longer than its header can say.
 */
INLINE __u32 ipv4_packet_length(const void *front, __u64 header, __u32 linear, __u32 available,
				bool merged)
{
	const struct in6_addr *bytes = front;
	__u32 header_size, length;

	if (linear < IPV4_HEADER_SIZE || bytes->in6_u.u6_addr8[0] >> 4 != 4)
		return 0;
	header_size = (bytes->in6_u.u6_addr8[0] & 15) * 4;
	length = bpf_ntohs(bytes->in6_u.u6_addr16[1]);
	if (!length && merged)
		length = available;
	if (header_size < IPV4_HEADER_SIZE || header_size > linear || length < header_size ||
	    length > available || ipv4_header_sum(front, header, header_size) != 0xffff)
		return 0;
	return length;
}

/* The same for IPv6 (net/ipv6/ip6_input.c ip6_rcv_core()). */
INLINE __u32 ipv6_packet_length(const void *front, __u32 linear, __u32 available)
{
	const struct in6_addr *bytes = front;
	__u32 payload;

	if (linear < IPV6_BASE_SIZE || bytes->in6_u.u6_addr8[0] >> 4 != 6)
		return 0;
	payload = bpf_ntohs(bytes->in6_u.u6_addr16[2]);
	/* A jumbo payload option says the length instead. */
	if (!payload && !bytes->in6_u.u6_addr8[6])
		return available;
	return payload + IPV6_BASE_SIZE <= available ? payload + IPV6_BASE_SIZE : 0;
}
