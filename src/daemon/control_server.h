/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket (abi/control.h): connections, framing, limits. What the requests mean is the
 * handler's business.
 *
 * Only root (SO_PEERCRED) is served. Requests of all connections are handled one at a time, whole,
 * in the order in which they are complete. A client that is slow, silent or dead holds nothing up
 * but its own connection, and loses that one when it makes no progress in the middle of a message
 * for as long as the idle timeout.
 */
#pragma once

#include "abi/control.h"
#include "common/message.h"
#include "daemon/event_loop.h"

#include <stddef.h>
#include <stdint.h>

/* The payload of a response; malloc()ed, given away by the handler. */
struct control_answer {
	void *payload;
	uint32_t length;
};

/*
 * *@payload has request->length bytes (which the operation allows) from malloc(); the handler may
 * keep them, and stores NULL there if it does.
 * Returns 0 with the answer in @ret_answer (zeroed before), or a negative errno and the reason, if
 * there is more to say, in @message (empty before).
 */
typedef int (*control_handler)(void *data, const struct control_request *request, void **payload,
			       struct control_answer *ret_answer, struct message *message);

struct control_server_options {
	control_handler handler;
	void *data;
	/*
	 * Connections at once. Further ones wait in the listen backlog, until one is closed or has
	 * been idle between two messages for the idle timeout: then it makes room.
	 */
	unsigned int max_clients;
	uint64_t idle_timeout; /* nanoseconds */
	/*
	 * Bytes for payloads and answers of all connections together; a request for which there is
	 * no room gets ENOMEM. Up to one answer more may be held.
	 */
	size_t max_memory;
};

#define CONTROL_SERVER_CLIENTS      64
#define CONTROL_SERVER_IDLE_TIMEOUT SECONDS(10)
#define CONTROL_SERVER_MEMORY       ((size_t)1 << 30)

struct control_server;

/*
 * Listens at @path, mode 0600; a socket that is left there is replaced (the caller holds the lock
 * that makes sure that nobody uses it). @options is copied. Errors, with a reason in @message:
 * EEXIST (something else than a socket is there), ENAMETOOLONG, EACCES ...
 */
int control_server_new(struct event_loop *loop, const char *path,
		       const struct control_server_options *options,
		       struct control_server **ret_server, struct message *message);

/* Removes the socket and drops all connections; accepts NULL. */
void control_server_free(struct control_server *server);
