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

#define TRACKER_STEP 256u

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
	/* TCP, for each direction: what it says of windows; flags are nf_conntrack_tcp.h's. */
	uint8_t window_scale[2];
	uint8_t side_flags[2];
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

/* How far a listing has come; zeroed, it is at its beginning. */
struct tracker_cursor {
	uint32_t table; /* the map's id */
	uint32_t place; /* in the table: a bucket's number */
	bool begun;
	bool ended; /* that was all */
};

/*
 * Calls @visit for the next connections, TRACKER_STEP at most, until one returns a number that is
 * not 0, which is then returned. Or -errno, with a reason in @message: -ESTALE if the cursor
 * belongs to another tracker.
 *
 * When the cursor has ended, each connection that was there from beginning to end has been visited
 * once, and none twice; those that came or went meanwhile may have been or not. Each is as it was
 * when it was read (the table does not move its entries, and a step reads them under their locks).
 */
int tracker_iterate_step(const struct tracker *tracker, struct tracker_cursor *cursor,
			 int (*visit)(const struct tracker_listed *listed, void *argument),
			 void *argument, struct message *message);

/* The same until all connections have been visited. */
int tracker_iterate(const struct tracker *tracker,
		    int (*visit)(const struct tracker_listed *listed, void *argument),
		    void *argument, struct message *message);

/*
 * Goes on with a connection that somebody else has tracked until now, unless it is there already.
 * What @connection says of the key and of being settled is found out anew. Nothing is known of the
 * window of TCP: any will do. -ENOSPC if there is no room, -EINVAL if there is no such connection.
 */
int tracker_adopt(const struct tracker *tracker, const struct tracker_listed *connection,
		  struct message *message);

/* Ends one connection; -ENOENT if it does not exist. */
int tracker_end(const struct tracker *tracker, const struct tracker_key *key,
		struct message *message);

/* Ends all connections; what the tracker still knows of datagrams' fragments, too. */
void tracker_flush(const struct tracker *tracker);

/*
 * To be called before the connections of @family (enum arena_family) are tracked again: those that
 * are known may have gone on meanwhile.
 */
void tracker_resume(const struct tracker *tracker, unsigned int family);

/* What the programs have counted; the numbers are not of one moment. */
struct tracker_counts tracker_count(const struct tracker *tracker);

/* How many connections there may be; datagrams are not said. */
struct tracker_sizes tracker_sizes(const struct tracker *tracker);
