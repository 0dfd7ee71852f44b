// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/listening_socket.h"

#include "common/cleanup.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

struct listening_socket {
	struct sockaddr_un address;
	int fd;
};

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

int listening_socket_open(const char *path, struct listening_socket **ret_listener,
			  struct message *message)
{
	_cleanup_free_ struct listening_socket *listener = calloc(1, sizeof(*listener));
	int error;

	if (!listener)
		return message_error(message, ENOMEM, "out of memory");
	if (strlen(path) >= sizeof(listener->address.sun_path))
		return message_error(message, ENAMETOOLONG, "%s: too long for a socket", path);

	listener->address.sun_family = AF_UNIX;
	strcpy(listener->address.sun_path, path);
	error = listen_at(&listener->address, &listener->fd, message);
	if (error)
		return error;

	*ret_listener = take_pointer(listener);
	return 0;
}

void listening_socket_close(struct listening_socket *listener)
{
	if (!listener)
		return;

	unlink(listener->address.sun_path);
	close(listener->fd);
	free(listener);
}

int listening_socket_fd(const struct listening_socket *listener)
{
	return listener->fd;
}

int listening_socket_accept(struct listening_socket *listener, uid_t *ret_user)
{
	_cleanup_close_ int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (fd < 0)
		return errno == EINTR || errno == ECONNABORTED ? -EAGAIN : -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return -EAGAIN;

	*ret_user = peer.uid;
	return take_fd(fd);
}
