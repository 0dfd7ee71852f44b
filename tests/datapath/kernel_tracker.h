/* SPDX-License-Identifier: GPL-2.0-only OR GPL-2.0-or-later */
/* What the kernel's connection tracking says of packets, in a network namespace of its own. */
#pragma once

#include <linux/types.h>

/* include/linux/netfilter/nf_conntrack_tcp.h */
struct kernel_tcp_side {
	__u32 end;
	__u32 maximum_end;
	__u32 maximum_window;
	__u32 acknowledged;
	__u8 scale;
	__u8 flags;
};

struct kernel_tcp {
	struct kernel_tcp_side side[2];
	__u8 state;
	__u8 last_direction;
	__u8 repetitions;
	__u8 last_kind;
	__u32 last_sequence;
	__u32 last_acknowledgement;
	__u32 last_end;
	__u16 last_window;
	__u8 last_scale;
	__u8 last_flags;
};

struct observation {
	__u32 seen; /* so many packets */
	__u32 info; /* enum ip_conntrack_info */
	__u32 has_connection;
	__s32 timeout; /* in jiffies; means nothing while the connection is not confirmed */
	__u64 status;
	struct kernel_tcp tcp;
};

#ifndef __bpf__

#include "abi/tracker.h"

#include <stdbool.h>

/*
 * Moves the calling thread into a new network namespace that forwards between hosts behind one
 * device, and tracks connections.
 */
void kernel_tracker_open(void);
void kernel_tracker_close(void);

/* Sends the packet; @accept: does the rule at FORWARD accept it? */
struct observation kernel_tracker_run(const struct tracker_packet *packet, bool accept);

#endif
