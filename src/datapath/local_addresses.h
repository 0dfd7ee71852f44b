/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chain selector's table of local addresses (bpf/selector.h), kept as the routes of the calling
 * thread's network namespace change. The kernel's routes of type local, broadcast and anycast are
 * what counts, not addresses of devices: they are what the kernel goes by, and they are there for
 * `ip route add local` as well.
 *
 * The table is late, as everything that is told by netlink. That does no harm (see there), because
 * the stamp that says it is complete is only given after routes have been left alone for a moment
 * (LOCAL_ADDRESSES_SETTLE), and is void as soon as they change.
 */
#pragma once

#include "common/message.h"

#include <stdint.h>

#define LOCAL_ADDRESSES_SETTLE 20000000u   /* nanoseconds */
#define LOCAL_ADDRESSES_CHECK  1000000000u /* for what changes without an event */

/* File descriptors that stay the caller's, of the maps and the program of bpf/selector.h. */
struct local_addresses_maps {
	int ipv4;
	int ipv6;
	int nets_ipv4;
	int nets_ipv6;
	int state;
	int stamps; /* the program */
};

struct local_addresses;

/* Fills the table. Errors, with a reason in @message: ENOMEM, and what the kernel says. */
int local_addresses_open(const struct local_addresses_maps *maps,
			 struct local_addresses **ret_addresses, struct message *message);

/* Accepts NULL. */
void local_addresses_close(struct local_addresses *addresses);

/* To be watched for input. */
int local_addresses_fd(const struct local_addresses *addresses);

/*
 * To be called when there is input, and when the deadline has passed. Returns the next deadline
 * (CLOCK_MONOTONIC, nanoseconds). A failure is no reason to stop: without a stamp packets are
 * judged on the safe side, and it is tried again. -E2BIG (the table is full) and the like are
 * returned with a reason in @message when they begin.
 */
int local_addresses_process(struct local_addresses *addresses, uint64_t *ret_deadline,
			    struct message *message);
