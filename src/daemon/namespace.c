// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/namespace.h"

#include "abi/control.h"
#include "common/cleanup.h"
#include "common/namespace_cookie.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/* Of sun_path in struct sockaddr_un. */
#define PATH_SIZE 108

struct namespace
{
	char lock_path[PATH_SIZE];
	char socket_path[PATH_SIZE];
	char rest_socket_path[PATH_SIZE];
	uint64_t cookie;
	int lock_fd;
};

/* What a user other than root could write to or has made, could be turned against root. */
static int check_directory(int fd, const char *path, struct message *message)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return message_error(message, errno, "%s: %s", path, strerror(errno));
	if (status.st_uid != 0)
		return message_error(message, EPERM, "%s belongs to user %u, not to root", path,
				     status.st_uid);
	if (status.st_mode & (S_IWGRP | S_IWOTH))
		return message_error(message, EPERM,
				     "%s can be written to by others than root (mode %04o)", path,
				     status.st_mode & 07777);
	if (fchmod(fd, 0700) < 0)
		return message_error(message, errno, "%s: %s", path, strerror(errno));
	return 0;
}

static int prepare_directory(const char *path, struct message *message)
{
	_cleanup_close_ int fd = -1;
	int error;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return message_error(message, errno, "%s: %s", path, strerror(errno));

	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		error = errno;
		if (error == ELOOP || error == ENOTDIR)
			return message_error(message, EPERM,
					     "%s is not a directory (a symbolic link will not do)",
					     path);
		return message_error(message, error, "%s: %s", path, strerror(error));
	}
	return check_directory(fd, path, message);
}

static int refuse_second(int fd, struct message *message)
{
	char holder[32] = "";
	ssize_t length = pread(fd, holder, sizeof(holder) - 1, 0);

	holder[length > 0 ? strcspn(holder, "\n") : 0] = '\0';
	return message_error(
		message, EBUSY,
		"another bpf-iptablesd (process %s) already serves this network namespace",
		holder[0] ? holder : "unknown");
}

/* Is the file that is open as @fd still the one at @path? A daemon that stops removes it. */
static bool is_current(int fd, const char *path)
{
	struct stat opened, current;

	return fstat(fd, &opened) == 0 && lstat(path, &current) == 0 &&
	       opened.st_dev == current.st_dev && opened.st_ino == current.st_ino;
}

static int try_lock(const char *path, int *ret_fd, struct message *message)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return message_error(message, errno, "%s: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			return refuse_second(fd, message);
		return message_error(message, errno, "%s: %s", path, strerror(errno));
	}
	if (!is_current(fd, path))
		return -EAGAIN;

	*ret_fd = take_fd(fd);
	return 0;
}

static int take_lock(const char *path, int *ret_fd, struct message *message)
{
	_cleanup_close_ int fd = -1;
	int error;

	do {
		error = try_lock(path, &fd, message);
	} while (error == -EAGAIN);
	if (error)
		return error;

	if (ftruncate(fd, 0) < 0 || dprintf(fd, "%d\n", getpid()) < 0)
		return message_error(message, errno, "%s: %s", path, strerror(errno));

	*ret_fd = take_fd(fd);
	return 0;
}

int namespace_open(struct namespace **ret_namespace, struct message *message)
{
	_cleanup_free_ struct namespace *namespace = calloc(1, sizeof(*namespace));
	unsigned long long cookie;
	int error;

	if (!namespace)
		return message_error(message, ENOMEM, "out of memory");

	error = namespace_cookie_read(&namespace->cookie, message);
	if (error)
		return error;
	error = prepare_directory(CONTROL_DIRECTORY, message);
	if (error)
		return error;

	cookie = namespace->cookie;
	snprintf(namespace->lock_path, sizeof(namespace->lock_path),
		 CONTROL_DIRECTORY "/net-%llu.lock", cookie);
	snprintf(namespace->socket_path, sizeof(namespace->socket_path), CONTROL_SOCKET_FORMAT,
		 cookie);
	snprintf(namespace->rest_socket_path, sizeof(namespace->rest_socket_path),
		 REST_SOCKET_FORMAT, cookie);
	error = take_lock(namespace->lock_path, &namespace->lock_fd, message);
	if (error)
		return error;

	*ret_namespace = take_pointer(namespace);
	return 0;
}

void namespace_close(struct namespace *namespace)
{
	if (!namespace)
		return;

	/* Before the lock is given back: whoever waits for it looks whether its file is still
	 * there. */
	unlink(namespace->lock_path);
	close(namespace->lock_fd);
	free(namespace);
}

const char *namespace_socket_path(const struct namespace *namespace)
{
	return namespace->socket_path;
}

const char *namespace_rest_socket_path(const struct namespace *namespace)
{
	return namespace->rest_socket_path;
}

uint64_t namespace_cookie(const struct namespace *namespace)
{
	return namespace->cookie;
}
