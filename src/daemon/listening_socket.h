/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A unix stream socket at a path, at which this process is the only one that listens. */
#pragma once

#include "common/message.h"

#include <sys/types.h>

struct listening_socket;

/*
 * Listens at @path, mode 0600; a socket that is left there is replaced (the caller holds the lock
 * that makes sure that nobody uses it). Errors, with a reason in @message: EEXIST (something else
 * than a socket is there), ENAMETOOLONG, EACCES ...
 */
int listening_socket_open(const char *path, struct listening_socket **ret_listener,
			  struct message *message);

/* Removes the socket; accepts NULL. */
void listening_socket_close(struct listening_socket *listener);

/* To be watched for input; the listener's. */
int listening_socket_fd(const struct listening_socket *listener);

/*
 * Returns a file descriptor (nonblocking) of the next client, and who that is (SO_PEERCRED).
 * -EAGAIN: there is none; other errors: files or memory are short, and it waits.
 */
int listening_socket_accept(struct listening_socket *listener, uid_t *ret_user);
