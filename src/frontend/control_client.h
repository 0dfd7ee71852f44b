/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The client's side of the control protocol (abi/control.h): one connection to the bpf-iptablesd of
 * the caller's network namespace, and calls over it, one after the other.
 *
 * Once a connection has failed in the middle of something, nobody knows what the daemon has done:
 * every later call on it fails with the same error.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "common/message.h"

struct control_client {
	int fd;     /* -1 while there is no connection */
	int broken; /* 0, or the negative errno with which the connection failed */
};

#define CONTROL_CLIENT_INIT {.fd = -1}

/*
 * A connection that the launcher has made and tried, for the library in the program that it
 * executes: process id and file descriptor. It is for the process with that id only.
 */
#define CONTROL_CLIENT_VARIABLE        "BPF_IPTABLES_CONNECTION"
#define CONTROL_CLIENT_VARIABLE_FORMAT "%d %d"
#define CONTROL_CLIENT_VARIABLE_SIZE   32

#define CONTROL_CALL_PARTS 2 /* payload_count is at most this */

struct control_call {
	uint8_t family;    /* NFPROTO_IPV4 or NFPROTO_IPV6 */
	uint8_t operation; /* enum control_operation */
	const struct iovec *payload;
	size_t payload_count;
	void *answer;         /* what it holds after a failed call is undefined */
	size_t answer_length; /* in bytes: an answer of any other length breaks the connection */
};

/* By what name the commands of a family speak to the user; IPv4's where the family is not known. */
const char *control_client_name(uint8_t family);

/*
 * Connects to the daemon of the network namespace that the calling thread is in, and checks that
 * the peer is root. The descriptor is close-on-exec and never 0, 1 or 2. Returns 0 or a negative
 * errno with @message: -ENOENT or -ECONNREFUSED when no daemon is there, -EACCES when the socket
 * may not be reached, -EPERM when it is served by somebody else than root. @client is untouched on
 * failure; on success it is released by control_client_close().
 */
int control_client_open(struct control_client *client, struct message *message);

/* Closes the connection, if there is one. */
void control_client_close(struct control_client *client);

/*
 * Sends one request and waits for its answer; interrupting signals do not end the wait. Returns 0,
 * or the daemon's negative errno with its text in @message (empty if it gave none), or, with
 * client->broken set, the negative errno of the connection that failed with our text in @message.
 */
int control_client_call(struct control_client *client, const struct control_call *call,
			struct message *message);
