// SPDX-License-Identifier: GPL-2.0-or-later
#include "rest/server.h"

#include "common/cleanup.h"
#include "daemon/listening_socket.h"
#include "rest/exchange.h"

#include <errno.h>
#include <microhttpd.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* While there is no room, or no file descriptor, for a client that waits: when to look again. */
#define RETRY_INTERVAL SECONDS(1)

/* Of a connection: its request's header has to fit, and what is read and written at once. */
#define CONNECTION_MEMORY ((size_t)32 << 10)

#define MILLISECONDS(count) ((uint64_t)(count) * 1000000u)

struct rest_connection {
	struct rest_server *server;
	struct rest_connection *next;
	struct rest_connection *previous;
	int fd; /* libmicrohttpd's */
	uint64_t deadline;
};

struct rest_server {
	struct rest_server_options options;
	struct rest_exchange_shared exchanges;
	struct event_loop *loop;
	struct listening_socket *listener;
	struct event_source *listener_source;
	struct MHD_Daemon *http;
	struct event_source *http_source;
	struct rest_connection *connections;
	unsigned int n_connections;
};

static void pause_accepting(struct rest_server *server)
{
	event_source_watch(server->listener_source, 0);
	event_source_set_deadline(server->listener_source, event_loop_now() + RETRY_INTERVAL);
}

static void resume_accepting(struct rest_server *server)
{
	event_source_watch(server->listener_source, EPOLLIN);
	event_source_set_deadline(server->listener_source, 0);
}

/* When to call libmicrohttpd again though nothing has happened. */
static uint64_t next_deadline(const struct rest_server *server)
{
	MHD_UNSIGNED_LONG_LONG milliseconds;
	uint64_t earliest = 0;

	if (MHD_get_timeout(server->http, &milliseconds) == MHD_YES)
		earliest = event_loop_now() + MILLISECONDS(milliseconds);
	for (const struct rest_connection *connection = server->connections; connection;
	     connection = connection->next)
		if (!earliest || connection->deadline < earliest)
			earliest = connection->deadline;
	return earliest;
}

/* libmicrohttpd knows of silence only; it notices that such a connection has ended. */
static void end_overdue(struct rest_server *server)
{
	uint64_t now = event_loop_now();

	for (struct rest_connection *connection = server->connections; connection;
	     connection = connection->next) {
		if (connection->deadline > now)
			continue;
		shutdown(connection->fd, SHUT_RDWR);
		connection->deadline = now + RETRY_INTERVAL;
	}
}

static void run_http(void *data, uint32_t events)
{
	struct rest_server *server = data;

	(void)events;
	end_overdue(server);
	server->exchanges.pieces = REST_SERVER_PIECES;
	MHD_run(server->http);
	event_source_set_deadline(server->http_source, next_deadline(server));
}

/* Best effort: who is not root is not waited for. */
static void refuse_peer(int fd, uid_t user)
{
	char body[128], answer[512];
	int length = snprintf(body, sizeof(body),
			      "{\"error\":{\"field\":\"user\",\"value\":\"%u\","
			      "\"reason\":\"only root is served\"}}\n",
			      user);

	length = snprintf(answer, sizeof(answer),
			  "HTTP/1.1 403 Forbidden\r\nConnection: close\r\n"
			  "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			  length, body);
	send(fd, answer, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void on_client(void *data, uint32_t events)
{
	struct rest_server *server = data;
	struct sockaddr address = {.sa_family = AF_UNIX};
	_cleanup_close_ int fd = -1;
	uid_t user;

	/* The interval is over: if somebody still waits, epoll says so at once. */
	if (!events) {
		resume_accepting(server);
		return;
	}
	if (server->n_connections >= server->options.max_clients) {
		pause_accepting(server);
		return;
	}
	fd = listening_socket_accept(server->listener, &user);
	if (fd < 0) {
		/* Out of files or memory: who waits still does, and epoll would never stop. */
		if (fd != -EAGAIN)
			pause_accepting(server);
		return;
	}
	if (user != 0) {
		refuse_peer(fd, user);
		return;
	}
	/* It closes the socket if it fails. */
	MHD_add_connection(server->http, take_fd(fd), &address, sizeof(address));
	event_source_set_deadline(server->http_source, next_deadline(server));
}

static void add_connection(struct rest_server *server, struct MHD_Connection *http, void **context)
{
	struct rest_connection *connection = calloc(1, sizeof(*connection));
	int fd = MHD_get_connection_info(http, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;

	if (!connection) {
		shutdown(fd, SHUT_RDWR);
		return;
	}
	connection->server = server;
	connection->fd = fd;
	connection->deadline = event_loop_now() + server->options.request_time;
	connection->next = server->connections;
	if (connection->next)
		connection->next->previous = connection;
	server->connections = connection;
	server->n_connections++;
	*context = connection;
}

static void remove_connection(struct rest_connection *connection)
{
	struct rest_server *server = connection->server;

	if (connection->next)
		connection->next->previous = connection->previous;
	if (connection->previous)
		connection->previous->next = connection->next;
	else
		server->connections = connection->next;
	server->n_connections--;
	free(connection);
	if (server->listener_source)
		resume_accepting(server);
}

static void on_connection(void *data, struct MHD_Connection *http, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		add_connection(data, http, context);
	else if (*context)
		remove_connection(*context);
}

static struct rest_connection *connection_of(struct MHD_Connection *http)
{
	return MHD_get_connection_info(http, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *http, const char *path,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_size, void **exchange)
{
	struct rest_server *server = data;
	struct rest_connection *connection = connection_of(http);
	enum MHD_Result result;

	(void)version;
	if (!connection)
		return MHD_NO;
	result = rest_exchange_continue(&server->exchanges, http, path, method, upload, upload_size,
					(struct rest_exchange **)exchange);
	if (result == MHD_YES && rest_exchange_is_answered(*exchange))
		connection->deadline = event_loop_now() + server->options.answer_time;
	return result;
}

static void on_completed(void *data, struct MHD_Connection *http, void **exchange,
			 enum MHD_RequestTerminationCode code)
{
	struct rest_server *server = data;
	struct rest_connection *connection = connection_of(http);

	(void)code;
	rest_exchange_free(*exchange);
	*exchange = NULL;
	if (connection)
		connection->deadline = event_loop_now() + server->options.request_time;
}

/* A NUL would hide what stands behind it from whoever compares texts. */
static size_t decode(void *data, struct MHD_Connection *http, char *text)
{
	size_t length = MHD_http_unescape(text);

	(void)data;
	(void)http;
	for (size_t i = 0; i < length; i++)
		if (!text[i])
			text[i] = '\1';
	return length;
}

static int start_http(struct rest_server *server, struct message *message)
{
	const union MHD_DaemonInfo *information;
	int error;

	server->http = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, on_request, server,
		MHD_OPTION_CONNECTION_LIMIT, server->options.max_clients,
		MHD_OPTION_CONNECTION_TIMEOUT, server->options.silence_seconds,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_NOTIFY_CONNECTION,
		on_connection, server, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
		MHD_OPTION_UNESCAPE_CALLBACK, decode, NULL, MHD_OPTION_STRICT_FOR_CLIENT, 1,
		MHD_OPTION_END);
	if (!server->http)
		return message_error(message, ENOMEM, "libmicrohttpd cannot be started: %s",
				     strerror(errno));
	information = MHD_get_daemon_info(server->http, MHD_DAEMON_INFO_EPOLL_FD);
	error = event_source_new(server->loop, information->epoll_fd, EPOLLIN, run_http, server,
				 &server->http_source);
	if (error)
		return message_error(message, -error, "epoll: %s", strerror(-error));
	return 0;
}

static int start(struct rest_server *server, const char *path, struct message *message)
{
	int error = start_http(server, message);

	if (!error)
		error = listening_socket_open(path, &server->listener, message);
	if (error)
		return error;
	error = event_source_new(server->loop, listening_socket_fd(server->listener), EPOLLIN,
				 on_client, server, &server->listener_source);
	return error ? message_error(message, -error, "%s: %s", path, strerror(-error)) : 0;
}

int rest_server_new(struct event_loop *loop, const char *path,
		    const struct rest_server_options *options, struct rest_server **ret_server,
		    struct message *message)
{
	struct rest_server *server = calloc(1, sizeof(*server));
	int error;

	if (!server)
		return message_error(message, ENOMEM, "out of memory");
	server->options = *options;
	server->loop = loop;
	server->exchanges = (struct rest_exchange_shared){
		.context = options->context,
		.routes = options->routes,
		.n_routes = options->n_routes,
	};
	error = start(server, path, message);
	if (error) {
		rest_server_free(server);
		return error;
	}
	*ret_server = server;
	return 0;
}

void rest_server_free(struct rest_server *server)
{
	if (!server)
		return;
	event_source_free(take_pointer(server->listener_source));
	listening_socket_close(server->listener);
	event_source_free(server->http_source);
	if (server->http)
		MHD_stop_daemon(server->http);
	free(server);
}
