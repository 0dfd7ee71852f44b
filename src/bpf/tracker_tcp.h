/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A TCP connection's states, and what each packet makes of them. After
 * net/netfilter/nf_conntrack_proto_tcp.c (nf_conntrack_tcp_packet(), tcp_new()).
 */
#pragma once

#include "abi/tracker.h"
#include "bpf/portable.h"
#include "bpf/tracker_time.h"
#include "bpf/tracker_window.h"

#define TCP_NEXT_IGNORE \
	14 /* the packet may be right and we wrong: it passes, and changes nothing */
#define TCP_NEXT_REFUSE 15

#define NO (__u64) TRACKER_TCP_NONE
#define SS (__u64) TRACKER_TCP_SYN_SENT
#define SR (__u64) TRACKER_TCP_SYN_RECV
#define ES (__u64) TRACKER_TCP_ESTABLISHED
#define FW (__u64) TRACKER_TCP_FIN_WAIT
#define CW (__u64) TRACKER_TCP_CLOSE_WAIT
#define LA (__u64) TRACKER_TCP_LAST_ACK
#define TW (__u64) TRACKER_TCP_TIME_WAIT
#define CL (__u64) TRACKER_TCP_CLOSE
#define S2 (__u64) TRACKER_TCP_SYN_SENT2
#define ig (__u64) TCP_NEXT_IGNORE
#define xx (__u64) TCP_NEXT_REFUSE

/* The next states for one kind of packet, four bits for each state in their numbers' order. */
#define NEXT(none, syn_sent, syn_recv, established, fin_wait, close_wait, last_ack, time_wait, \
	     close, syn_sent2)                                                                 \
	((none) | (syn_sent) << 4 | (syn_recv) << 8 | (established) << 12 | (fin_wait) << 16 | \
	 (close_wait) << 20 | (last_ack) << 24 | (time_wait) << 28 | (close) << 32 |           \
	 (syn_sent2) << 36)

/* [direction * 8 + kind] */
/* clang-format off: columns */
static const __u64 tcp_next_states[16] = {
	/*                       NO  SS  SR  ES  FW  CW  LA  TW  CL  S2 */
	[TCP_KIND_SYN] = NEXT(SS, SS, ig, ig, ig, ig, ig, SS, SS, S2),
	[TCP_KIND_SYN_ACK] = NEXT(xx, xx, SR, xx, xx, xx, xx, xx, xx, SR),
	[TCP_KIND_FIN] = NEXT(xx, xx, FW, FW, LA, LA, LA, TW, CL, xx),
	[TCP_KIND_ACK] = NEXT(ES, xx, ES, ES, CW, CW, TW, TW, CL, xx),
	[TCP_KIND_RST] = NEXT(xx, CL, CL, CL, CL, CL, CL, CL, CL, CL),
	[TCP_KIND_NONE] = NEXT(xx, xx, xx, xx, xx, xx, xx, xx, xx, xx),

	[8 + TCP_KIND_SYN] = NEXT(xx, S2, xx, xx, xx, xx, xx, SS, xx, S2),
	[8 + TCP_KIND_SYN_ACK] = NEXT(xx, SR, ig, ig, ig, ig, ig, ig, ig, SR),
	[8 + TCP_KIND_FIN] = NEXT(xx, xx, FW, FW, LA, LA, LA, TW, CL, xx),
	[8 + TCP_KIND_ACK] = NEXT(xx, ig, SR, ES, CW, CW, TW, TW, CL, ig),
	[8 + TCP_KIND_RST] = NEXT(xx, CL, CL, CL, CL, CL, CL, CL, CL, CL),
	[8 + TCP_KIND_NONE] = NEXT(xx, xx, xx, xx, xx, xx, xx, xx, xx, xx),
};
/* clang-format on */

#undef NEXT
#undef NO
#undef SS
#undef SR
#undef ES
#undef FW
#undef CW
#undef LA
#undef TW
#undef CL
#undef S2
#undef ig
#undef xx

INLINE __u32 tcp_next_state(__u32 direction, enum tcp_kind kind, __u32 state)
{
	return tcp_next_states[MASKED_INDEX(direction << 3 | kind, 15)] >> (state & 15) * 4 & 15;
}

INLINE enum tcp_kind tcp_kind_of(__u32 flags)
{
	if (flags & TCP_FLAG_RST)
		return TCP_KIND_RST;
	if (flags & TCP_FLAG_SYN)
		return flags & TCP_FLAG_ACK ? TCP_KIND_SYN_ACK : TCP_KIND_SYN;
	if (flags & TCP_FLAG_FIN)
		return TCP_KIND_FIN;
	return flags & TCP_FLAG_ACK ? TCP_KIND_ACK : TCP_KIND_NONE;
}

/* The combinations that tcp_valid_flags[] has; PSH, ECE and CWR go with all of them. */
INLINE bool tcp_flags_are_valid(__u32 flags)
{
	const __u64 valid = 1ull << TCP_FLAG_SYN | 1ull << (TCP_FLAG_SYN | TCP_FLAG_URG) |
			    1ull << (TCP_FLAG_SYN | TCP_FLAG_ACK) | 1ull << TCP_FLAG_RST |
			    1ull << (TCP_FLAG_RST | TCP_FLAG_ACK) |
			    1ull << (TCP_FLAG_FIN | TCP_FLAG_ACK) |
			    1ull << (TCP_FLAG_FIN | TCP_FLAG_ACK | TCP_FLAG_URG) |
			    1ull << TCP_FLAG_ACK | 1ull << (TCP_FLAG_ACK | TCP_FLAG_URG);

	return valid >> (flags & (TCP_FLAG_FIN | TCP_FLAG_SYN | TCP_FLAG_RST | TCP_FLAG_ACK |
				  TCP_FLAG_URG)) &
	       1;
}

/* In these states a connection may make room for others (tcp_can_early_drop()). */
INLINE bool tcp_is_closing(__u32 state)
{
	return state >= TRACKER_TCP_FIN_WAIT && state <= TRACKER_TCP_CLOSE;
}

INLINE bool tcp_is_established(const struct tracker_connection *connection)
{
	return connection->tcp.state == TRACKER_TCP_ESTABLISHED &&
	       connection->status & TRACKER_ASSURED;
}

/* A SYN in a connection that both sides, or a reset from this one, have finished: it is a new one.
 */
INLINE bool tcp_reopens(const struct tracker_tcp *tcp, __u32 direction)
{
	return (tcp->side[0].flags | tcp->side[1].flags) & TCP_SIDE_CLOSED_FIRST ||
	       (tcp->last_direction == direction && tcp->last_kind == TCP_KIND_RST);
}

/* A SYN/ACK for a SYN that was ignored: the two sides agree, and it is us who are out of step. */
INLINE bool tcp_answers_ignored(const struct tracker_tcp *tcp, const struct tracker_packet *packet,
				__u32 direction, enum tcp_kind kind)
{
	return kind == TCP_KIND_SYN_ACK && tcp->last_kind == TCP_KIND_SYN &&
	       tcp->last_direction != direction && packet->tcp.acknowledgement == tcp->last_end;
}

INLINE void tcp_follow_ignored(struct tracker_tcp *tcp, __u32 direction)
{
	struct tracker_tcp_side *sender = &tcp->side[direction];
	struct tracker_tcp_side *receiver = &tcp->side[!direction];

	receiver->end = tcp->last_end;
	receiver->maximum_end = tcp->last_end;
	receiver->maximum_window = at_least_one(tcp->last_window);
	receiver->scale = tcp->last_scale;
	tcp->last_flags &= (__u8)~TCP_LAST_CHALLENGED;
	receiver->flags = tcp->last_flags;
	*sender = (struct tracker_tcp_side){.flags = sender->flags & TCP_SIDE_LIBERAL};
}

/* Keeps what is needed to recognize the answer. */
INLINE void tcp_note_ignored(struct tracker_tcp *tcp, const struct tracker_packet *packet,
			     __u32 direction, enum tcp_kind kind)
{
	tcp->last_kind = kind;
	tcp->last_direction = (__u8)direction;
	tcp->last_sequence = packet->tcp.sequence;
	tcp->last_end = packet->tcp.segment.end;
	tcp->last_window = packet->tcp.window;
	if (kind == TCP_KIND_SYN && !direction) {
		tcp->last_flags = packet->tcp.segment.flags;
		tcp->last_scale = packet->tcp.segment.scale;
		if (tcp->state == TRACKER_TCP_LAST_ACK)
			tcp->last_flags |= TCP_LAST_CHALLENGED;
	}
	if (kind == TCP_KIND_ACK && direction && tcp->state == TRACKER_TCP_SYN_SENT)
		tcp->last_acknowledgement = packet->tcp.acknowledgement;
}

/* What is to be done with a packet. */
enum tcp_course {
	TCP_COURSE_CHECK,  /* the window decides */
	TCP_COURSE_TAKE,   /* it is right */
	TCP_COURSE_LEAVE,  /* it passes, and changes nothing */
	TCP_COURSE_REFUSE, /* INVALID */
	TCP_COURSE_REOPEN, /* a new connection begins */
};

/*
 * A reset has to carry the number that its receiver expects, or to answer what we ignored. @next
 * is the state that it leads to.
 */
INLINE enum tcp_course tcp_reset_course(const struct tracker_connection *connection,
					const struct tracker_packet *packet, __u32 direction,
					__u32 *next)
{
	const struct tracker_tcp *tcp = &connection->tcp;
	const struct tracker_tcp_side *receiver = &tcp->side[!direction];
	__u32 sequence = packet->tcp.sequence;
	bool established = tcp_is_established(connection);

	if (tcp_is_closing(tcp->state))
		return TCP_COURSE_TAKE;
	if (receiver->flags & TCP_SIDE_ACKNOWLEDGED && tcp->last_kind != TCP_KIND_SYN) {
		if (!sequence && !established)
			return TCP_COURSE_CHECK;
		if (sequence_before(sequence, receiver->acknowledged))
			return TCP_COURSE_REFUSE;
		if (established && sequence != receiver->acknowledged &&
		    /* nor right behind data that is not acknowledged yet */
		    (tcp->last_kind != TCP_KIND_ACK || tcp->last_direction != direction ||
		     sequence != tcp->last_end))
			*next = tcp->state; /* a challenge follows (RFC 5961 section 3.2) */
		return TCP_COURSE_CHECK;
	}
	if (packet->tcp.acknowledgement == tcp->last_end &&
	    ((connection->status & TRACKER_SEEN_REPLY && tcp->last_kind == TCP_KIND_SYN &&
	      tcp->last_direction != direction) ||
	     (!(connection->status & TRACKER_ASSURED) && tcp->last_kind == TCP_KIND_ACK)))
		return TCP_COURSE_TAKE;
	if (tcp->state == TRACKER_TCP_SYN_SENT && tcp->last_kind == TCP_KIND_ACK &&
	    tcp->last_direction && sequence == tcp->last_acknowledgement)
		return TCP_COURSE_TAKE;
	return TCP_COURSE_CHECK;
}

/* A connection that refuses FIN or RST of both sides is no longer what we think: it ends sooner. */
INLINE void tcp_note_refused(struct tracker_connection *connection,
			     const struct tracker_settings *settings, __u64 now, __u32 direction,
			     enum tcp_kind kind)
{
	struct tracker_tcp *tcp = &connection->tcp;
	__u64 unacknowledged =
		tracker_seconds(settings->timeout[TRACKER_TIMEOUT_TCP_UNACKNOWLEDGED]);

	if (!(connection->status & TRACKER_ASSURED) ||
	    (kind != TCP_KIND_RST && kind != TCP_KIND_FIN))
		return;
	if (tcp->last_direction == direction ||
	    (tcp->last_kind != TCP_KIND_FIN && tcp->last_kind != TCP_KIND_RST)) {
		tcp->last_kind = kind;
		tcp->last_direction = (__u8)direction;
	} else if (connection->deadline - now >= tracker_seconds(120) &&
		   connection->deadline - now > unacknowledged) {
		connection->deadline = now + unacknowledged;
	}
}

/* In seconds. */
INLINE __u32 tcp_timeout(const struct tracker_tcp *tcp, const struct tracker_settings *settings,
			 enum tcp_kind kind)
{
	__u32 usual = settings->timeout[tcp->state & 15];
	__u32 repeated = settings->timeout[TRACKER_TIMEOUT_TCP_REPEATED];
	__u32 unacknowledged = settings->timeout[TRACKER_TIMEOUT_TCP_UNACKNOWLEDGED];

	if (tcp->repetitions >= settings->tcp_maximum_repetitions && usual > repeated)
		return repeated;
	/* Also if it may have been forged. Until Linux 6.12 that was unacknowledged's time. */
	if (kind == TCP_KIND_RST)
		return settings->timeout[TRACKER_TCP_CLOSE];
	if ((tcp->side[0].flags | tcp->side[1].flags) & TCP_SIDE_UNACKNOWLEDGED &&
	    usual > unacknowledged)
		return unacknowledged;
	if (!tcp->last_window && usual > repeated)
		return repeated;
	return usual;
}

/* What follows from a packet that is in order, and has brought the connection from @old to here. */
INLINE enum tracker_outcome tcp_accept(struct tracker_connection *connection,
				       const struct tracker_settings *settings, __u64 now,
				       enum tcp_kind kind, __u32 old)
{
	__u32 state = connection->tcp.state;
	__u32 timeout = tcp_timeout(&connection->tcp, settings, kind);

	if (!(connection->status & TRACKER_SEEN_REPLY)) {
		__u32 limit = settings->timeout[TRACKER_TIMEOUT_TCP_UNACKNOWLEDGED];

		if (kind == TCP_KIND_RST)
			return TRACKER_ENDED;
		/* Or somebody who uses the port again and again would keep it for ever. */
		if (kind == TCP_KIND_SYN && old == TRACKER_TCP_SYN_SENT)
			return TRACKER_TAKEN;
		/* Picked up in the middle, and nobody has answered yet. */
		if (state == TRACKER_TCP_ESTABLISHED && timeout > limit)
			timeout = limit;
	} else if ((old == TRACKER_TCP_SYN_RECV || old == TRACKER_TCP_ESTABLISHED) &&
		   state == TRACKER_TCP_ESTABLISHED) {
		connection->status |= TRACKER_ASSURED;
	}
	tracker_refresh(connection, now, timeout);
	return TRACKER_TAKEN;
}

/* Where the packet leads: from @old, which may turn out to be another state than we thought, to
 * @next. */
INLINE enum tcp_course tcp_find_course(struct tracker_connection *connection,
				       const struct tracker_packet *packet, __u32 direction,
				       enum tcp_kind kind, __u32 *old, __u32 *next)
{
	struct tracker_tcp *tcp = &connection->tcp;

	if (*next == TRACKER_TCP_SYN_SENT && *old >= TRACKER_TCP_TIME_WAIT) {
		if (tcp_reopens(tcp, direction))
			return TCP_COURSE_REOPEN;
		*next = TCP_NEXT_IGNORE;
	}
	switch (*next) {
	case TCP_NEXT_REFUSE:
		return TCP_COURSE_REFUSE;
	case TCP_NEXT_IGNORE:
		if (!tcp_answers_ignored(tcp, packet, direction, kind)) {
			tcp_note_ignored(tcp, packet, direction, kind);
			return TCP_COURSE_LEAVE;
		}
		tcp_follow_ignored(tcp, direction);
		*old = TRACKER_TCP_SYN_SENT;
		*next = TRACKER_TCP_SYN_RECV;
		break;
	case TRACKER_TCP_TIME_WAIT:
		if (*old == TRACKER_TCP_LAST_ACK && kind == TCP_KIND_ACK &&
		    tcp->last_direction != direction && tcp->last_kind == TCP_KIND_SYN &&
		    tcp->last_flags & TCP_LAST_CHALLENGED) {
			/* It says no to the SYN, not yes to the FIN (RFC 5961 section 4.2). */
			tcp->last_flags &= (__u8)~TCP_LAST_CHALLENGED;
			return TCP_COURSE_LEAVE;
		}
		break;
	case TRACKER_TCP_SYN_SENT2:
		tcp->last_flags |= TCP_LAST_SIMULTANEOUS;
		break;
	case TRACKER_TCP_SYN_RECV:
		if (direction && kind == TCP_KIND_ACK && tcp->last_flags & TCP_LAST_SIMULTANEOUS)
			*next = TRACKER_TCP_ESTABLISHED;
		break;
	case TRACKER_TCP_CLOSE:
		if (kind == TCP_KIND_RST)
			return tcp_reset_course(connection, packet, direction, next);
		break;
	}
	return TCP_COURSE_CHECK;
}

/*
 * While its family was not tracked, an established connection went on: its windows have to be
 * learnt again. After nf_ct_tcp_fixup() (net/netfilter/nf_conntrack_proto.c).
 */
INLINE void tcp_resume(struct tracker_connection *connection,
		       const struct tracker_settings *settings)
{
	struct tracker_tcp *tcp = &connection->tcp;
	__u32 pauses = settings->pauses[connection->key.family & 1];

	if (tcp->pauses == pauses)
		return;
	tcp->pauses = pauses;
	if (tcp->state == TRACKER_TCP_ESTABLISHED) {
		tcp->side[0].maximum_window = 0;
		tcp->side[1].maximum_window = 0;
	}
}

/*
 * A TCP packet of the connection, with valid flags, whose segment has been read. Everything that
 * the packet changes is changed.
 */
NOINLINE enum tracker_outcome tracker_tcp_packet(struct tracker_connection *connection,
						 struct tracker_packet *packet,
						 const struct tracker_settings *settings, __u64 now,
						 __u32 direction)
{
	struct tracker_tcp *tcp = &connection->tcp;
	enum tcp_kind kind = tcp_kind_of(packet->tcp.flags);
	__u32 old = tcp->state, next = tcp_next_state(direction, kind, old);

	tcp_resume(connection, settings);
	switch (tcp_find_course(connection, packet, direction, kind, &old, &next)) {
	case TCP_COURSE_REFUSE:
		return TRACKER_REFUSED;
	case TCP_COURSE_REOPEN:
		return TRACKER_REOPENED;
	case TCP_COURSE_LEAVE:
		return TRACKER_TAKEN;
	case TCP_COURSE_TAKE:
		break;
	case TCP_COURSE_CHECK:
		switch (tcp_check_window(tcp, packet, direction, kind)) {
		case TCP_IN_WINDOW:
			break;
		case TCP_WINDOW_IGNORED:
			return TRACKER_TAKEN;
		case TCP_OUT_OF_WINDOW:
			tcp_note_refused(connection, settings, now, direction, kind);
			return TRACKER_REFUSED;
		}
	}
	tcp->last_kind = kind;
	tcp->last_direction = (__u8)direction;
	tcp->state = (__u8)next;
	if (old != next && next == TRACKER_TCP_FIN_WAIT)
		tcp->side[direction].flags |= TCP_SIDE_CLOSED_FIRST;
	/* What the other fragments carry is not known, so that nothing can be out of the window. */
	if (packet->more_fragments) {
		tcp->side[0].flags |= TCP_SIDE_LIBERAL;
		tcp->side[1].flags |= TCP_SIDE_LIBERAL;
	}
	return tcp_accept(connection, settings, now, kind, old);
}

/* Prepares a zeroed connection for its first packet; false if no connection begins with it. */
INLINE bool tracker_tcp_begin(struct tracker_connection *connection,
			      const struct tracker_packet *packet,
			      const struct tracker_settings *settings)
{
	struct tracker_tcp_side *sender = &connection->tcp.side[0];
	enum tcp_kind kind = tcp_kind_of(packet->tcp.flags);

	sender->end = packet->tcp.segment.end;
	sender->maximum_end = sender->end;
	sender->maximum_window = at_least_one(packet->tcp.window);
	if (kind == TCP_KIND_SYN) {
		tcp_side_options(sender, &packet->tcp.segment);
	} else {
		if (kind != TCP_KIND_ACK || !settings->tcp_loose)
			return false;
		sender->maximum_end += sender->maximum_window;
		sender->flags = TCP_SIDE_PERMITS_SACKS | TCP_SIDE_LIBERAL;
		connection->tcp.side[1].flags = sender->flags;
	}
	connection->tcp.last_kind = TCP_KIND_NONE;
	connection->tcp.pauses = settings->pauses[connection->key.family & 1];
	return true;
}
