/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Does a TCP segment fit what both sides have sent and allowed? After tcp_in_window() of
 * net/netfilter/nf_conntrack_proto_tcp.c, which goes back to Guido van Rooij, "Real Stateful TCP
 * Packet Filtering in IP Filter" (2000). Of a segment [sequence, end) in front of us it asks:
 *
 *   sequence <= what the receiver has allowed                       (no data past the window)
 *   end >= what the sender has sent, less the receiver's window     (no data from long ago)
 *   acknowledgement <= what the receiver has sent                   (nothing that was never sent)
 *   acknowledgement >= that, less the sender's window or 66000      (nothing from long ago)
 */
#pragma once

#include "abi/tracker.h"
#include "bpf/portable.h"
#include "bpf/tracker_segment.h"

/* struct tracker_tcp_side.flags and tracker_tcp.last_flags; numbers of nf_conntrack_tcp.h */
#define TCP_SIDE_CLOSED_FIRST   0x04
#define TCP_SIDE_LIBERAL        0x08 /* its history is unknown: it cannot be out of the window */
#define TCP_SIDE_UNACKNOWLEDGED 0x10 /* it has sent data that is not acknowledged yet */
#define TCP_SIDE_ACKNOWLEDGED   0x20 /* tracker_tcp_side.acknowledged is valid */
#define TCP_LAST_CHALLENGED     0x40 /* a SYN in LAST_ACK may be answered by a challenge ACK */
#define TCP_LAST_SIMULTANEOUS   0x80 /* both sides have sent a SYN */

#define TCP_LEAST_ACKNOWLEDGEMENT_WINDOW 66000u

/* A packet's kind is its most significant flag. */
enum tcp_kind {
	TCP_KIND_SYN,
	TCP_KIND_SYN_ACK,
	TCP_KIND_FIN,
	TCP_KIND_ACK,
	TCP_KIND_RST,
	TCP_KIND_NONE,
	TCP_KINDS,
};

enum tcp_window_result {
	TCP_IN_WINDOW,
	TCP_WINDOW_IGNORED, /* not to be learnt from, but it may be an honest repetition */
	TCP_OUT_OF_WINDOW,
};

INLINE __u32 at_least_one(__u32 window)
{
	return window ? window : 1;
}

/* What a SYN says of its sender. */
INLINE void tcp_side_options(struct tracker_tcp_side *side, const struct tracker_segment *segment)
{
	if (!segment->present)
		return;
	side->scale = segment->scale;
	side->flags = (side->flags & TCP_SIDE_LIBERAL) | segment->flags;
}

INLINE void tcp_side_begin(struct tracker_tcp_side *sender, struct tracker_tcp_side *receiver,
			   const struct tracker_packet *packet, __u32 direction)
{
	sender->end = packet->tcp.segment.end;
	sender->maximum_end = packet->tcp.segment.end;
	sender->maximum_window = at_least_one(packet->tcp.window);
	tcp_side_options(sender, &packet->tcp.segment);
	/* Windows are scaled only if both sides want it (RFC 7323 section 2.2). */
	if (direction && !(sender->flags & receiver->flags & TCP_SIDE_SCALES)) {
		sender->scale = 0;
		receiver->scale = 0;
	}
}

/* The first packet of a side whose beginning was not seen. */
INLINE void tcp_side_pick_up(struct tracker_tcp_side *sender, struct tracker_tcp_side *receiver,
			     const struct tracker_packet *packet)
{
	const struct tracker_segment *segment = &packet->tcp.segment;

	sender->end = segment->end;
	sender->maximum_window = at_least_one((__u32)packet->tcp.window << sender->scale);
	sender->maximum_end = segment->end + sender->maximum_window;
	if (!receiver->maximum_window) {
		receiver->end = segment->sack;
		receiver->maximum_end = segment->sack;
	} else if (segment->sack == receiver->end + 1) {
		receiver->end++; /* the answer to a keepalive */
	}
}

/*
 * Makes the segment ready for the questions: a side that is new, or begins anew, gets its
 * numbers, and numbers that mean nothing become those that fit. Returns false if nothing is to be
 * asked.
 */
NOINLINE bool tcp_prepare_segment(struct tracker_tcp *tcp, struct tracker_packet *packet,
				  __u32 direction)
{
	struct tracker_tcp_side *sender = &tcp->side[direction];
	struct tracker_tcp_side *receiver = &tcp->side[!direction];
	struct tracker_segment *segment = &packet->tcp.segment;
	__u32 flags = packet->tcp.flags;

	if (!(receiver->flags & TCP_SIDE_PERMITS_SACKS))
		segment->sack = segment->acknowledgement;

	if (!sender->maximum_window) {
		if (flags & TCP_FLAG_SYN) {
			tcp_side_begin(sender, receiver, packet, direction);
			if (!(flags & TCP_FLAG_ACK))
				return false; /* simultaneous open */
		} else {
			tcp_side_pick_up(sender, receiver, packet);
		}
	} else if ((flags & TCP_FLAG_SYN) && sequence_before(sender->end, segment->end) &&
		   (tcp->state == TRACKER_TCP_SYN_SENT || tcp->state == TRACKER_TCP_SYN_RECV)) {
		tcp_side_begin(sender, receiver, packet, direction);
		if (direction && !(flags & TCP_FLAG_ACK))
			return false;
	}

	/* No acknowledgement, or that of a reset which says nothing, is as good as the best one. */
	if (!(flags & TCP_FLAG_ACK) || ((flags & TCP_FLAG_RST) && !segment->acknowledgement)) {
		segment->acknowledgement = receiver->end;
		segment->sack = receiver->end;
	}
	/* A reset that answers a SYN may carry no number. */
	if ((flags & TCP_FLAG_RST) && !segment->sequence && tcp->state == TRACKER_TCP_SYN_SENT) {
		segment->sequence = sender->end;
		segment->end = sender->end;
	}
	return true;
}

/* Asks the four questions. */
NOINLINE enum tcp_window_result
tcp_judge_segment(struct tracker_tcp *tcp, const struct tracker_packet *packet, __u32 direction)
{
	struct tracker_tcp_side *sender = &tcp->side[direction];
	const struct tracker_tcp_side *receiver = &tcp->side[!direction];
	const struct tracker_segment *segment = &packet->tcp.segment;
	__u32 widest = sender->maximum_window > TCP_LEAST_ACKNOWLEDGEMENT_WINDOW
			       ? sender->maximum_window
			       : TCP_LEAST_ACKNOWLEDGEMENT_WINDOW;
	bool recent = sequence_before(sender->end - receiver->maximum_window - 1, segment->end);
	bool answers = sequence_before(receiver->end - widest - 1, segment->sack);
	bool foresees = sequence_before(receiver->end, segment->sack);

	if (sequence_before(sender->maximum_end, segment->sequence)) {
		__u32 excess = segment->end - sender->maximum_end + 1;

		if (!receiver->maximum_window || !recent || !answers || foresees ||
		    excess > receiver->maximum_window)
			return TCP_OUT_OF_WINDOW;
		/* Somewhat too much: should the rules let it pass, its acknowledgement must fit. */
		sender->end = segment->end;
		sender->flags |= TCP_SIDE_UNACKNOWLEDGED;
		return TCP_WINDOW_IGNORED;
	}
	if (foresees)
		return TCP_OUT_OF_WINDOW;
	if ((receiver->maximum_window && !recent) || !answers)
		return TCP_WINDOW_IGNORED;
	return TCP_IN_WINDOW;
}

/* Counts how often the same acknowledgement comes again. */
INLINE void tcp_note_acknowledgement(struct tracker_tcp *tcp, const struct tracker_packet *packet,
				     __u32 direction)
{
	const struct tracker_segment *segment = &packet->tcp.segment;

	if (tcp->last_direction == direction && tcp->last_sequence == segment->sequence &&
	    tcp->last_acknowledgement == segment->acknowledgement &&
	    tcp->last_end == segment->end && tcp->last_window == packet->tcp.window) {
		if (tcp->repetitions < 255)
			tcp->repetitions++;
		return;
	}
	tcp->last_direction = (__u8)direction;
	tcp->last_sequence = segment->sequence;
	tcp->last_acknowledgement = segment->acknowledgement;
	tcp->last_end = segment->end;
	tcp->last_window = packet->tcp.window;
	tcp->repetitions = 0;
}

/* Learns from a segment that is in the window. */
NOINLINE int tcp_learn_segment(struct tracker_tcp *tcp, const struct tracker_packet *packet,
			       __u32 direction, enum tcp_kind kind)
{
	struct tracker_tcp_side *sender = &tcp->side[direction];
	struct tracker_tcp_side *receiver = &tcp->side[!direction];
	const struct tracker_segment *segment = &packet->tcp.segment;
	__u32 window = packet->tcp.window, beyond;

	if (!(packet->tcp.flags & TCP_FLAG_SYN))
		window <<= sender->scale;
	beyond = window + (segment->sack - segment->acknowledgement);
	if (sender->maximum_window < beyond)
		sender->maximum_window = beyond;
	if (sequence_before(sender->end, segment->end)) {
		sender->end = segment->end;
		sender->flags |= TCP_SIDE_UNACKNOWLEDGED;
	}
	if (packet->tcp.flags & TCP_FLAG_ACK &&
	    (!(sender->flags & TCP_SIDE_ACKNOWLEDGED) ||
	     sequence_before(sender->acknowledged, segment->acknowledgement))) {
		sender->acknowledged = segment->acknowledgement;
		sender->flags |= TCP_SIDE_ACKNOWLEDGED;
	}

	if (receiver->maximum_window && sequence_before(sender->maximum_end, segment->end))
		receiver->maximum_window += segment->end - sender->maximum_end;
	if (sequence_before(receiver->maximum_end - 1, segment->sack + window))
		receiver->maximum_end = segment->sack + at_least_one(window);
	if (segment->acknowledgement == receiver->end)
		receiver->flags &= (__u8)~TCP_SIDE_UNACKNOWLEDGED;

	if (kind == TCP_KIND_ACK)
		tcp_note_acknowledgement(tcp, packet, direction);
	return 0;
}

/* Does the packet fit? If so, what it says is kept. */
INLINE enum tcp_window_result tcp_check_window(struct tracker_tcp *tcp,
					       struct tracker_packet *packet, __u32 direction,
					       enum tcp_kind kind)
{
	enum tcp_window_result result;

	if (!tcp_prepare_segment(tcp, packet, direction))
		return TCP_IN_WINDOW;
	result = tcp_judge_segment(tcp, packet, direction);
	if (result == TCP_IN_WINDOW)
		tcp_learn_segment(tcp, packet, direction, kind);
	else if (tcp->side[direction].flags & TCP_SIDE_LIBERAL)
		result = TCP_IN_WINDOW;
	return result;
}
