/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One connection to the control server: requests are read, handled whole, and answered in turn. */
#pragma once

#include "daemon/control_server.h"
#include "daemon/event_loop.h"

#include <stddef.h>
#include <stdint.h>

struct control_connection;

/* What the connections of one server share. */
struct control_shared {
	struct event_loop *loop;
	const struct control_server_options *options;
	size_t memory; /* bytes that hold payloads and answers now */
	void (*closed)(struct control_shared *shared); /* a connection has gone */
	struct control_connection *connections;
	unsigned int n_connections;
};

/* Takes @fd (nonblocking) on success only. Errors: ENOMEM, ENOSPC. */
int control_connection_new(struct control_shared *shared, int fd);

/* Drops the connection, whatever it is doing, and takes it off the list. */
void control_connection_close(struct control_connection *connection);

/* The connection that has waited longest for its client's next request, before @since; or NULL. */
struct control_connection *control_connection_find_idle(const struct control_shared *shared,
							uint64_t since);
