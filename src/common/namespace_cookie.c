// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/namespace_cookie.h"

#include "common/cleanup.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

int namespace_cookie_read(uint64_t *ret_cookie, struct message *message)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t cookie;
	socklen_t size = sizeof(cookie);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) < 0) {
		int error = errno;

		return message_error(message, error,
				     "cannot read the network namespace's cookie: %s",
				     strerror(error));
	}
	*ret_cookie = cookie;
	return 0;
}
