// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * request_cost: what an HTTP request over a TCP connection of its own costs, in CPU time.
 *
 *   request_cost CPU HOW CLIENT SERVER ADDRESS PORT
 *
 * CLIENT and SERVER are processes, whose network namespaces are the two sides'. One thread is both
 * client and server, so all packets, and all that is on their way, are handled inside its system
 * calls: their CPU time is the request's. It is a handshake, request and response, and the end,
 * which the server begins. generator_run() says what HOW is, and what is
 * printed; a "packet" there is a request here.
 */
#include "bench/canary.h"
#include "bench/generator.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE 2000 /* milliseconds: more than a lost packet would take */

#define REQUEST  "GET / HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n"
#define RESPONSE "HTTP/1.1 200 OK\r\nContent-Length: 14\r\nConnection: close\r\n\r\nHello, world.\n"

struct exchange {
	struct generator generator; /* first: it is what generator_run() knows */
	struct sockaddr_in server;
	int listener;
};

static int failed(const char *what)
{
	int error = errno ? errno : EPROTO;

	fprintf(stderr, "request_cost: %s: %s\n", what, strerror(error));
	return -error;
}

static int wait_for(int socket, short event)
{
	struct pollfd file = {.fd = socket, .events = event};
	int ready = poll(&file, 1, PATIENCE);

	if (ready == 0)
		errno = ETIMEDOUT;
	return ready > 0 ? 0 : -errno;
}

/* Receives what is expected, and nothing else. */
static int receive(int socket, const char *expected, size_t size)
{
	char bytes[256];
	size_t received = 0;

	while (received < size) {
		ssize_t more =
			recv(socket, bytes + received, sizeof(bytes) - received, MSG_DONTWAIT);

		if (more > 0)
			received += (size_t)more;
		else if (more == 0 || errno != EAGAIN || wait_for(socket, POLLIN))
			return -EPROTO;
	}
	return received == size && !memcmp(bytes, expected, size) ? 0 : -EPROTO;
}

static int receive_end(int socket)
{
	char byte;
	ssize_t more = recv(socket, &byte, 1, MSG_DONTWAIT);

	if (more < 0 && errno == EAGAIN && !wait_for(socket, POLLIN))
		more = recv(socket, &byte, 1, MSG_DONTWAIT);
	return more ? -EPROTO : 0;
}

static int connect_to(const struct sockaddr_in *server)
{
	int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (client >= 0 && connect(client, (const struct sockaddr *)server, sizeof(*server)) &&
	    errno != EINPROGRESS) {
		close(client);
		return -errno;
	}
	return client < 0 ? -errno : client;
}

static int accept_from(int listener)
{
	int connection;

	while ((connection = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) < 0)
		if (errno != EAGAIN || wait_for(listener, POLLIN))
			return -errno;
	return connection;
}

static bool send_all(int socket, const char *text, size_t size)
{
	return send(socket, text, size, MSG_NOSIGNAL) == (ssize_t)size;
}

/* The server's side of it, and what the client has to say. */
static int serve(int client, int listener)
{
	int connection = accept_from(listener);
	int error = connection < 0 ? connection : 0;

	if (error)
		return error;
	if (!send_all(client, REQUEST, strlen(REQUEST)) ||
	    receive(connection, REQUEST, strlen(REQUEST)) ||
	    !send_all(connection, RESPONSE, strlen(RESPONSE)))
		error = -EPROTO;
	close(connection);
	return error;
}

static int request(const struct exchange *exchange)
{
	int client = connect_to(&exchange->server);
	int error = client < 0 ? client : serve(client, exchange->listener);

	if (!error)
		error = receive(client, RESPONSE, strlen(RESPONSE));
	if (!error)
		error = receive_end(client);
	if (client >= 0)
		close(client);
	return error;
}

static int send_requests(struct generator *generator, uint32_t count, uint32_t batch)
{
	const struct exchange *exchange = (const struct exchange *)generator;

	(void)batch;
	errno = 0;
	for (uint32_t i = 0; i < count; i++)
		if (request(exchange))
			return failed("a request");
	return 0;
}

static int enter_namespace(const char *process)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", atoi(process));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		return failed(path);
	close(fd);
	return 0;
}

static int listen_at(const struct sockaddr_in *server, int *ret_listener)
{
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1;

	if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(listener, (const struct sockaddr *)server, sizeof(*server)) ||
	    listen(listener, SOMAXCONN))
		return failed("the server");
	*ret_listener = listener;
	return 0;
}

int main(int count, char **arguments)
{
	struct exchange exchange = {
		.generator.send = send_requests,
		.server.sin_family = AF_INET,
	};

	if (count != 7) {
		fprintf(stderr, "usage: request_cost CPU HOW CLIENT SERVER ADDRESS PORT\n");
		return EXIT_FAILURE;
	}
	exchange.server.sin_port = htons((uint16_t)atoi(arguments[6]));
	if (inet_pton(AF_INET, arguments[5], &exchange.server.sin_addr) != 1 ||
	    enter_namespace(arguments[4]) || listen_at(&exchange.server, &exchange.listener) ||
	    enter_namespace(arguments[3]))
		return EXIT_FAILURE;
	return generator_run(&exchange.generator, arguments[1], arguments[2]);
}
