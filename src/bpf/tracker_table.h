/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where connections are kept. There is one hash table, with one entry for each connection, and
 * two populations in it with a limit each:
 *
 * - A connection begins as half-open. When there are as many as may be, the oldest makes room.
 * - It is settled once it has proved itself: a TCP connection that the kernel would call ASSURED,
 *   its handshake being complete, which takes more than a forged address; any other that was
 *   answered, and is still used two seconds after its first packet. No new connection can take
 *   its place, however many come. When there are as many settled ones as may be, a
 *   connection stays among the half-open ones.
 *
 * A population has a queue of tickets, one for each of its connections, which only pass through
 * the hands of those who look for what can go (tracker_collect.h, and tracker_make_room() below).
 * An entry is removed by whoever has taken its ticket off the queue, and by nobody else: a
 * connection that ends is marked so, or past its deadline. When one is settled its ticket among the
 * half-open ones is void.
 *
 * The kernel gives an entry's memory to another one as soon as it is removed, while others may
 * still hold a pointer to it. So each looks, under the lock, whether the entry is what it was
 * looking for. An entry enters and leaves the table without a ticket number, and nobody writes to
 * it while it has none.
 */
#pragma once

#include "abi/tracker.h"
#include "bpf/kernel.h"
#include "bpf/portable.h"
#include "bpf/tracker_tcp.h"
#include "bpf/tracker_tuple.h"
#include "bpf/tracker_udp.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TRACKER_DEFAULT_SETTLED + TRACKER_DEFAULT_HALF_OPEN + TRACKER_SLACK);
	__type(key, struct tracker_key);
	__type(value, struct tracker_entry);
} tracker_table SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, TRACKER_DEFAULT_SETTLED + TRACKER_SLACK);
	__uint(value_size, sizeof(struct tracker_ticket));
} tracker_settled SEC(".maps");

/* Twice the limit, because it holds void tickets too. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 2 * TRACKER_DEFAULT_HALF_OPEN + TRACKER_SLACK);
	__uint(value_size, sizeof(struct tracker_ticket));
} tracker_waiting SEC(".maps");

/* Times: nf_conntrack-sysctl.rst, which is to say the tables *_timeouts[] of nf_conntrack_proto_*.c
 */
struct tracker_shared tracker_shared SEC(".data.tracker") = {
	.settings =
		{
			.settled_limit = TRACKER_DEFAULT_SETTLED,
			.half_open_limit = TRACKER_DEFAULT_HALF_OPEN,
			.tcp_loose = 1,
			.tcp_maximum_repetitions = 3,
			.timeout =
				{
					[TRACKER_TCP_SYN_SENT] = 120,
					[TRACKER_TCP_SYN_RECV] = 60,
					[TRACKER_TCP_ESTABLISHED] = 5 * 24 * 3600,
					[TRACKER_TCP_FIN_WAIT] = 120,
					[TRACKER_TCP_CLOSE_WAIT] = 60,
					[TRACKER_TCP_LAST_ACK] = 30,
					[TRACKER_TCP_TIME_WAIT] = 120,
					[TRACKER_TCP_CLOSE] = 10,
					[TRACKER_TCP_SYN_SENT2] = 120,
					[TRACKER_TIMEOUT_TCP_REPEATED] = 300,
					[TRACKER_TIMEOUT_TCP_UNACKNOWLEDGED] = 300,
					[TRACKER_TIMEOUT_UDP] = 30,
					[TRACKER_TIMEOUT_UDP_STREAM] = 120,
					[TRACKER_TIMEOUT_ICMP] = 30,
					[TRACKER_TIMEOUT_GENERIC] = 600,
				},
		},
};

_Static_assert(sizeof(struct tracker_settings) == 128,
	       "what is only read has cache lines of its own");

/* As a map's value, but for the lock, which only values may have. */
struct tracker_new_entry {
	__u64 lock;
	struct tracker_connection connection;
};
_Static_assert(sizeof(struct tracker_new_entry) == sizeof(struct tracker_entry), "map value");
_Static_assert(offsetof(struct tracker_new_entry, connection) ==
		       offsetof(struct tracker_entry, connection),
	       "map value");

/* As nf_conntrack_max95 (nf_conntrack_core.c): where closing connections begin to be removed. */
INLINE bool tracker_is_crowded(void)
{
	return tracker_shared.counts.settled > tracker_shared.settings.settled_limit / 20 * 19;
}

INLINE __u64 tracker_now(void)
{
	/* The coarse clock is as cheap as a load, and exact to a few milliseconds. */
	return bpf_ktime_get_coarse_ns() + tracker_shared.settings.clock_offset;
}

INLINE void tracker_add(__u64 *count, __s64 addend)
{
	__sync_fetch_and_add(count, addend);
}

/* Has no flush come since it began? Of a connection that has the right key and is locked. */
INLINE bool tracker_is_current(const struct tracker_connection *connection)
{
	return connection->generation == tracker_shared.settings.generation;
}

/* The same. */
INLINE bool tracker_is_alive(const struct tracker_connection *connection, __u64 now)
{
	return connection->deadline > now && !(connection->status & TRACKER_GONE) &&
	       tracker_is_current(connection);
}

INLINE bool tracker_is_settled_by_now(const struct tracker_connection *connection, __u64 now)
{
	if (connection->key.protocol == PROTOCOL_TCP)
		return connection->status & TRACKER_ASSURED;
	return tracker_is_stream(connection, now);
}

/* Takes a place among the settled ones, if there is one. */
INLINE bool tracker_take_place(void)
{
	__u64 limit = tracker_shared.settings.settled_limit;

	if (tracker_shared.counts.settled >= limit)
		return false;
	if (__sync_fetch_and_add(&tracker_shared.counts.settled, 1) < limit)
		return true;
	tracker_add(&tracker_shared.counts.settled, -1);
	return false;
}

/* Settles a locked connection if it can be; true if the caller has to write its ticket. */
INLINE bool tracker_settle(struct tracker_connection *connection, __u64 now)
{
	if (connection->settled || !tracker_is_settled_by_now(connection, now))
		return false;
	if (!tracker_take_place()) {
		if (!(connection->status & TRACKER_CROWDED))
			tracker_add(&tracker_shared.counts.crowded, 1);
		connection->status |= TRACKER_CROWDED;
		return false;
	}
	connection->settled = 1;
	connection->status &= (__u8)~TRACKER_CROWDED;
	return true;
}

/* Whose ticket it is. */
enum tracker_claim {
	TRACKER_VOID, /* nobody's: there is no such connection here any more */
	TRACKER_KEEP, /* of a connection that stays */
	TRACKER_REMOVED,
};

enum tracker_reason {
	TRACKER_IF_EXPIRED,
	TRACKER_IF_CLOSING, /* or expired */
	TRACKER_ANYHOW,
};

/*
 * What becomes of the connection whose @ticket the caller has taken off the queue of the settled
 * or of the half-open ones.
 */
INLINE enum tracker_claim tracker_claim(const struct tracker_ticket *ticket, bool settled,
					enum tracker_reason reason, __u64 now)
{
	struct tracker_entry *entry = bpf_map_lookup_elem(&tracker_table, &ticket->key);
	enum tracker_claim claim = TRACKER_VOID;
	bool alive = false;

	if (!entry)
		return TRACKER_VOID;
	bpf_spin_lock(&entry->lock);
	if (entry->connection.ticket == ticket->number && entry->connection.settled == settled) {
		alive = tracker_is_alive(&entry->connection, now);
		claim = TRACKER_KEEP;
		if (!alive || reason == TRACKER_ANYHOW ||
		    (reason == TRACKER_IF_CLOSING &&
		     entry->connection.key.protocol == PROTOCOL_TCP &&
		     tcp_is_closing(entry->connection.tcp.state))) {
			claim = TRACKER_REMOVED;
			entry->connection.ticket = 0;
		}
	}
	bpf_spin_unlock(&entry->lock);
	if (claim != TRACKER_REMOVED)
		return claim;
	bpf_map_delete_elem(&tracker_table, &ticket->key);
	tracker_add(settled ? &tracker_shared.counts.settled : &tracker_shared.counts.half_open,
		    -1);
	if (!alive)
		tracker_add(&tracker_shared.counts.expired, 1);
	else if (settled)
		tracker_add(&tracker_shared.counts.closed, 1);
	else
		tracker_add(&tracker_shared.counts.evicted, 1);
	return claim;
}

/*
 * Removes the half-open connection that has waited longest. @ticket is overwritten. There may be
 * many void tickets in front of its own, but each is met only once, and there is one for each
 * connection that was settled.
 */
INLINE bool tracker_make_room(struct tracker_ticket *ticket, __u64 now)
{
	__u32 limit = 2 * tracker_shared.settings.half_open_limit + TRACKER_SLACK;

	for (__u32 i = 0; i < limit; i++) {
		if (bpf_map_pop_elem(&tracker_waiting, ticket))
			return false;
		if (tracker_claim(ticket, false, TRACKER_ANYHOW, now) == TRACKER_REMOVED)
			return true;
		LOOP_BOUND;
	}
	return false;
}
