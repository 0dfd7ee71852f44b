/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connection tracking for programs that see packets before the kernel's own does: XDP and TC. It
 * says of each packet what nf_conntrack would say. The program
 *
 *	work = tracker_work();          // this CPU's: no other packet comes between
 *	... fills in work->packet ...
 *	label = tracker_label(work);
 *	if (label & TRACKER_FOLLOWS)    // a further fragment of a datagram that was accepted
 *		accept;
 *	... judges the packet, FIELD_CONNTRACK being label & (CONNTRACK_VALUES - 1) ...
 *	if (accepted && label & TRACKER_COMMIT && tracker_commit(work))
 *		drop;
 *
 * As in the kernel, where nf_conntrack_in() stands before the filter and nf_conntrack_confirm()
 * behind it, a packet of a connection changes it even if a rule drops the packet afterwards, and
 * a new connection comes into being only if its first packet is accepted.
 *
 * A packet must be labelled once, at the first hook that it passes: on loopback it passes two.
 */
#pragma once

#include "abi/packet.h"
#include "bpf/tracker_fragment.h"
#include "bpf/tracker_table.h"

#include <linux/errno.h>

/* What tracker_label() returns beside the value of FIELD_CONNTRACK. */
#define TRACKER_COMMIT  (1 << 8)
#define TRACKER_FOLLOWS (1 << 9)

struct tracker_work {
	struct tracker_packet packet;

	/* The connection that the packet belongs to, for conditions on more than its state. */
	struct tracker_key key;
	bool has_connection; /* if not, the next ones mean nothing */
	__u8 originator;     /* the side of the key that sent the first packet */
	__u8 status;         /* enum tracker_status; not confirmed: the packet begins it */
	__u8 way;
	__u8 label;
	__u64 deadline;

	__u64 now;
	bool commit_connection;
	bool commit_fragment;
	struct tracker_new_entry entry; /* the connection that the packet begins */
	struct tracker_ticket ticket;
	struct tracker_ticket other;
	struct tracker_fragment_key fragment_key;
	struct tracker_fragment fragment;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tracker_work);
} tracker_scratch SEC(".maps");

/* NULL is for the verifier. The packet still has what was in it last. */
INLINE struct tracker_work *tracker_work(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&tracker_scratch, &zero);
}

INLINE __u32 tracker_label_of(__u32 status, __u32 direction)
{
	if (direction)
		return CONNTRACK_ESTABLISHED | CONNTRACK_REPLY;
	return status & TRACKER_SEEN_REPLY ? CONNTRACK_ESTABLISHED : CONNTRACK_NEW;
}

INLINE void tracker_note(struct tracker_work *work, const struct tracker_connection *connection)
{
	work->has_connection = true;
	work->originator = connection->originator;
	work->status = connection->status;
	work->deadline = connection->deadline;
}

/* Instead of a label: what has to be asked next. */
#define TRACKER_LOOK_UP   (-1)
#define TRACKER_NOT_THERE (-2)

/*
 * What follows are functions of their own, called one after the other, because the stack of the
 * program that calls them is nearly full.
 */

/* The label of a packet of the connection with its key; TRACKER_NOT_THERE if there is none. */
GLOBAL int tracker_label_known(struct tracker_work *work NONNULL_ARG)
{
	const struct tracker_settings *settings = &tracker_shared.settings;
	struct tracker_entry *entry = bpf_map_lookup_elem(&tracker_table, &work->key);
	enum tracker_outcome outcome = TRACKER_TAKEN;
	int label = TRACKER_NOT_THERE;
	struct tracker_connection *connection;
	__u64 now = work->now;
	__u32 direction;

	if (!entry)
		return TRACKER_NOT_THERE;
	connection = &entry->connection;
	work->ticket.number = 0;
	bpf_spin_lock(&entry->lock);
	if (!connection->ticket || !tracker_keys_equal(&connection->key, &work->key) ||
	    !tracker_is_alive(connection, now)) {
		bpf_spin_unlock(&entry->lock);
		return TRACKER_NOT_THERE;
	}
	direction = tracker_direction(work->way, connection->originator);
	label = (int)tracker_label_of(connection->status, direction);
	if (connection->key.protocol == PROTOCOL_TCP)
		outcome = tracker_tcp_packet(connection, &work->packet, settings, now, direction);
	else
		tracker_other_packet(connection, settings, now);
	if (outcome == TRACKER_REFUSED) {
		bpf_spin_unlock(&entry->lock);
		return CONNTRACK_INVALID;
	}
	if (direction)
		connection->status |= TRACKER_SEEN_REPLY;
	tracker_note(work, connection);
	if (outcome != TRACKER_TAKEN)
		connection->status |= TRACKER_GONE;
	else if (tracker_settle(connection, now))
		work->ticket.number = connection->ticket;
	bpf_spin_unlock(&entry->lock);

	if (work->ticket.number) {
		tracker_add(&tracker_shared.counts.half_open, -1);
		work->ticket.key = work->key;
		/* There is room: the limit is smaller than the queue. */
		bpf_map_push_elem(&tracker_settled, &work->ticket, BPF_ANY);
	}
	return outcome == TRACKER_REOPENED ? TRACKER_NOT_THERE : label;
}

/* The label of an ICMP error: that of a packet that goes against the quoted one's direction. */
INLINE int tracker_label_error(struct tracker_work *work)
{
	struct tracker_entry *entry = bpf_map_lookup_elem(&tracker_table, &work->key);
	int label = CONNTRACK_INVALID;
	__u32 direction;

	if (!entry)
		return CONNTRACK_INVALID;
	bpf_spin_lock(&entry->lock);
	if (entry->connection.ticket && tracker_keys_equal(&entry->connection.key, &work->key) &&
	    tracker_is_alive(&entry->connection, work->now)) {
		direction = work->way == TRACKER_SELF ||
			    !tracker_direction(work->way, entry->connection.originator);
		label = CONNTRACK_RELATED | (direction ? CONNTRACK_REPLY : 0);
		tracker_note(work, &entry->connection);
	}
	bpf_spin_unlock(&entry->lock);
	return label;
}

/*
 * The label of a packet that belongs to no connection, and the connection that it begins. After
 * init_conntrack() and the protocols' checks of unconfirmed connections.
 */
GLOBAL int tracker_begin(struct tracker_work *work NONNULL_ARG)
{
	const struct tracker_settings *settings = &tracker_shared.settings;
	struct tracker_connection *connection = &work->entry.connection;

	work->has_connection = false;
	/* An answer to an ICMP query that nobody has sent. */
	if (work->way == TRACKER_BACK &&
	    (work->key.protocol == PROTOCOL_ICMP || work->key.protocol == PROTOCOL_ICMPV6))
		return CONNTRACK_INVALID;
	__builtin_memset(connection, 0, sizeof(*connection));
	connection->key = work->key;
	connection->begin = work->now;
	connection->generation = settings->generation;
	connection->originator = work->way == TRACKER_BACK;
	if (work->key.protocol == PROTOCOL_TCP) {
		if (!tracker_tcp_begin(connection, &work->packet, settings) ||
		    tracker_tcp_packet(connection, &work->packet, settings, work->now, 0) !=
			    TRACKER_TAKEN)
			return CONNTRACK_INVALID;
	} else {
		tracker_other_packet(connection, settings, work->now);
	}
	tracker_note(work, connection);
	connection->status |= TRACKER_CONFIRMED;
	work->commit_connection = true;
	return CONNTRACK_NEW | TRACKER_COMMIT;
}

GLOBAL int tracker_parse_segment(struct tracker_work *work NONNULL_ARG)
{
	tracker_read_segment(&work->packet);
	return 0;
}

INLINE int tracker_identify_error(struct tracker_work *work)
{
	const struct tracker_packet *packet = &work->packet;
	int way;

	/* It has to go to whom it tells of a packet of his: not to anybody. */
	if (!packet->quoted.present ||
	    packet->quoted.source.word[0] != packet->destination.word[0] ||
	    packet->quoted.source.word[1] != packet->destination.word[1])
		return CONNTRACK_INVALID;
	way = tracker_key_of(&work->key, packet->family, packet->quoted.protocol,
			     &packet->quoted.source, &packet->quoted.destination,
			     &packet->quoted.transport);
	work->way = (__u8)way;
	return way < 0 ? CONNTRACK_INVALID : tracker_label_error(work);
}

/* The key of a packet that is no fragment but the first, or the label of one that has none. */
GLOBAL int tracker_identify(struct tracker_work *work NONNULL_ARG)
{
	const struct tracker_packet *packet = &work->packet;
	int way;

	if (!tracker_transport_is_there(packet))
		return CONNTRACK_INVALID;
	switch (packet->protocol) {
	case PROTOCOL_TCP:
		if (!tcp_flags_are_valid(packet->tcp.flags))
			return CONNTRACK_INVALID;
		break;
	case PROTOCOL_UDP:
	case PROTOCOL_UDPLITE:
		if (!tracker_udp_is_valid(packet))
			return CONNTRACK_INVALID;
		break;
	case PROTOCOL_ICMP:
	case PROTOCOL_ICMPV6:
		switch (icmp_class(packet)) {
		case ICMP_UNTRACKED:
			return CONNTRACK_UNTRACKED;
		case ICMP_REFUSED:
			return CONNTRACK_INVALID;
		case ICMP_ERROR:
			return tracker_identify_error(work);
		case ICMP_OTHER:
			break;
		}
	}
	way = tracker_key_of(&work->key, packet->family, packet->protocol, &packet->source,
			     &packet->destination, &packet->transport);
	work->way = (__u8)way;
	return way < 0 ? CONNTRACK_INVALID : TRACKER_LOOK_UP;
}

/* Of a fragment that is not the first. */
GLOBAL int tracker_label_fragment(struct tracker_work *work NONNULL_ARG)
{
	const struct tracker_fragment *first;

	tracker_fragment_key_of(&work->fragment_key, &work->packet);
	first = bpf_map_lookup_elem(&tracker_datagrams, &work->fragment_key);
	if (!first || first->deadline <= work->now || work->packet.fragment_offset < first->end ||
	    first->generation != tracker_shared.settings.generation)
		return CONNTRACK_INVALID;
	return first->label | TRACKER_FOLLOWS;
}

/*
 * Says what connection the packet in @work belongs to, and what remains to be done: the value of
 * FIELD_CONNTRACK, TRACKER_COMMIT, TRACKER_FOLLOWS.
 */
INLINE int tracker_label(struct tracker_work *work)
{
	int label;

	work->now = tracker_now();
	work->has_connection = false;
	work->commit_connection = false;
	work->commit_fragment = false;
	if (work->packet.shape >= SHAPE_FRAGMENT_1)
		return tracker_label_fragment(work);
	label = tracker_identify(work);
	if (label == TRACKER_LOOK_UP) {
		if (work->packet.protocol == PROTOCOL_TCP)
			tracker_parse_segment(work);
		label = tracker_label_known(work);
		if (label == TRACKER_NOT_THERE)
			label = tracker_begin(work);
	}
	if (tracker_can_be_followed(&work->packet)) {
		work->commit_fragment = true;
		work->label = label & (CONNTRACK_VALUES - 1);
		label |= TRACKER_COMMIT;
	}
	return label;
}

/* What becomes of an attempt to put the connection into the table. */
enum tracker_insertion {
	TRACKER_INSERTED,
	TRACKER_THERE, /* by another packet, or in the place of one that is past its deadline */
	TRACKER_BUSY,  /* one with the same key is being made or removed */
	TRACKER_FULL,
};

INLINE enum tracker_insertion tracker_take_over(struct tracker_work *work)
{
	struct tracker_entry *entry = bpf_map_lookup_elem(&tracker_table, &work->key);
	enum tracker_insertion result = TRACKER_BUSY;
	struct tracker_connection *connection;

	if (!entry)
		return TRACKER_BUSY;
	connection = &entry->connection;
	bpf_spin_lock(&entry->lock);
	if (connection->ticket && tracker_keys_equal(&connection->key, &work->key)) {
		result = TRACKER_THERE;
		if (!tracker_is_alive(connection, work->now)) {
			/* The ticket of the old one, wherever it is, is valid for the new one. */
			work->entry.connection.ticket = connection->ticket;
			work->entry.connection.settled = connection->settled;
			*connection = work->entry.connection;
		}
	}
	bpf_spin_unlock(&entry->lock);
	return result;
}

INLINE enum tracker_insertion tracker_insert(struct tracker_work *work)
{
	long error;

	for (int i = 0; i < 4; i++) {
		enum tracker_insertion result;

		work->entry.connection.ticket = 0;
		work->entry.connection.settled = 0;
		error = bpf_map_update_elem(&tracker_table, &work->key, &work->entry, BPF_NOEXIST);
		if (error != -EEXIST)
			return error ? TRACKER_FULL : TRACKER_INSERTED;
		result = tracker_take_over(work);
		if (result != TRACKER_BUSY)
			return result;
		LOOP_BOUND;
	}
	return TRACKER_BUSY;
}

/* Gives the entry that was inserted its number: from now on it is a connection. */
INLINE bool tracker_publish(struct tracker_work *work)
{
	struct tracker_entry *entry = bpf_map_lookup_elem(&tracker_table, &work->key);

	if (!entry)
		return false;
	work->ticket.key = work->key;
	work->ticket.number = __sync_fetch_and_add(&tracker_shared.counts.tickets, 1) + 1;
	bpf_spin_lock(&entry->lock);
	entry->connection.ticket = work->ticket.number;
	bpf_spin_unlock(&entry->lock);
	return true;
}

#define TRACKER_TRIES 16

/*
 * Queues its ticket. If there is no room, void ones go, and at last the oldest connection. There
 * is always some: this is what the queue is larger for.
 */
INLINE bool tracker_queue(struct tracker_work *work)
{
	for (int i = 0; i < TRACKER_TRIES; i++) {
		enum tracker_reason reason =
			i < TRACKER_TRIES - 2 ? TRACKER_IF_EXPIRED : TRACKER_ANYHOW;

		if (!bpf_map_push_elem(&tracker_waiting, &work->ticket, BPF_ANY))
			return true;
		if (!bpf_map_pop_elem(&tracker_waiting, &work->other) &&
		    tracker_claim(&work->other, false, reason, work->now) == TRACKER_KEEP &&
		    bpf_map_push_elem(&tracker_waiting, &work->other, BPF_ANY))
			tracker_claim(&work->other, false, TRACKER_ANYHOW, work->now);
		LOOP_BOUND;
	}
	return false;
}

GLOBAL int tracker_commit_connection(struct tracker_work *work NONNULL_ARG)
{
	struct tracker_counts *counts = &tracker_shared.counts;

	switch (tracker_insert(work)) {
	case TRACKER_THERE:
		return 0;
	case TRACKER_BUSY:
		tracker_add(&counts->clashes, 1);
		return -EAGAIN;
	case TRACKER_FULL:
		tracker_add(&counts->refused, 1);
		return -ENOSPC;
	case TRACKER_INSERTED:
		break;
	}
	if (__sync_fetch_and_add(&counts->half_open, 1) >=
		    tracker_shared.settings.half_open_limit &&
	    !tracker_make_room(&work->other, work->now)) {
		/* Nobody else removes an entry without a number. */
		bpf_map_delete_elem(&tracker_table, &work->key);
		tracker_add(&counts->half_open, -1);
		tracker_add(&counts->refused, 1);
		return -ENOSPC;
	}
	if (!tracker_publish(work))
		return -ENOSPC;
	if (!tracker_queue(work)) {
		tracker_claim(&work->ticket, false, TRACKER_ANYHOW, work->now);
		tracker_add(&counts->refused, 1);
		return -ENOSPC;
	}
	tracker_add(&counts->created, 1);
	return 0;
}

GLOBAL int tracker_commit_fragment(struct tracker_work *work NONNULL_ARG)
{
	work->fragment.deadline = work->now + tracker_seconds(FRAGMENT_TIME);
	work->fragment.generation = tracker_shared.settings.generation;
	work->fragment.end = (__u16)work->packet.length;
	work->fragment.label = work->label;
	tracker_fragment_key_of(&work->fragment_key, &work->packet);
	bpf_map_update_elem(&tracker_datagrams, &work->fragment_key, &work->fragment, BPF_ANY);
	return 0;
}

/*
 * For an accepted packet whose label has TRACKER_COMMIT, on the same CPU. Not 0 if the packet has
 * to be dropped after all: there is no room for its connection (-ENOSPC), or one with the same
 * key is being removed in this moment (-EAGAIN).
 */
INLINE int tracker_commit(struct tracker_work *work)
{
	int error = work->commit_connection ? tracker_commit_connection(work) : 0;

	if (!error && work->commit_fragment)
		tracker_commit_fragment(work);
	return error;
}
