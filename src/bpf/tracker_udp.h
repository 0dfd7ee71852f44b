/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Protocols without states: UDP, UDP-Lite, ICMP queries, and all others. After
 * net/netfilter/nf_conntrack_proto_udp.c, nf_conntrack_proto_icmp.c, nf_conntrack_proto_icmpv6.c
 * and generic_packet() of nf_conntrack_core.c.
 */
#pragma once

#include "abi/tracker.h"
#include "bpf/portable.h"
#include "bpf/tracker_time.h"
#include "bpf/tracker_tuple.h"

/* After so long a two-way flow is more than a question and its answer. */
#define STREAM_AGE (2 * NANOSECONDS)

INLINE bool tracker_is_stream(const struct tracker_connection *connection, __u64 now)
{
	return connection->status & TRACKER_SEEN_REPLY && now > connection->begin + STREAM_AGE;
}

/* udp_error() and udplite_error(): the length in the header is possible. */
INLINE bool tracker_udp_is_valid(const struct tracker_packet *packet)
{
	__u32 length = packet->udp.length;

	if (packet->protocol == PROTOCOL_UDPLITE && !length)
		return true; /* the checksum covers everything */
	/* The other fragments are not here yet. */
	return length >= 8 && (length <= packet->length || packet->more_fragments);
}

INLINE void udp_packet(struct tracker_connection *connection,
		       const struct tracker_settings *settings, __u64 now)
{
	bool stream = connection->key.protocol == PROTOCOL_UDPLITE
			      ? connection->status & TRACKER_SEEN_REPLY
			      : tracker_is_stream(connection, now);

	if (stream)
		connection->status |= TRACKER_ASSURED;
	tracker_refresh(
		connection, now,
		settings->timeout[stream ? TRACKER_TIMEOUT_UDP_STREAM : TRACKER_TIMEOUT_UDP]);
}

/* A packet of a connection of any protocol but TCP. */
INLINE void tracker_other_packet(struct tracker_connection *connection,
				 const struct tracker_settings *settings, __u64 now)
{
	switch (connection->key.protocol) {
	case PROTOCOL_UDP:
	case PROTOCOL_UDPLITE:
		udp_packet(connection, settings, now);
		break;
	case PROTOCOL_ICMP:
	case PROTOCOL_ICMPV6:
		tracker_refresh(connection, now, settings->timeout[TRACKER_TIMEOUT_ICMP]);
		break;
	default:
		tracker_refresh(connection, now, settings->timeout[TRACKER_TIMEOUT_GENERIC]);
	}
}
