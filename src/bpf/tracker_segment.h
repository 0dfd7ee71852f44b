/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A TCP packet as the window check wants it, with its options. After tcp_options(), tcp_sack()
 * and segment_seq_plus_len() of net/netfilter/nf_conntrack_proto_tcp.c: what stands in front of a
 * malformed option counts.
 */
#pragma once

#include "abi/tracker.h"
#include "bpf/portable.h"

#define TCP_FLAG_FIN 0x01
#define TCP_FLAG_SYN 0x02
#define TCP_FLAG_RST 0x04
#define TCP_FLAG_ACK 0x10
#define TCP_FLAG_URG 0x20

#define TCP_OPTION_END            0
#define TCP_OPTION_NONE           1
#define TCP_OPTION_WINDOW_SCALE   3
#define TCP_OPTION_SACK_PERMITTED 4
#define TCP_OPTION_SACK           5

#define TCP_MAXIMUM_SCALE 14 /* RFC 7323 section 2.3 */

/* Of struct tracker_tcp_side.flags; enum values of nf_conntrack_tcp.h, as those below. */
#define TCP_SIDE_SCALES        0x01
#define TCP_SIDE_PERMITS_SACKS 0x02

INLINE bool sequence_before(__u32 a, __u32 b)
{
	return (__s32)(a - b) < 0;
}

INLINE __u32 segment_option(const struct tracker_packet *packet, __u32 at)
{
	return packet->tcp.options[MASKED_INDEX(at, TRACKER_OPTIONS_BUFFER - 1)];
}

INLINE __u32 option_word(const struct tracker_packet *packet, __u32 at)
{
	return segment_option(packet, at) << 24 | segment_option(packet, at + 1) << 16 |
	       segment_option(packet, at + 2) << 8 | segment_option(packet, at + 3);
}

/* Blocks of two numbers each; the second is the edge. */
INLINE void read_sacks(struct tracker_packet *packet, __u32 at, __u32 size)
{
	struct tracker_segment *segment = &packet->tcp.segment;

	for (__u32 block = 0; block < 4; block++) {
		__u32 edge = option_word(packet, at + 6 + block * 8);

		if (2 + block * 8 < size && sequence_before(segment->sack, edge))
			segment->sack = edge;
	}
}

/* One option; returns its size, or 0 if nothing behind it counts. */
INLINE __u32 read_option(struct tracker_packet *packet, __u32 at, __u32 left)
{
	struct tracker_segment *segment = &packet->tcp.segment;
	__u32 kind = segment_option(packet, at), size = segment_option(packet, at + 1);
	__u32 scale = segment_option(packet, at + 2);

	if (kind == TCP_OPTION_NONE)
		return 1;
	if (kind == TCP_OPTION_END || left < 2 || size < 2 || size > left)
		return 0;
	if (kind == TCP_OPTION_SACK_PERMITTED && size == 2) {
		segment->flags |= TCP_SIDE_PERMITS_SACKS;
	} else if (kind == TCP_OPTION_WINDOW_SCALE && size == 3) {
		segment->scale = scale < TCP_MAXIMUM_SCALE ? (__u8)scale : TCP_MAXIMUM_SCALE;
		segment->flags |= TCP_SIDE_SCALES;
	} else if (kind == TCP_OPTION_SACK && size >= 10 && size % 8 == 2 && !segment->has_sacks) {
		segment->has_sacks = true;
		read_sacks(packet, at, size);
	}
	return size;
}

/* Makes the segment of a TCP packet, and reads its options, at most TRACKER_OPTIONS bytes. */
INLINE void tracker_read_segment(struct tracker_packet *packet)
{
	__u32 end = packet->n_options < TRACKER_OPTIONS ? packet->n_options : TRACKER_OPTIONS;
	__u32 at = 0, size;

	packet->tcp.segment = (struct tracker_segment){
		.sequence = packet->tcp.sequence,
		/* SYN and FIN have a number each. */
		.end = packet->tcp.sequence + packet->length - packet->tcp.header_size +
		       !!(packet->tcp.flags & TCP_FLAG_SYN) + !!(packet->tcp.flags & TCP_FLAG_FIN),
		.acknowledgement = packet->tcp.acknowledgement,
		.sack = packet->tcp.acknowledgement,
		.present = end > 0,
	};
	while (at < end) {
		size = read_option(packet, at, end - at);
		if (!size)
			break;
		at += size;
		LOOP_BOUND;
	}
}
