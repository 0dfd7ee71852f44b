// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/control_connection.h"

#include "common/cleanup.h"
#include "daemon/control_frame.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

/*
 * A payload's memory starts with this and grows as bytes arrive, whatever was announced; by much,
 * because what is there may have to be copied each time.
 */
#define FIRST_CAPACITY ((size_t)64 << 10)
#define GROWTH         8

/* Bytes read from one client before it is the others' turn. */
#define READ_SHARE ((size_t)256 << 10)

enum connection_state {
	CONNECTION_HEADER,
	CONNECTION_PAYLOAD,
	CONNECTION_SKIP,     /* the payload of a request that is already refused */
	CONNECTION_RESPONSE, /* no request is read until it is written */
	/* Out of step: reads until the client has closed, so that the response is not lost. */
	CONNECTION_FAREWELL,
};

struct control_connection {
	struct control_shared *shared;
	struct control_connection *next;
	struct control_connection *previous;
	int fd;
	struct event_source *source;
	enum connection_state state;
	uint64_t last_progress;

	struct control_request request;
	size_t received; /* of what is being read: header or payload */
	void *payload;
	size_t capacity;

	struct control_response response;
	struct message message;
	struct control_answer answer;
	size_t sent;
	bool last; /* nothing is read after this response */
};

static void free_payload(struct control_connection *connection)
{
	connection->shared->memory -= connection->capacity;
	connection->capacity = 0;
	free(connection->payload);
	connection->payload = NULL;
}

static void free_answer(struct control_connection *connection)
{
	connection->shared->memory -= connection->answer.length;
	free(connection->answer.payload);
	connection->answer = (struct control_answer){0};
}

void control_connection_close(struct control_connection *connection)
{
	struct control_shared *shared = connection->shared;

	if (connection->next)
		connection->next->previous = connection->previous;
	if (connection->previous)
		connection->previous->next = connection->next;
	else
		shared->connections = connection->next;
	shared->n_connections--;

	free_payload(connection);
	free_answer(connection);
	event_source_free(connection->source);
	close(connection->fd);
	free(connection);
	shared->closed(shared);
}

struct control_connection *control_connection_find_idle(const struct control_shared *shared,
							uint64_t since)
{
	struct control_connection *longest = NULL;

	for (struct control_connection *connection = shared->connections; connection;
	     connection = connection->next) {
		if (connection->state == CONNECTION_HEADER && connection->received == 0 &&
		    connection->last_progress <= since) {
			since = connection->last_progress;
			longest = connection;
		}
	}
	return longest;
}

/*
 * The steps below return 0 to go on with the (next) state's step at once, -EAGAIN to wait until the
 * socket is ready (again, so that the other clients have their turn), and any other error to drop
 * the connection.
 */

static void respond(struct control_connection *connection, int error, bool last)
{
	connection->response = (struct control_response){
		.magic = CONTROL_MAGIC,
		.error = error,
		.message_length = (uint32_t)strlen(connection->message.text),
		.length = connection->answer.length,
	};
	connection->sent = 0;
	connection->last = last;
	connection->state = CONNECTION_RESPONSE;
}

static void handle_request(struct control_connection *connection)
{
	struct control_shared *shared = connection->shared;
	int error;

	/* Before anything is done: what has been done must be told. */
	if (shared->memory > shared->options->max_memory)
		error = message_error(&connection->message, ENOMEM,
				      "too many answers are waiting to be read, try again");
	else
		error = shared->options->handler(shared->options->data, &connection->request,
						 &connection->payload, &connection->answer,
						 &connection->message);
	shared->memory += connection->answer.length;
	free_payload(connection);
	respond(connection, error, false);
}

/* The response waits until the rest of the payload has been skipped, so as to stay in step. */
static int refuse_request(struct control_connection *connection, int error)
{
	free_payload(connection);
	connection->response.error = error;
	connection->state = CONNECTION_SKIP;
	return 0;
}

/* Bytes received (at least one), -EAGAIN, or an error when there will be no more. */
static ssize_t receive(struct control_connection *connection, void *buffer, size_t size)
{
	ssize_t received = recv(connection->fd, buffer, size, 0);

	if (received == 0)
		return -ECONNRESET;
	if (received < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	return received;
}

static int start_request(struct control_connection *connection)
{
	bool in_step;
	int error;

	connection->received = 0;
	connection->message.text[0] = '\0';
	error = control_frame_check(&connection->request, &in_step, &connection->message);
	if (!error)
		connection->state = CONNECTION_PAYLOAD;
	else if (in_step)
		refuse_request(connection, error);
	else
		respond(connection, error, true);
	return 0;
}

static int read_header(struct control_connection *connection)
{
	ssize_t received =
		receive(connection, (uint8_t *)&connection->request + connection->received,
			sizeof(connection->request) - connection->received);

	if (received < 0)
		return (int)received;

	connection->last_progress = event_loop_now();
	connection->received += (size_t)received;
	return connection->received < sizeof(connection->request) ? -EAGAIN
								  : start_request(connection);
}

static int grow_payload(struct control_connection *connection)
{
	struct control_shared *shared = connection->shared;
	size_t capacity = connection->capacity ? GROWTH * connection->capacity : FIRST_CAPACITY;
	void *payload;

	if (capacity > connection->request.length)
		capacity = connection->request.length;
	if (shared->memory + capacity - connection->capacity > shared->options->max_memory)
		return message_error(&connection->message, ENOMEM,
				     "other requests take up too much memory, try again");
	payload = realloc(connection->payload, capacity);
	if (!payload)
		return message_error(&connection->message, ENOMEM, "out of memory");

	shared->memory += capacity - connection->capacity;
	connection->payload = payload;
	connection->capacity = capacity;
	return 0;
}

static int read_payload(struct control_connection *connection)
{
	size_t room;
	ssize_t received;
	int error;

	if (connection->received == connection->request.length) {
		handle_request(connection);
		return 0;
	}

	if (connection->received == connection->capacity) {
		error = grow_payload(connection);
		if (error)
			return refuse_request(connection, error);
	}
	room = connection->capacity - connection->received;
	received = receive(connection, (uint8_t *)connection->payload + connection->received,
			   room < READ_SHARE ? room : READ_SHARE);
	if (received < 0)
		return (int)received;

	connection->last_progress = event_loop_now();
	connection->received += (size_t)received;
	return connection->received < connection->request.length ? -EAGAIN : 0;
}

static ssize_t discard(struct control_connection *connection, size_t size)
{
	static uint8_t unused[64 << 10];

	return receive(connection, unused, size < sizeof(unused) ? size : sizeof(unused));
}

static int skip_payload(struct control_connection *connection)
{
	ssize_t received;

	if (connection->received == connection->request.length) {
		respond(connection, connection->response.error, false);
		return 0;
	}
	received = discard(connection, connection->request.length - connection->received);
	if (received < 0)
		return (int)received;

	connection->last_progress = event_loop_now();
	connection->received += (size_t)received;
	return connection->received < connection->request.length ? -EAGAIN : 0;
}

/* Fills @parts with what is still to be sent of header, message and answer; returns their number.
 */
static size_t unsent_parts(const struct control_connection *connection, struct iovec parts[3])
{
	const struct iovec whole[3] = {
		{(void *)&connection->response, sizeof(connection->response)},
		{(void *)connection->message.text, connection->response.message_length},
		{connection->answer.payload, connection->answer.length},
	};
	size_t skip = connection->sent, count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(whole); i++) {
		if (skip >= whole[i].iov_len) {
			skip -= whole[i].iov_len;
			continue;
		}
		parts[count].iov_base = (uint8_t *)whole[i].iov_base + skip;
		parts[count++].iov_len = whole[i].iov_len - skip;
		skip = 0;
	}
	return count;
}

static int finish_response(struct control_connection *connection)
{
	free_answer(connection);
	connection->received = 0;
	if (connection->last) {
		shutdown(connection->fd, SHUT_WR);
		connection->state = CONNECTION_FAREWELL;
	} else {
		connection->state = CONNECTION_HEADER;
	}
	return -EAGAIN;
}

static int write_response(struct control_connection *connection)
{
	struct iovec parts[3];
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = unsent_parts(connection, parts)};
	ssize_t sent = sendmsg(connection->fd, &message, MSG_NOSIGNAL);

	if (sent < 0)
		return errno == EINTR ? -EAGAIN : -errno;

	connection->last_progress = event_loop_now();
	connection->sent += (size_t)sent;
	return unsent_parts(connection, parts) ? -EAGAIN : finish_response(connection);
}

/* What comes is no progress: the client has as long as the idle timeout to close. */
static int say_farewell(struct control_connection *connection)
{
	ssize_t received = discard(connection, SIZE_MAX);

	return received < 0 ? (int)received : -EAGAIN;
}

static void watch_connection(struct control_connection *connection)
{
	bool between_messages = connection->state == CONNECTION_HEADER && connection->received == 0;

	event_source_watch(connection->source,
			   connection->state == CONNECTION_RESPONSE ? EPOLLOUT : EPOLLIN);
	event_source_set_deadline(connection->source,
				  between_messages
					  ? 0
					  : connection->last_progress +
						    connection->shared->options->idle_timeout);
}

static void on_connection_event(void *data, uint32_t events)
{
	static int (*const steps[])(struct control_connection *) = {
		[CONNECTION_HEADER] = read_header,    [CONNECTION_PAYLOAD] = read_payload,
		[CONNECTION_SKIP] = skip_payload,     [CONNECTION_RESPONSE] = write_response,
		[CONNECTION_FAREWELL] = say_farewell,
	};
	struct control_connection *connection = data;
	int error = events ? 0 : -ETIMEDOUT;

	while (!error)
		error = steps[connection->state](connection);

	if (error == -EAGAIN)
		watch_connection(connection);
	else
		control_connection_close(connection);
}

int control_connection_new(struct control_shared *shared, int fd)
{
	_cleanup_free_ struct control_connection *connection = calloc(1, sizeof(*connection));
	int error;

	if (!connection)
		return -ENOMEM;

	error = event_source_new(shared->loop, fd, EPOLLIN, on_connection_event, connection,
				 &connection->source);
	if (error)
		return error;

	connection->shared = shared;
	connection->fd = fd;
	connection->last_progress = event_loop_now();
	connection->next = shared->connections;
	if (connection->next)
		connection->next->previous = connection;
	shared->connections = connection;
	shared->n_connections++;
	(void)take_pointer(connection);
	return 0;
}
