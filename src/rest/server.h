/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The REST interface: HTTP on a unix socket, in the daemon's event loop. Only root (SO_PEERCRED) is
 * served. Of the work for all of its clients together a bounded part is done at a time, so that
 * neither the control socket nor the devices have to wait for long; and each connection has its
 * time, at whose end it is dropped, whatever it does.
 */
#pragma once

#include "common/message.h"
#include "daemon/event_loop.h"
#include "rest/handler.h"

struct rest_server;

struct rest_server_options {
	const struct rest_context *context; /* stays the caller's, as the routes do */
	const struct rest_route *routes;
	size_t n_routes;
	/* Connections at once; further ones wait in the listen backlog. */
	unsigned int max_clients;
	uint64_t request_time;        /* nanoseconds, from its beginning to its last byte */
	uint64_t answer_time;         /* the same */
	unsigned int silence_seconds; /* without any progress of a request or an answer */
};

#define REST_SERVER_CLIENTS         64
#define REST_SERVER_REQUEST_TIME    SECONDS(10)
#define REST_SERVER_ANSWER_TIME     SECONDS(120)
#define REST_SERVER_SILENCE_SECONDS 10

/* Of all streams together, before it is the turn of the loop's other sources. */
#define REST_SERVER_PIECES 4

/*
 * Listens at @path, mode 0600; a socket that is left there is replaced. @options is copied. Errors,
 * with a reason in @message: those of listening_socket_open(), ENOMEM.
 */
int rest_server_new(struct event_loop *loop, const char *path,
		    const struct rest_server_options *options, struct rest_server **ret_server,
		    struct message *message);

/* Removes the socket and drops all connections; accepts NULL. */
void rest_server_free(struct rest_server *server);
