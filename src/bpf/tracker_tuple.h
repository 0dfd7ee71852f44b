/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From a packet to the key of its connection. After nf_ct_get_tuple() and nf_ct_invert_tuple() of
 * net/netfilter/nf_conntrack_core.c.
 */
#pragma once

#include "abi/arena.h"
#include "abi/packet.h"
#include "abi/tracker.h"
#include "bpf/portable.h"
#include "bpf/tracker_icmp.h"

#define PROTOCOL_TCP     6
#define PROTOCOL_UDP     17
#define PROTOCOL_DCCP    33
#define PROTOCOL_NONE    59
#define PROTOCOL_SCTP    132
#define PROTOCOL_UDPLITE 136

/* Which way a packet goes between the endpoints of a key. */
enum tracker_way {
	TRACKER_FORTH, /* the first endpoint is the source */
	TRACKER_BACK,
	TRACKER_SELF, /* both are the same */
};

INLINE bool protocol_has_ports(__u32 protocol)
{
	return protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP ||
	       protocol == PROTOCOL_UDPLITE || protocol == PROTOCOL_SCTP ||
	       protocol == PROTOCOL_DCCP;
}

INLINE int compare_endpoints(const struct tracker_address *a, __be16 port_a,
			     const struct tracker_address *b, __be16 port_b)
{
	if (a->word[0] != b->word[0])
		return a->word[0] < b->word[0] ? -1 : 1;
	if (a->word[1] != b->word[1])
		return a->word[1] < b->word[1] ? -1 : 1;
	return port_a == port_b ? 0 : port_a < port_b ? -1 : 1;
}

INLINE void set_endpoints(struct tracker_key *key, const struct tracker_address *first,
			  __be16 first_port, const struct tracker_address *second,
			  __be16 second_port)
{
	key->address[0] = *first;
	key->address[1] = *second;
	key->port[0] = first_port;
	key->port[1] = second_port;
}

/*
 * Fills in @key for a packet with this header and returns its way, or a negative number if there
 * is no connection that such a packet could belong to: nothing answers it.
 */
INLINE int tracker_key_of(struct tracker_key *key, __u32 family, __u32 protocol,
			  const struct tracker_address *source,
			  const struct tracker_address *destination,
			  const union tracker_transport *transport)
{
	__be16 source_port = 0, destination_port = 0;
	int order;

	key->protocol = (__u8)protocol;
	key->family = (__u8)family;
	key->unused = 0;
	if (protocol == PROTOCOL_ICMP || protocol == PROTOCOL_ICMPV6) {
		__u32 request = icmp_request_type(family, protocol, transport->icmp.type);
		__be16 kind = (__be16)(request | (__u32)transport->icmp.code << 8);

		if (request == ICMP_NO_QUERY)
			return -1;
		if (request == transport->icmp.type) {
			set_endpoints(key, source, transport->icmp.id, destination, kind);
			return TRACKER_FORTH;
		}
		set_endpoints(key, destination, transport->icmp.id, source, kind);
		return TRACKER_BACK;
	}
	if (protocol_has_ports(protocol)) {
		source_port = transport->port.source;
		destination_port = transport->port.destination;
	}
	order = compare_endpoints(source, source_port, destination, destination_port);
	if (order > 0) {
		set_endpoints(key, destination, destination_port, source, source_port);
		return TRACKER_BACK;
	}
	set_endpoints(key, source, source_port, destination, destination_port);
	return order ? TRACKER_FORTH : TRACKER_SELF;
}

/*
 * 0 for the direction of a connection's first packet, 1 for the reply's. Where both endpoints are
 * the same the kernel has two equal tuples, and finds the one for replies first, because it was
 * put at the head of the same chain later (__nf_conntrack_hash_insert()).
 */
INLINE __u32 tracker_direction(enum tracker_way way, __u32 originator)
{
	if (way == TRACKER_SELF)
		return 1;
	return (way == TRACKER_BACK) != originator;
}

typedef __u64 __attribute__((may_alias)) tracker_word;

INLINE bool tracker_keys_equal(const struct tracker_key *a, const struct tracker_key *b)
{
	const tracker_word *p = (const tracker_word *)a, *q = (const tracker_word *)b;
	__u64 differs = 0;

	_Static_assert(sizeof(*a) == 5 * sizeof(__u64), "struct tracker_key");
	for (int i = 0; i < 5; i++)
		differs |= p[i] ^ q[i];
	return !differs;
}

/* As much of the transport header is there as its tuple takes (the protocols' *_error()). */
INLINE bool tracker_transport_is_there(const struct tracker_packet *packet)
{
	switch (packet->protocol) {
	case PROTOCOL_TCP:
		return packet->shape == SHAPE_WHOLE;
	case PROTOCOL_UDP:
	case PROTOCOL_UDPLITE:
	case PROTOCOL_ICMP:
	case PROTOCOL_ICMPV6:
		return packet->shape <= SHAPE_8_BYTES;
	case PROTOCOL_SCTP:
	case PROTOCOL_DCCP:
		return packet->shape <= SHAPE_4_BYTES;
	case PROTOCOL_NONE:
		/* ipv6_skip_exthdr() ends there without having found anything. */
		return packet->family == ARENA_IPV4;
	default:
		return packet->shape < SHAPE_BROKEN;
	}
}
