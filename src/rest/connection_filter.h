/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which connections a request is about, by its query. */
#pragma once

#include "datapath/tracker.h"
#include "rest/handler.h"

#include <stdbool.h>
#include <stdint.h>

/* Of a connection as its first packet saw it. */
struct connection_prefix {
	bool given;
	uint8_t family; /* enum arena_family */
	unsigned int length;
	uint8_t bytes[16];
};

struct connection_filter {
	int family;   /* enum arena_family; -1: any */
	int protocol; /* -1: any */
	struct connection_prefix source;
	struct connection_prefix destination;
	int source_port; /* host order; -1: any */
	int destination_port;
	int tcp_state;         /* enum tracker_tcp_state; -1: any */
	uint8_t status;        /* of these bits of enum tracker_status ... */
	uint8_t status_values; /* ... each is as here */
};

/* The names of the query's parameters, up to NULL. */
extern const char *const connection_filter_names[];

/* False, with the error in @reply (REST_INVALID), if a value is not understood. */
bool connection_filter_read(const struct rest_request *request,
			    struct connection_filter *ret_filter, struct rest_reply *reply);

bool connection_filter_matches(const struct connection_filter *filter,
			       const struct tracker_listed *connection);
