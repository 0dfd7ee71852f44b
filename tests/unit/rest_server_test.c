// SPDX-License-Identifier: GPL-2.0-or-later
/* HTTP by routes of the test's own: bodies, streams, and whose turn it is. */
#include "common/cleanup.h"
#include "rest/server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#define BODY_LIMIT 1000
#define PIECES     1000
#define PATIENCE   SECONDS(20)

struct client {
	struct fixture *fixture;
	int fd;
	struct event_source *source;
	char answer[64 << 10];
	size_t length;
	bool ended;
};

struct fixture {
	struct event_loop *loop;
	struct rest_server *server;
	char path[64];
	struct client clients[16];
	size_t n_clients;
	/* Something else that the loop has to do, all the time. */
	int other_fd;
	struct event_source *other;
};

/* Streams of the last test. */
static struct {
	unsigned int alive;
	unsigned int made; /* pieces, since it was the turn of another source */
	unsigned int most; /* at any time */
} streams;

struct stream {
	struct rest_stream stream;
	unsigned int left;
	int failure; /* behind the last */
};

static int next_piece(struct rest_stream *base, struct rest_text *text)
{
	struct stream *stream = (struct stream *)base;

	if (++streams.made > streams.most)
		streams.most = streams.made;
	if (!stream->left)
		return stream->failure;
	/* Some pieces are empty. */
	if (--stream->left % 3)
		assert_int_equal(rest_text_append(text, "0,", 2), 0);
	return stream->left || stream->failure;
}

static void free_stream(struct rest_stream *stream)
{
	streams.alive--;
	free(stream);
}

static void answer_with_stream(struct rest_reply *reply, int failure)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	stream->stream = (struct rest_stream){next_piece, free_stream};
	stream->left = PIECES;
	stream->failure = failure;
	streams.alive++;
	reply->status = REST_OK;
	reply->stream = &stream->stream;
}

static void get_stream(const struct rest_context *context, const struct rest_request *request,
		       struct rest_reply *reply)
{
	(void)context;
	(void)request;
	answer_with_stream(reply, 0);
}

static void get_broken_stream(const struct rest_context *context,
			      const struct rest_request *request, struct rest_reply *reply)
{
	(void)context;
	(void)request;
	answer_with_stream(reply, -EIO);
}

static void put_echo(const struct rest_context *context, const struct rest_request *request,
		     struct rest_reply *reply)
{
	const struct rest_argument *name = &request->arguments[0];

	(void)context;
	rest_reply_json(reply, json_pack("{s:s%, s:O}", "name", name->text, (size_t)name->length,
					 "body", request->body));
}

static void get_nothing(const struct rest_context *context, const struct rest_request *request,
			struct rest_reply *reply)
{
	(void)context;
	(void)request;
	rest_reply_json(reply, NULL);
}

static const struct rest_route routes[] = {
	{"GET", "/v1/stream", get_stream},
	{"GET", "/v1/broken", get_broken_stream},
	{"GET", "/v1/nothing", get_nothing},
	{"PUT", "/v1/echo/{name}", put_echo, .body_limit = BODY_LIMIT},
};

static void on_other(void *data, uint32_t events)
{
	/* It stays readable: there is always something to do. */
	(void)data;
	(void)events;
	streams.made = 0;
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	const struct rest_server_options options = {
		.routes = routes,
		.n_routes = ARRAY_SIZE(routes),
		.max_clients = ARRAY_SIZE(fixture->clients),
		.request_time = PATIENCE,
		.answer_time = PATIENCE,
		.silence_seconds = 20,
	};
	struct message message = {""};

	snprintf(fixture->path, sizeof(fixture->path), "/tmp/bipt-rest-%d.sock", getpid());
	assert_int_equal(event_loop_new(&fixture->loop), 0);
	fixture->other_fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(event_source_new(fixture->loop, fixture->other_fd, EPOLLIN, on_other, NULL,
					  &fixture->other),
			 0);
	if (rest_server_new(fixture->loop, fixture->path, &options, &fixture->server, &message))
		fail_msg("%s", message.text);
	memset(&streams, 0, sizeof(streams));
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	for (size_t i = 0; i < fixture->n_clients; i++) {
		event_source_free(fixture->clients[i].source);
		cleanup_close(&fixture->clients[i].fd);
	}
	rest_server_free(fixture->server);
	assert_int_equal(streams.alive, 0);
	assert_int_equal(access(fixture->path, F_OK), -1);
	event_source_free(fixture->other);
	close(fixture->other_fd);
	event_loop_free(fixture->loop);
	free(fixture);
	return 0;
}

static void on_answer(void *data, uint32_t events)
{
	struct client *client = data;
	struct fixture *fixture = client->fixture;
	ssize_t length;

	streams.made = 0;
	if (!events)
		fail_msg("no end of the answer: %.*s", (int)client->length, client->answer);
	length = recv(client->fd, client->answer + client->length,
		      sizeof(client->answer) - 1 - client->length, MSG_DONTWAIT);
	if (length > 0) {
		client->length += (size_t)length;
		return;
	}
	if (length < 0 && errno == EAGAIN)
		return;
	client->ended = true;
	event_source_free(take_pointer(client->source));
	for (size_t i = 0; i < fixture->n_clients; i++)
		if (!fixture->clients[i].ended)
			return;
	event_loop_stop(fixture->loop);
}

static struct client *connect_client(struct fixture *fixture)
{
	struct client *client = &fixture->clients[fixture->n_clients++];
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	strcpy(address.sun_path, fixture->path);
	client->fixture = fixture;
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(client->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(event_source_new(fixture->loop, client->fd, EPOLLIN, on_answer, client,
					  &client->source),
			 0);
	event_source_set_deadline(client->source, event_loop_now() + PATIENCE);
	return client;
}

static struct client *send_request(struct fixture *fixture, const char *request, const char *fields,
				   const char *body)
{
	struct client *client = connect_client(fixture);
	_cleanup_free_ char *text = NULL;
	int length = asprintf(&text, "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n%s",
			      request, fields, body);

	assert_int_equal(send(client->fd, text, (size_t)length, MSG_NOSIGNAL), length);
	return client;
}

static void put(struct fixture *fixture, const char *body, const char *status, const char *expected)
{
	char length[64];
	struct client *client;

	snprintf(length, sizeof(length), "Content-Length: %zu\r\n", strlen(body));
	client = send_request(fixture, "PUT /v1/echo/a%20b", length, body);
	event_loop_run(fixture->loop);
	if (!strstr(client->answer, status) || !strstr(client->answer, expected))
		fail_msg("expected %s and %s, got: %s", status, expected, client->answer);
}

static void test_bodies_are_json(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, "{\"a\": [1]}", "200 OK", "{\"name\":\"a b\",\"body\":{\"a\":[1]}}");
	put(fixture, "", "400 Bad Request", "\"field\":\"body\"");
	put(fixture, "{\"a\": [1}", "400 Bad Request", "line 1");
	put(fixture, "{\"a\": 1, \"a\": 2}", "400 Bad Request", "\"field\":\"body\"");
	put(fixture, "{} {}", "400 Bad Request", "\"field\":\"body\"");
	put(fixture, "{\"a\": \"\xff\"}", "400 Bad Request", "\"field\":\"body\"");
}

static void test_bodies_have_limits(void **state)
{
	struct fixture *fixture = *state;
	char body[BODY_LIMIT + 2], chunked[2 * BODY_LIMIT];
	struct client *client;

	memset(body, ' ', sizeof(body));
	memcpy(body, "{}", 2);
	body[BODY_LIMIT] = '\0';
	put(fixture, body, "200 OK", "\"body\":{}");
	body[BODY_LIMIT] = ' ';
	body[BODY_LIMIT + 1] = '\0';
	put(fixture, body, "413 ", "may have 1000 bytes");

	/* Its length is not announced; the rest of it is heard, and not kept. */
	snprintf(chunked, sizeof(chunked), "%x\r\n%s\r\n5\r\n     \r\n0\r\n\r\n", BODY_LIMIT + 1,
		 body);
	client = send_request(fixture, "PUT /v1/echo/x", "Transfer-Encoding: chunked\r\n", chunked);
	event_loop_run(fixture->loop);
	assert_non_null(strstr(client->answer, "413 "));

	/* jansson has a limit of its own. */
	memset(body, '[', BODY_LIMIT);
	body[BODY_LIMIT] = '\0';
	put(fixture, body, "400 Bad Request", "\"field\":\"body\"");
}

static void test_want_of_memory_is_an_error(void **state)
{
	struct fixture *fixture = *state;
	struct client *client = send_request(fixture, "GET /v1/nothing", "", "");

	event_loop_run(fixture->loop);
	assert_non_null(strstr(client->answer, "500 "));
	assert_non_null(strstr(client->answer, "out of memory"));
}

static unsigned int count_values(const char *answer)
{
	unsigned int count = 0;

	for (const char *value = answer; (value = strstr(value, "0,")); value++)
		count++;
	return count;
}

static void test_streams_end(void **state)
{
	struct fixture *fixture = *state;
	struct client *client = send_request(fixture, "GET /v1/stream", "", "");

	event_loop_run(fixture->loop);
	assert_non_null(strstr(client->answer, "200 OK"));
	assert_int_equal(count_values(client->answer), PIECES - (PIECES + 2) / 3);
	assert_string_equal(client->answer + client->length - 5, "0\r\n\r\n");
	assert_int_equal(streams.alive, 0);
}

static void test_streams_break_off(void **state)
{
	struct fixture *fixture = *state;
	struct client *client = send_request(fixture, "GET /v1/broken", "", "");

	event_loop_run(fixture->loop);
	assert_non_null(strstr(client->answer, "200 OK"));
	assert_int_equal(count_values(client->answer), PIECES - (PIECES + 2) / 3);
	assert_null(strstr(client->answer, "\r\n0\r\n"));
	assert_int_equal(streams.alive, 0);
}

static void test_streams_share_a_turn_that_is_bounded(void **state)
{
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(fixture->clients); i++)
		send_request(fixture, "GET /v1/stream", "", "");
	event_loop_run(fixture->loop);
	for (size_t i = 0; i < ARRAY_SIZE(fixture->clients); i++)
		assert_int_equal(count_values(fixture->clients[i].answer),
				 PIECES - (PIECES + 2) / 3);
	/* Between two others' turns there may be HTTP's event and its deadline. */
	assert_in_range(streams.most, 1, 2 * REST_SERVER_PIECES);
}

static void test_clients_that_go_away_end_their_streams(void **state)
{
	struct fixture *fixture = *state;
	struct client *gone = send_request(fixture, "GET /v1/stream", "", "");
	struct client *other = send_request(fixture, "GET /v1/nothing", "", "");

	event_source_free(take_pointer(gone->source));
	close(take_fd(gone->fd));
	gone->ended = true;
	event_loop_run(fixture->loop);
	assert_non_null(strstr(other->answer, "500 "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bodies_are_json, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bodies_have_limits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_want_of_memory_is_an_error, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_streams_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_streams_break_off, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_streams_share_a_turn_that_is_bounded, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_clients_that_go_away_end_their_streams, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
