// SPDX-License-Identifier: GPL-2.0-or-later
#include "frontend/control_client.h"

#include <netinet/in.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/netfilter.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "abi/control.h"
#include "common/cleanup.h"

/* Some C libraries' headers are older (include/uapi/asm-generic/socket.h). */
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* The daemon's texts are of MESSAGE_SIZE; what is far beyond is not a text. */
#define TEXT_LENGTH_LIMIT 65536

#define ERRNO_LIMIT 4095

const char *control_client_name(uint8_t family)
{
	return family == NFPROTO_IPV6 ? "bpf-ip6tables" : "bpf-iptables";
}

static int socket_address(int fd, struct sockaddr_un *ret_address, struct message *message)
{
	socklen_t length = sizeof(uint64_t);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	uint64_t cookie;

	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length) < 0)
		return message_error(message, errno,
				     "the kernel does not tell the cookie of this network "
				     "namespace (SO_NETNS_COOKIE): %s",
				     strerror(errno));

	snprintf(address.sun_path, sizeof(address.sun_path), CONTROL_SOCKET_FORMAT,
		 (unsigned long long)cookie);
	*ret_address = address;
	return 0;
}

static int connect_error(int error, const char *path, struct message *message)
{
	if (error == ENOENT || error == ECONNREFUSED)
		return message_error(
			message, error,
			"no bpf-iptablesd serves this network namespace; start it with "
			"`bpf-iptablesd`, or `ip netns exec NAME bpf-iptablesd` for a "
			"named namespace");
	return message_error(message, error, "cannot reach bpf-iptablesd at %s: %s", path,
			     strerror(error));
}

static int connect_socket(int fd, const struct sockaddr_un *address, struct message *message)
{
	int ret;

	do
		ret = connect(fd, (const struct sockaddr *)address, sizeof(*address));
	while (ret < 0 && errno == EINTR);

	return ret < 0 ? connect_error(errno, address->sun_path, message) : 0;
}

static int check_peer(int fd, const char *path, struct message *message)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
		return message_error(message, errno, "cannot tell who serves %s: %s", path,
				     strerror(errno));
	if (peer.uid != 0)
		return message_error(message, EPERM,
				     "%s is served by user %u instead of root: refused", path,
				     (unsigned int)peer.uid);
	return 0;
}

int control_client_open(struct control_client *client, struct message *message)
{
	_cleanup_close_ int first = -1, fd = -1;
	struct sockaddr_un address;
	int ret;

	first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (first < 0)
		return message_error(message, errno, "cannot make a socket: %s", strerror(errno));

	/* In the place of a closed standard stream it would be sent whatever the program prints. */
	fd = fcntl(first, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (fd < 0)
		return message_error(message, errno, "cannot make a socket: %s", strerror(errno));

	ret = socket_address(fd, &address, message);
	if (ret)
		return ret;
	ret = connect_socket(fd, &address, message);
	if (ret)
		return ret;
	ret = check_peer(fd, address.sun_path, message);
	if (ret)
		return ret;

	*client = (struct control_client){.fd = take_fd(fd)};
	return 0;
}

void control_client_close(struct control_client *client)
{
	cleanup_close(&client->fd);
	*client = (struct control_client)CONTROL_CLIENT_INIT;
}

/* Takes what has been sent off the front of @parts, of which there are *@count. */
static struct iovec *skip_sent(struct iovec *parts, size_t *count, size_t sent)
{
	for (; *count && sent >= parts->iov_len; --*count)
		sent -= parts++->iov_len;
	if (*count) {
		parts->iov_base = (char *)parts->iov_base + sent;
		parts->iov_len -= sent;
	}
	return parts;
}

/* In one go, as far as the socket has room: the daemon is woken up once. */
static int send_all(int fd, struct iovec *parts, size_t count)
{
	while (count > 0) {
		struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
		ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return -errno;
		parts = skip_sent(parts, &count, (size_t)sent);
	}
	return 0;
}

static int receive_all(int fd, void *data, size_t length)
{
	char *position = data;
	ssize_t received;

	while (length > 0) {
		received = recv(fd, position, length, 0);
		if (received < 0 && errno == EINTR)
			continue;
		if (received < 0)
			return -errno;
		if (received == 0)
			return -ECONNRESET;
		position += received;
		length -= (size_t)received;
	}
	return 0;
}

static int send_request(int fd, const struct control_call *call, size_t length)
{
	struct control_request request = {
		.magic = CONTROL_MAGIC,
		.version = CONTROL_VERSION,
		.family = call->family,
		.operation = call->operation,
		.length = (uint32_t)length,
	};
	struct iovec parts[1 + CONTROL_CALL_PARTS] = {{&request, sizeof(request)}};
	int ret;

	for (size_t i = 0; i < call->payload_count; i++)
		parts[1 + i] = call->payload[i];
	ret = send_all(fd, parts, 1 + call->payload_count);

	/* The daemon may have refused and hung up before it read all: its answer says why. */
	return ret == -EPIPE || ret == -ECONNRESET ? 0 : ret;
}

static bool response_is_sound(const struct control_response *response,
			      const struct control_call *call)
{
	if (response->magic != CONTROL_MAGIC)
		return false;
	if (response->error > 0 || response->error < -ERRNO_LIMIT)
		return false;
	if (response->message_length > TEXT_LENGTH_LIMIT)
		return false;
	return response->length == (response->error ? 0 : call->answer_length);
}

/* Names in the text come from rulesets: no byte of it may steer the terminal. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == '\x7f')
			*text = *text == '\n' || *text == '\t' ? ' ' : '?';
}

static int receive_text(int fd, size_t length, struct message *message)
{
	char rest[256];
	size_t kept = length < MESSAGE_SIZE ? length : MESSAGE_SIZE - 1;
	int ret;

	ret = receive_all(fd, message->text, kept);
	message->text[ret ? 0 : kept] = '\0';
	make_printable(message->text);

	for (length -= kept; length > 0 && !ret; length -= kept) {
		kept = length < sizeof(rest) ? length : sizeof(rest);
		ret = receive_all(fd, rest, kept);
	}
	return ret;
}

static int break_connection(struct control_client *client, const struct control_call *call,
			    int error, struct message *message)
{
	bool changes = call->operation == CONTROL_SET_REPLACE ||
		       call->operation == CONTROL_SET_ADD_COUNTERS;
	const char *doubt = changes ? "; the change may have been made or not" : "";

	client->broken = error;
	if (error == -EPROTO)
		return message_error(message, EPROTO,
				     "the answer of bpf-iptablesd is malformed: is it of another "
				     "version?%s",
				     doubt);
	return message_error(message, -error, "the connection to bpf-iptablesd is lost (%s)%s",
			     strerror(-error), doubt);
}

int control_client_call(struct control_client *client, const struct control_call *call,
			struct message *message)
{
	struct control_response response;
	struct message text;
	size_t length = 0;
	int ret;

	for (size_t i = 0; i < call->payload_count; i++)
		length += call->payload[i].iov_len;
	if (length > CONTROL_MAX_LENGTH || call->answer_length > CONTROL_MAX_LENGTH)
		return message_error(message, ENOMEM, "a table cannot be larger than %u bytes",
				     CONTROL_MAX_LENGTH);
	if (client->broken)
		return break_connection(client, call, client->broken, message);

	ret = send_request(client->fd, call, length);
	if (!ret)
		ret = receive_all(client->fd, &response, sizeof(response));
	if (!ret && !response_is_sound(&response, call))
		ret = -EPROTO;
	if (!ret)
		ret = receive_text(client->fd, response.message_length, &text);
	if (!ret)
		ret = receive_all(client->fd, call->answer, response.length);
	if (ret)
		return break_connection(client, call, ret, message);

	return message_error(message, -response.error, "%s", text.text);
}
