// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/control_server.h"

#include "common/cleanup.h"
#include "daemon/control_connection.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* While there is no room, or no file descriptor, for a client that waits: when to look again. */
#define RETRY_INTERVAL SECONDS(1)

struct control_server {
	struct control_server_options options;
	struct control_shared shared;
	struct sockaddr_un address;
	int fd;
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

static bool is_root(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return false;
	if (peer.uid != 0)
		refuse_peer(fd, peer.uid);
	return peer.uid == 0;
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

	/* The interval is over: if somebody still waits, epoll says so at once. */
	if (!events) {
		resume_accepting(server);
		return;
	}
	if (!make_room(server)) {
		pause_accepting(server);
		return;
	}

	fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		/* Out of files or memory: who waits still does, and epoll would never stop. */
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			pause_accepting(server);
		return;
	}
	if (is_root(fd) && control_connection_new(&server->shared, fd) == 0)
		(void)take_fd(fd);
}

static int remove_stale_socket(const char *path, struct message *message)
{
	struct stat status;

	if (lstat(path, &status) < 0)
		return errno == ENOENT
			       ? 0
			       : message_error(message, errno, "%s: %s", path, strerror(errno));
	if (!S_ISSOCK(status.st_mode))
		return message_error(message, EEXIST, "%s is in the way: it is not a socket", path);
	if (unlink(path) < 0)
		return message_error(message, errno, "%s: %s", path, strerror(errno));
	return 0;
}

static int listen_at(const struct sockaddr_un *address, int *ret_fd, struct message *message)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const char *path = address->sun_path;
	int error;

	if (fd < 0)
		return message_error(message, errno, "socket: %s", strerror(errno));
	error = remove_stale_socket(path, message);
	if (error)
		return error;

	/* The mode is set before anyone can connect: that is possible from listen() on. */
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ||
	    chmod(path, 0600) < 0 || listen(fd, SOMAXCONN) < 0)
		return message_error(message, errno, "%s: %s", path, strerror(errno));

	*ret_fd = take_fd(fd);
	return 0;
}

int control_server_new(struct event_loop *loop, const char *path,
		       const struct control_server_options *options,
		       struct control_server **ret_server, struct message *message)
{
	_cleanup_free_ struct control_server *server = calloc(1, sizeof(*server));
	int error;

	if (!server)
		return message_error(message, ENOMEM, "out of memory");
	if (strlen(path) >= sizeof(server->address.sun_path))
		return message_error(message, ENAMETOOLONG, "%s: too long for a socket", path);

	server->options = *options;
	server->shared.loop = loop;
	server->shared.options = &server->options;
	server->shared.closed = on_connection_closed;
	server->address.sun_family = AF_UNIX;
	strcpy(server->address.sun_path, path);
	error = listen_at(&server->address, &server->fd, message);
	if (error)
		return error;

	error = event_source_new(loop, server->fd, EPOLLIN, on_connection, server, &server->source);
	if (error) {
		close(server->fd);
		unlink(path);
		return message_error(message, -error, "%s: %s", path, strerror(-error));
	}
	*ret_server = take_pointer(server);
	return 0;
}

void control_server_free(struct control_server *server)
{
	if (!server)
		return;

	unlink(server->address.sun_path);
	while (server->shared.connections)
		control_connection_close(server->shared.connections);
	event_source_free(server->source);
	close(server->fd);
	free(server);
}
