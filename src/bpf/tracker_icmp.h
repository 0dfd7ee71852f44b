/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which ICMP and ICMPv6 messages are queries, errors, or not tracked. After
 * net/netfilter/nf_conntrack_proto_icmp.c and nf_conntrack_proto_icmpv6.c.
 */
#pragma once

#include "abi/arena.h"
#include "abi/tracker.h"
#include "bpf/portable.h"

enum icmp_class {
	ICMP_OTHER, /* a query or its answer, or nothing that is tracked */
	ICMP_ERROR,
	ICMP_REFUSED,   /* INVALID */
	ICMP_UNTRACKED, /* neighbour discovery, multicast listener and router discovery */
};

#define ICMP_NO_QUERY 256u

#define PROTOCOL_ICMP   1
#define PROTOCOL_ICMPV6 58
#define ICMPV6_REDIRECT 137

/* The type of the request that a message is or answers; ICMP_NO_QUERY if neither. */
INLINE __u32 icmp_request_type(__u32 family, __u32 protocol, __u32 type)
{
	if (family == ARENA_IPV4 && protocol == PROTOCOL_ICMP) {
		switch (type) {
		case 0: /* echo reply */
		case 8:
			return 8;
		case 13: /* timestamp */
		case 14:
			return 13;
		case 15: /* information */
		case 16:
			return 15;
		case 17: /* address mask */
		case 18:
			return 17;
		default:
			break;
		}
	} else if (family == ARENA_IPV6 && protocol == PROTOCOL_ICMPV6) {
		switch (type) {
		case 128: /* echo */
		case 129:
			return 128;
		case 139: /* node information */
		case 140:
			return 139;
		default:
			break;
		}
	}
	return ICMP_NO_QUERY;
}

/* What answers a request that icmp_request_type() has returned. */
INLINE __u32 icmp_answer_type(__u32 request)
{
	return request == 8 ? 0 : request + 1;
}

INLINE enum icmp_class icmpv4_class(__u32 type)
{
	switch (type) {
	case 3:  /* destination unreachable */
	case 4:  /* source quench */
	case 5:  /* redirect */
	case 11: /* time exceeded */
	case 12: /* parameter problem */
		return ICMP_ERROR;
	default:
		return ICMP_OTHER;
	}
}

INLINE enum icmp_class icmpv6_class(const struct tracker_packet *packet)
{
	__u32 type = packet->transport.icmp.type;

	/* 130 to 132 and 143: multicast listeners; 133 to 136: neighbours; 151, 152: routers */
	if ((type >= 130 && type <= 136) || type == 143 || type == 151 || type == 152)
		return ICMP_UNTRACKED;
	if (type < 128)
		return ICMP_ERROR;
	if (type != ICMPV6_REDIRECT || packet->transport.icmp.code || !packet->quoted.present)
		return ICMP_OTHER;
	/* From a neighbour, fe80::/10 (RFC 4861 section 8.1); the address's first byte comes first.
	 */
	if (packet->hop_limit != 255 || (((const __u8 *)&packet->source)[0] != 0xfe) ||
	    (((const __u8 *)&packet->source)[1] & 0xc0) != 0x80)
		return ICMP_REFUSED;
	return ICMP_ERROR;
}

/* Of a packet whose protocol is one of the two. */
INLINE enum icmp_class icmp_class(const struct tracker_packet *packet)
{
	if (packet->family == ARENA_IPV4 && packet->protocol == PROTOCOL_ICMP)
		return icmpv4_class(packet->transport.icmp.type);
	if (packet->family == ARENA_IPV6 && packet->protocol == PROTOCOL_ICMPV6)
		return icmpv6_class(packet);
	return ICMP_REFUSED;
}
