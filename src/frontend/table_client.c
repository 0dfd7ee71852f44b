// SPDX-License-Identifier: GPL-2.0-or-later
#include "frontend/table_client.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"

/* iptables is single-threaded; other programs have no use for this. */
static struct control_client client = CONTROL_CLIENT_INIT;
static pid_t client_owner;

/* Takes what the launcher has left, out of the sight of whatever this program executes. */
__attribute__((constructor)) static void adopt_connection(void)
{
	const char *value = getenv(CONTROL_CLIENT_VARIABLE);
	int pid, fd;

	if (!value || sscanf(value, CONTROL_CLIENT_VARIABLE_FORMAT, &pid, &fd) != 2 ||
	    pid != getpid())
		return;
	unsetenv(CONTROL_CLIENT_VARIABLE);
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return;
	client.fd = fd;
	client_owner = pid;
}

/* A child must not talk into its parent's connection. */
static void leave_connection_of_parent(void)
{
	if (client.fd >= 0 && client_owner != getpid())
		control_client_close(&client);
}

int table_client_ask(const struct control_call *call, struct message *message)
{
	int ret;

	leave_connection_of_parent();
	if (client.fd < 0) {
		ret = control_client_open(&client, message);
		if (ret)
			return ret;
		client_owner = getpid();
	}
	return control_client_call(&client, call, message);
}

int table_client_call(const struct control_call *call)
{
	struct message message = {};
	int ret;

	ret = table_client_ask(call, &message);
	if (ret)
		table_client_report(call->family, &message);
	return ret;
}

void table_client_report(uint8_t family, const struct message *message)
{
	static struct message last;

	if (!message->text[0] || strcmp(message->text, last.text) == 0)
		return;

	last = *message;
	/* Unbuffered, as iptables' own error lines: the order is kept. */
	dprintf(STDERR_FILENO, "%s: %s\n", control_client_name(family), message->text);
}
