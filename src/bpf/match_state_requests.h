/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What user space asks of the programs about what matches keep (abi/match_state.h): programs that
 * are never attached, which it runs with BPF_PROG_TEST_RUN. They hold the locks that walks hold.
 */
#pragma once

#include "abi/match_state.h"
#include "bpf/residual_recent.h"

#include <linux/errno.h>

/* The time. */
SEC("syscall")
int bpf_iptables_clock(void *ctx)
{
	(void)ctx;
	arena_root()->ticks = ticks_now();
	return 0;
}

/* 0 or -errno. The request's list has its lock. */
INLINE int change_recent(struct recent_list ARENA *list, __u32 operation,
			 const struct recent_address *address, __u64 now)
{
	__u32 position = recent_find(list, address, 0);

	if (position == RECENT_UNKNOWN)
		return -ELOOP;
	if (operation == RECENT_LIST_ADD && position)
		recent_update(list, position, now);
	else if (operation == RECENT_LIST_ADD)
		recent_add(list, address, 0, now);
	else if (position)
		recent_remove(list, position);
	return 0;
}

/* 0 or -errno. */
INLINE int copy_recent(const struct recent_list ARENA *list, __u64 ARENA *to)
{
	const __u64 ARENA *from = (const __u64 ARENA *)list;
	__u32 n = (__u32)(list->size / sizeof(*from)), i = 0;

	while (i < n) {
		to[i] = from[i];
		i++;
		LOOP_BOUND;
	}
	return i < n ? -ELOOP : 0;
}

/* Looks at a list, or changes it. */
SEC("syscall")
int bpf_iptables_recent(struct recent_request *request)
{
	struct recent_address address = {request->high, request->low, request->family};
	__u32 position = request->cell, operation = request->operation, place = request->list;
	struct match_recent ARENA *cell = ARENA_AT(struct match_recent, position);
	struct match_lock *lock = match_lock(MATCH_LOCK(position));
	struct recent_list ARENA *list;
	__u64 now = ticks_now();
	int result = 0;

	if (!lock)
		return 0;
	bpf_spin_lock(&lock->lock);
	list = ARENA_AT(struct recent_list, cell->list);
	if (operation == RECENT_LIST_MOVE)
		cell->list = place;
	else if (operation == RECENT_LIST_ADD || operation == RECENT_LIST_REMOVE)
		result = change_recent(list, operation, &address, recent_time(list, now));
	else
		result = copy_recent(list, ARENA_AT(__u64, place));
	bpf_spin_unlock(&lock->lock);
	request->result = result;
	return 0;
}
