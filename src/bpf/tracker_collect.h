/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Removing connections that are past their deadline: a timer of the kernel's, which needs no
 * daemon. Ten times a second it takes some tickets off each queue and puts those back whose
 * connections live, so that every connection is looked at once in 13 seconds. And the program by
 * which user space speaks to the tracker. To be included by one of the programs that share the
 * tracker's maps.
 */
#pragma once

#include "bpf/tracker.h"

#include <linux/errno.h>

#define COLLECT_INTERVAL (NANOSECONDS / 10)
#define COLLECT_SHARE    128
#define COLLECT_LEAST    64

/* include/uapi/linux/time.h */
#define TRACKER_CLOCK_MONOTONIC 1

struct tracker_timer {
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tracker_timer);
} tracker_timer SEC(".maps");

INLINE void collect(void *queue, bool settled, __u32 limit, __u64 now)
{
	enum tracker_reason reason =
		settled && tracker_is_crowded() ? TRACKER_IF_CLOSING : TRACKER_IF_EXPIRED;
	struct tracker_ticket ticket;
	__u64 first = 0;

	limit = limit / COLLECT_SHARE + COLLECT_LEAST;
	for (__u32 i = 0; i < limit; i++) {
		if (bpf_map_pop_elem(queue, &ticket))
			return;
		if (tracker_claim(&ticket, settled, reason, now) == TRACKER_KEEP) {
			/* Nobody else removes the connection; without a ticket it would stay. */
			if (bpf_map_push_elem(queue, &ticket, BPF_ANY))
				tracker_claim(&ticket, settled, TRACKER_ANYHOW, now);
			if (!first)
				first = ticket.number;
			else if (first == ticket.number)
				return; /* once round */
		}
		LOOP_BOUND;
	}
}

GLOBAL int tracker_collect_settled(__u64 now)
{
	collect(&tracker_settled, true, tracker_shared.settings.settled_limit, now);
	return 0;
}

GLOBAL int tracker_collect_half_open(__u64 now)
{
	collect(&tracker_waiting, false, 2 * tracker_shared.settings.half_open_limit, now);
	return 0;
}

static int tracker_tick(void *map, __u32 *key, struct tracker_timer *timer)
{
	__u64 now = tracker_now();

	(void)map;
	(void)key;
	tracker_collect_settled(now);
	tracker_collect_half_open(now);
	bpf_timer_start(&timer->timer, COLLECT_INTERVAL, 0);
	return 0;
}

INLINE int tracker_start(void)
{
	__u32 zero = 0;
	struct tracker_timer *timer = bpf_map_lookup_elem(&tracker_timer, &zero);
	long error;

	if (!timer)
		return -ENOENT;
	error = bpf_timer_init(&timer->timer, &tracker_timer, TRACKER_CLOCK_MONOTONIC);
	if (error && error != -EBUSY) /* it has been before */
		return (int)error;
	error = bpf_timer_set_callback(&timer->timer, tracker_tick);
	if (error)
		return (int)error;
	return (int)bpf_timer_start(&timer->timer, COLLECT_INTERVAL, 0);
}

/* Whoever has the connection's ticket removes it, later. */
INLINE int tracker_delete(const struct tracker_key *key)
{
	struct tracker_entry *entry = bpf_map_lookup_elem(&tracker_table, key);
	__u64 now = tracker_now();
	int result = -ENOENT;

	if (!entry)
		return -ENOENT;
	bpf_spin_lock(&entry->lock);
	if (entry->connection.ticket && tracker_keys_equal(&entry->connection.key, key) &&
	    tracker_is_alive(&entry->connection, now)) {
		entry->connection.deadline = 0;
		result = 0;
	}
	bpf_spin_unlock(&entry->lock);
	return result;
}

/* Settles the connection at once, if it can be: it is not to be pushed out by the next ones. */
INLINE void tracker_settle_adopted(struct tracker_work *work)
{
	struct tracker_entry *entry = bpf_map_lookup_elem(&tracker_table, &work->key);

	if (!entry)
		return;
	work->ticket.number = 0;
	bpf_spin_lock(&entry->lock);
	if (entry->connection.ticket && tracker_keys_equal(&entry->connection.key, &work->key) &&
	    tracker_is_alive(&entry->connection, work->now) &&
	    tracker_settle(&entry->connection, work->now))
		work->ticket.number = entry->connection.ticket;
	bpf_spin_unlock(&entry->lock);
	if (!work->ticket.number)
		return;
	tracker_add(&tracker_shared.counts.half_open, -1);
	work->ticket.key = work->key;
	/* There is room: the limit is smaller than the queue. */
	bpf_map_push_elem(&tracker_settled, &work->ticket, BPF_ANY);
}

INLINE int tracker_adopt(const struct tracker_connection *connection)
{
	struct tracker_work *work = tracker_work();
	int error;

	if (!work)
		return -ENOENT;
	work->now = tracker_now();
	work->key = connection->key;
	work->entry.connection = *connection;
	work->entry.connection.generation = tracker_shared.settings.generation;
	error = tracker_commit_connection(work);
	if (!error)
		tracker_settle_adopted(work);
	return error;
}

/* Never attached: user space runs it (BPF_PROG_TEST_RUN), and reads the result in the request. */
SEC("tc")
int tracker_control(struct __sk_buff *skb)
{
	struct tracker_request *request = &tracker_shared.request;

	(void)skb;
	if (request->operation == TRACKER_START)
		request->result = tracker_start();
	else if (request->operation == TRACKER_DELETE)
		request->result = tracker_delete(&request->key);
	else if (request->operation == TRACKER_ADOPT)
		request->result = tracker_adopt(&request->connection);
	else
		request->result = -EINVAL;
	return 0;
}
