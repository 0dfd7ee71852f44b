/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network namespace that this process stands in, and its place below CONTROL_DIRECTORY: who
 * holds it is the only daemon of the namespace.
 */
#pragma once

#include "common/message.h"

#include <stdint.h>

struct namespace;

/*
 * Makes the directory (root's, 0700) if it is missing, and takes the namespace's lock there. The
 * lock goes with the process, however that ends. Errors, with a reason in @message: EBUSY (another
 * daemon has it), EPERM (the directory is not safe), ENOPROTOOPT (kernel before 5.14) ...
 */
int namespace_open(struct namespace **ret_namespace, struct message *message);

/* Removes the lock file and gives the lock back; accepts NULL. */
void namespace_close(struct namespace *namespace);

/* Where the daemon of this namespace listens: for the commands, and for HTTP. */
const char *namespace_socket_path(const struct namespace *namespace);
const char *namespace_rest_socket_path(const struct namespace *namespace);

/* As the kernel names the namespace (SO_NETNS_COOKIE). */
uint64_t namespace_cookie(const struct namespace *namespace);
