/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fragments. The kernel's connection tracking puts datagrams together first, so that they are
 * judged as a whole. Here the first fragment is judged, by the ports that it has, and the others
 * follow it: they are accepted if it was accepted before they come and they begin behind its end.
 * Any other is INVALID. So nothing passes that could not pass as one datagram: to replace a byte
 * that was judged, a fragment would have to overlap the first.
 */
#pragma once

#include "abi/tracker.h"
#include "bpf/kernel.h"
#include "bpf/portable.h"
#include "bpf/tracker_time.h"
#include "bpf/tracker_tuple.h"

#define FRAGMENT_TIME 30u /* seconds: IP_FRAG_TIME of include/net/ip.h; IPv6 would allow 60 */

struct tracker_fragment_key {
	struct tracker_address source;
	struct tracker_address destination;
	__u32 id;
	__u8 protocol; /* IPv4: it is part of the datagram's name (RFC 791); 0 in IPv6 */
	__u8 family;
	__u16 unused;
};

struct tracker_fragment {
	__u64 deadline;
	__u32 generation;
	__u16 end;   /* of the first fragment's payload, in bytes */
	__u16 label; /* FIELD_CONNTRACK of the first one */
};

/* What is forgotten too early makes fragments INVALID: least recently used ones may go. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, TRACKER_DEFAULT_FRAGMENTS);
	__type(key, struct tracker_fragment_key);
	__type(value, struct tracker_fragment);
} tracker_datagrams SEC(".maps");

INLINE void tracker_fragment_key_of(struct tracker_fragment_key *key,
				    const struct tracker_packet *packet)
{
	key->source = packet->source;
	key->destination = packet->destination;
	key->id = packet->fragment_id;
	key->protocol = packet->family == ARENA_IPV4 ? packet->protocol : 0;
	key->family = packet->family;
	key->unused = 0;
}

/* All of the first fragment that rules and the tracker ask for is there. */
INLINE bool tracker_can_be_followed(const struct tracker_packet *packet)
{
	return packet->more_fragments &&
	       (packet->protocol == PROTOCOL_TCP ? packet->shape == SHAPE_WHOLE
						 : packet->shape <= SHAPE_8_BYTES) &&
	       packet->fragment_offset == 0;
}
