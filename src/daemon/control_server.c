// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/control_server.h"

#include "common/cleanup.h"
#include "daemon/control_connection.h"
#include "daemon/listening_socket.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* While there is no room, or no file descriptor, for a client that waits: when to look again. */
#define RETRY_INTERVAL SECONDS(1)

struct control_server {
	struct control_server_options options;
	struct control_shared shared;
	struct listening_socket *listener;
	struct event_source *source;
};

static struct control_server *server_of(struct control_shared *shared)
{
	return (struct control_server *)((char *)shared - offsetof(struct control_server, shared));
}

static void pause_accepting(struct control_server *server)
{
	event_source_watch(server->source, 0);
	event_source_set_deadline(server->source, event_loop_now() + RETRY_INTERVAL);
}

static void resume_accepting(struct control_server *server)
{
	event_source_watch(server->source, EPOLLIN);
	event_source_set_deadline(server->source, 0);
}

static void on_connection_closed(struct control_shared *shared)
{
	resume_accepting(server_of(shared));
}

/* Best effort: who is not root is not waited for. */
static void refuse_peer(int fd, uid_t user)
{
	struct message message;
	struct control_response response = {
		.magic = CONTROL_MAGIC,
		.error = message_error(&message, EPERM, "only root is served, not user %u", user),
	};
	struct iovec parts[] = {
		{&response, sizeof(response)},
		{message.text, strlen(message.text)},
	};
	struct msghdr all = {.msg_iov = parts, .msg_iovlen = ARRAY_SIZE(parts)};

	response.message_length = (uint32_t)parts[1].iov_len;
	sendmsg(fd, &all, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static bool make_room(struct control_server *server)
{
	struct control_connection *idle;

	if (server->shared.n_connections < server->options.max_clients)
		return true;

	idle = control_connection_find_idle(&server->shared,
					    event_loop_now() - server->options.idle_timeout);
	if (idle)
		control_connection_close(idle);
	return idle;
}

static void on_connection(void *data, uint32_t events)
{
	struct control_server *server = data;
	_cleanup_close_ int fd = -1;
	uid_t user;

	/* The interval is over: if somebody still waits, epoll says so at once. */
	if (!events) {
		resume_accepting(server);
		return;
	}
	if (!make_room(server)) {
		pause_accepting(server);
		return;
	}

	fd = listening_socket_accept(server->listener, &user);
	if (fd < 0) {
		/* Out of files or memory: who waits still does, and epoll would never stop. */
		if (fd != -EAGAIN)
			pause_accepting(server);
		return;
	}
	if (user != 0)
		refuse_peer(fd, user);
	else if (control_connection_new(&server->shared, fd) == 0)
		(void)take_fd(fd);
}

int control_server_new(struct event_loop *loop, const char *path,
		       const struct control_server_options *options,
		       struct control_server **ret_server, struct message *message)
{
	_cleanup_free_ struct control_server *server = calloc(1, sizeof(*server));
	int error;

	if (!server)
		return message_error(message, ENOMEM, "out of memory");

	server->options = *options;
	server->shared.loop = loop;
	server->shared.options = &server->options;
	server->shared.closed = on_connection_closed;
	error = listening_socket_open(path, &server->listener, message);
	if (error)
		return error;

	error = event_source_new(loop, listening_socket_fd(server->listener), EPOLLIN,
				 on_connection, server, &server->source);
	if (error) {
		listening_socket_close(server->listener);
		return message_error(message, -error, "%s: %s", path, strerror(-error));
	}
	*ret_server = take_pointer(server);
	return 0;
}

void control_server_free(struct control_server *server)
{
	if (!server)
		return;

	while (server->shared.connections)
		control_connection_close(server->shared.connections);
	event_source_free(server->source);
	listening_socket_close(server->listener);
	free(server);
}
