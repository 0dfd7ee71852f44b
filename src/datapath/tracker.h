/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connection tracker of the XDP and TC programs (bpf/tracker.h), from user space: how large
 * it is, and what is in it. It runs by itself; whoever has the maps can look.
 */
#pragma once

#include "abi/tracker.h"
#include "common/message.h"

#include <stdbool.h>
#include <stdint.h>

struct bpf_object;

struct tracker_sizes {
	uint32_t settled;   /* connections that no new one can push out */
	uint32_t half_open; /* those that have not proved themselves yet */
	uint32_t fragmented_datagrams;
};

struct tracker {
	int table;
	int control;
	struct tracker_shared *shared;
};

/* A connection as its first packet saw it; addresses and ports in network byte order. */
struct tracker_listed {
	struct tracker_key key;
	struct tracker_address source;
	struct tracker_address destination;
	union tracker_transport transport;
	uint8_t family; /* enum arena_family */
	uint8_t protocol;
	uint8_t status;    /* enum tracker_status */
	uint8_t tcp_state; /* enum tracker_tcp_state */
	bool settled;
	uint32_t seconds; /* that it has to live without another packet */
};

/*
 * Sets the sizes of the maps in @object, which is open but not loaded yet. -EINVAL if one is 0 or
 * the table would be too large for the kernel; -ENOENT if the object has no tracker.
 */
int tracker_set_sizes(struct bpf_object *object, const struct tracker_sizes *sizes,
		      struct message *message);

/*
 * Finds the tracker of @object, which is loaded and stays so until tracker_close(), and starts
 * the removal of connections that are past their time. -ENOENT, or what the kernel says.
 */
int tracker_open(struct tracker *ret_tracker, const struct bpf_object *object,
		 struct message *message);
void tracker_close(struct tracker *tracker); /* accepts a zeroed one */

/*
 * Calls @visit for each connection that is alive, until one returns a number that is not 0, which
 * is then returned. Those that come or go meanwhile may be among them or not. Or -errno.
 */
int tracker_iterate(const struct tracker *tracker,
		    int (*visit)(const struct tracker_listed *listed, void *argument),
		    void *argument, struct message *message);

/* Ends one connection; -ENOENT if it does not exist. */
int tracker_end(const struct tracker *tracker, const struct tracker_key *key,
		struct message *message);

/* Ends all connections; what the tracker still knows of datagrams' fragments, too. */
void tracker_flush(const struct tracker *tracker);

/* What the programs have counted; the numbers are not of one moment. */
struct tracker_counts tracker_count(const struct tracker *tracker);

/* How many connections there may be; datagrams are not said. */
struct tracker_sizes tracker_sizes(const struct tracker *tracker);
