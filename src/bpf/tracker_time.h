/* SPDX-License-Identifier: GPL-2.0-only */
/* How long connections live, and what a packet can make of one. */
#pragma once

#include "abi/tracker.h"
#include "bpf/portable.h"

#define NANOSECONDS 1000000000ull

/* What has become of a connection by a packet that has its key. */
enum tracker_outcome {
	TRACKER_TAKEN,    /* the packet belongs to it */
	TRACKER_REFUSED,  /* it does not: INVALID */
	TRACKER_ENDED,    /* it does, and was the last */
	TRACKER_REOPENED, /* it begins a new one in its place */
};

INLINE __u64 tracker_seconds(__u32 number)
{
	return number * NANOSECONDS;
}

/*
 * Lets the connection live @timeout seconds from now. Less than a second more is not written
 * down: it would only take the cache line away from others.
 */
INLINE void tracker_refresh(struct tracker_connection *connection, __u64 now, __u32 timeout)
{
	__u64 deadline = now + tracker_seconds(timeout);

	if (deadline - connection->deadline >= NANOSECONDS) /* or earlier: that wraps */
		connection->deadline = deadline;
}
