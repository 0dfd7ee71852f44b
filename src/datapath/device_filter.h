/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The filter on devices instead of netfilter's hooks: the programs (bpf/xdp.bpf.c, bpf/tc.bpf.c),
 * which devices they are on, what the chain selector has to know, and the connection tracker. Works
 * on the network namespace of the calling thread. Not thread-safe: one owner.
 */
#pragma once

#include "common/message.h"
#include "datapath/devices.h"
#include "datapath/tracker.h"

#include <stdint.h>

struct device_filter;

struct device_filter_options {
	enum devices_mode mode;
	int arena_fd;   /* of the arena that the programs share with the others */
	int locks_fd;   /* of the locks, likewise */
	int covered_fd; /* struct devices_options */
	int covered_low_fd;
	struct tracker_sizes sizes;
	const char *const *excluded; /* names of devices; see struct devices_options */
	size_t n_excluded;
	device_report report;
	void *data;
};

/*
 * Loads the programs; the arena is in order already. Packets are judged from
 * device_filter_attach() on, if arena_root.judges says so. Errors, with a reason in @message: what
 * the kernel says.
 */
int device_filter_open(const struct device_filter_options *options,
		       struct device_filter **ret_filter, struct message *message);
int device_filter_attach(struct device_filter *filter, struct message *message);
void device_filter_close(struct device_filter *filter); /* accepts NULL */

/* The filter's own. */
const struct tracker *device_filter_tracker(const struct device_filter *filter);

/* The programs that have been attached before begin to judge now. */
void device_filter_begin(struct device_filter *filter);

/*
 * Puts the programs of the other mode beside those that are there. On failure everything is as it
 * was; errors of devices_switch_prepare(), and of loading the programs. To be followed by one of
 * the other two, without device_filter_process() in between.
 */
int device_filter_switch_prepare(struct device_filter *filter, enum devices_mode mode,
				 struct message *message);
void device_filter_switch_undo(struct device_filter *filter);
void device_filter_switch_complete(struct device_filter *filter); /* the old ones leave */

#define DEVICE_FILTER_FDS 2

/* Two file descriptors to be watched for input. */
void device_filter_fds(const struct device_filter *filter, int ret_fds[DEVICE_FILTER_FDS]);

/*
 * To be called when there is input, and at the deadline (CLOCK_MONOTONIC, nanoseconds) that it
 * returned last. A failure, with its reason in @message, leaves the filter as it is.
 */
int device_filter_process(struct device_filter *filter, uint64_t *ret_deadline,
			  struct message *message);
