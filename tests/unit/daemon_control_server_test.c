// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The control server, over real sockets: it runs in a thread of its own, the tests are its clients
 * and speak to it with blocking calls that give up after a while.
 */
#include "common/cleanup.h"
#include "daemon/control_server.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

#define MAX_CLIENTS 4
#define PATIENCE    20 /* seconds after which a test gives up */

/* Requests by which the tests tell the handler what to do; the operation is CONTROL_SET_REPLACE. */
enum behaviour {
	ECHO,        /* answers with the payload */
	FAIL,        /* fails with EBUSY and a message */
	FAIL_SILENT, /* fails with EBUSY and no message */
	LARGE,       /* answers with LARGE_SIZE bytes */
};

#define LARGE_SIZE (8u << 20)

struct fixture {
	char directory[64];
	char path[128];
	struct event_loop *loop;
	struct control_server *server;
	struct event_source *stop_source;
	int stop_fd;
	pthread_t thread;
	atomic_uint handled;
};

/* Keeps payloads of an odd length. */
static int handle(void *data, const struct control_request *request, void **payload,
		  struct control_answer *ret_answer, struct message *message)
{
	struct fixture *fixture = data;
	_cleanup_free_ void *kept = NULL;
	size_t length = request->length;
	uint8_t *answer;

	atomic_fetch_add(&fixture->handled, 1);
	if (request->operation == CONTROL_TABLE_IN_USE)
		return 0;

	switch (*(const uint8_t *)*payload) {
	case FAIL:
		return message_error(message, EBUSY, "no, because of %s", "that");
	case FAIL_SILENT:
		return -EBUSY;
	case LARGE:
		length = LARGE_SIZE;
		break;
	}
	answer = calloc(1, length);
	memcpy(answer, *payload, request->length);
	if (request->length % 2)
		kept = take_pointer(*payload);
	ret_answer->payload = answer;
	ret_answer->length = (uint32_t)length;
	return 0;
}

static void on_stop(void *data, uint32_t events)
{
	struct fixture *fixture = data;

	(void)events;
	event_loop_stop(fixture->loop);
}

static void *run_loop(void *data)
{
	struct fixture *fixture = data;

	event_loop_run(fixture->loop);
	return NULL;
}

static void start(struct fixture *fixture, uint64_t idle_timeout, size_t max_memory)
{
	struct control_server_options options = {
		.handler = handle,
		.data = fixture,
		.max_clients = MAX_CLIENTS,
		.idle_timeout = idle_timeout,
		.max_memory = max_memory,
	};
	struct message message = {""};

	memset(fixture, 0, sizeof(*fixture));
	strcpy(fixture->directory, "/tmp/bipt-control-XXXXXX");
	assert_non_null(mkdtemp(fixture->directory));
	snprintf(fixture->path, sizeof(fixture->path), "%s/sock", fixture->directory);
	assert_int_equal(event_loop_new(&fixture->loop), 0);
	fixture->stop_fd = eventfd(0, EFD_CLOEXEC);
	assert_true(fixture->stop_fd >= 0);
	assert_int_equal(event_source_new(fixture->loop, fixture->stop_fd, EPOLLIN, on_stop,
					  fixture, &fixture->stop_source),
			 0);
	assert_int_equal(control_server_new(fixture->loop, fixture->path, &options,
					    &fixture->server, &message),
			 0);
	assert_int_equal(pthread_create(&fixture->thread, NULL, run_loop, fixture), 0);
}

static void stop(struct fixture *fixture)
{
	eventfd_write(fixture->stop_fd, 1);
	pthread_join(fixture->thread, NULL);
	control_server_free(fixture->server);
	event_source_free(fixture->stop_source);
	event_loop_free(fixture->loop);
	close(fixture->stop_fd);
	assert_int_equal(access(fixture->path, F_OK), -1);
	assert_int_equal(rmdir(fixture->directory), 0);
}

static int connect_client(const struct fixture *fixture)
{
	const struct timeval patience = {.tv_sec = PATIENCE};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	strcpy(address.sun_path, fixture->path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static struct control_request make_request(uint8_t operation, uint32_t length)
{
	return (struct control_request){
		.magic = CONTROL_MAGIC,
		.version = CONTROL_VERSION,
		.family = NFPROTO_IPV4,
		.operation = operation,
		.length = length,
	};
}

static void send_all(int fd, const void *data, size_t size)
{
	for (size_t sent = 0; sent < size;) {
		ssize_t now = send(fd, (const uint8_t *)data + sent, size - sent, MSG_NOSIGNAL);

		assert_true(now > 0);
		sent += (size_t)now;
	}
}

static void receive_all(int fd, void *data, size_t size)
{
	for (size_t received = 0; received < size;) {
		ssize_t now = recv(fd, (uint8_t *)data + received, size - received, 0);

		assert_true(now > 0);
		received += (size_t)now;
	}
}

/* Reads a response, and throws its answer away; its text goes to @ret_text. */
static struct control_response receive_response(int fd, char ret_text[MESSAGE_SIZE])
{
	struct control_response response;
	_cleanup_free_ void *answer = NULL;

	receive_all(fd, &response, sizeof(response));
	assert_int_equal(response.magic, CONTROL_MAGIC);
	assert_true(response.message_length < MESSAGE_SIZE);
	receive_all(fd, ret_text, response.message_length);
	ret_text[response.message_length] = '\0';
	answer = malloc(response.length + 1);
	receive_all(fd, answer, response.length);
	return response;
}

static void assert_closed(int fd)
{
	char byte;
	ssize_t received = recv(fd, &byte, 1, 0);

	assert_true(received == 0 || (received < 0 && errno == ECONNRESET));
}

/* One request that succeeds, with an answer of @length bytes. */
static void assert_served(int fd, uint32_t length)
{
	struct control_request request = make_request(CONTROL_SET_REPLACE, length);
	_cleanup_free_ uint8_t *whole = calloc(1, sizeof(request) + length);
	_cleanup_free_ uint8_t *answer = calloc(1, length);
	uint8_t *payload = whole + sizeof(request);
	struct control_response response;

	memcpy(whole, &request, sizeof(request));
	for (uint32_t i = 1; i < length; i++)
		payload[i] = (uint8_t)(i * 7);
	/* In one piece: where the idle timeout is short, this is not to look like hanging. */
	send_all(fd, whole, sizeof(request) + length);
	receive_all(fd, &response, sizeof(response));
	assert_int_equal(response.magic, CONTROL_MAGIC);
	assert_int_equal(response.error, 0);
	assert_int_equal(response.message_length, 0);
	assert_int_equal(response.length, length);
	receive_all(fd, answer, length);
	assert_memory_equal(answer, payload, length);
}

static void serves_requests_one_after_the_other(void **state)
{
	const uint32_t lengths[] = {1, 2, 65535, 65536, 65537, 3000000};
	struct fixture fixture;
	int fd;

	(void)state;
	start(&fixture, SECONDS(PATIENCE), CONTROL_SERVER_MEMORY);
	fd = connect_client(&fixture);
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
		assert_served(fd, lengths[i]);
	close(fd);
	stop(&fixture);
}

static void serves_requests_in_pieces_and_in_one_piece(void **state)
{
	struct {
		struct control_request request;
		uint8_t payload[4];
	} two[2] = {
		{make_request(CONTROL_SET_REPLACE, 4), {ECHO, 1, 2, 3}},
		{make_request(CONTROL_SET_REPLACE, 4), {FAIL}},
	};
	struct fixture fixture;
	char text[MESSAGE_SIZE];
	int fd;

	(void)state;
	start(&fixture, SECONDS(PATIENCE), CONTROL_SERVER_MEMORY);
	fd = connect_client(&fixture);
	for (size_t i = 0; i < sizeof(two[0]); i++)
		send_all(fd, (uint8_t *)two + i, 1);
	assert_int_equal(receive_response(fd, text).error, 0);

	send_all(fd, two, sizeof(two));
	assert_int_equal(receive_response(fd, text).length, 4);
	assert_int_equal(receive_response(fd, text).error, -EBUSY);
	assert_string_equal(text, "no, because of that");
	close(fd);
	stop(&fixture);
}

static void passes_errors_on(void **state)
{
	struct control_request request = make_request(CONTROL_SET_REPLACE, 1);
	struct control_response response;
	struct fixture fixture;
	char text[MESSAGE_SIZE];
	uint8_t behaviour = FAIL_SILENT;
	int fd;

	(void)state;
	start(&fixture, SECONDS(PATIENCE), CONTROL_SERVER_MEMORY);
	fd = connect_client(&fixture);
	send_all(fd, &request, sizeof(request));
	send_all(fd, &behaviour, 1);
	response = receive_response(fd, text);
	assert_int_equal(response.error, -EBUSY);
	assert_int_equal(response.message_length, 0);
	assert_int_equal(response.length, 0);
	assert_served(fd, 10);
	close(fd);
	stop(&fixture);
}

/* The request is refused, its payload skipped, and the connection goes on. */
static void assert_refused(struct fixture *fixture, struct control_request request, int error)
{
	_cleanup_free_ void *payload = calloc(1, request.length + 1);
	unsigned int handled = atomic_load(&fixture->handled);
	char text[MESSAGE_SIZE];
	int fd = connect_client(fixture);

	send_all(fd, &request, sizeof(request));
	send_all(fd, payload, request.length);
	assert_int_equal(receive_response(fd, text).error, -error);
	assert_true(text[0]);
	assert_int_equal(atomic_load(&fixture->handled), handled);
	assert_served(fd, 100);
	close(fd);
}

static void refuses_and_stays_in_step(void **state)
{
	struct control_request request;
	struct fixture fixture;

	(void)state;
	start(&fixture, SECONDS(PATIENCE), CONTROL_SERVER_MEMORY);
	assert_refused(&fixture, make_request(0, 0), EINVAL);
	assert_refused(&fixture, make_request(0, 200000), EINVAL);
	assert_refused(&fixture, make_request(CONTROL_TABLE_IN_USE + 1, 3), EINVAL);
	assert_refused(&fixture, make_request(255, 0), EINVAL);
	assert_refused(&fixture, make_request(CONTROL_GET_INFO, sizeof(struct ipt_getinfo) + 1),
		       EINVAL);
	assert_refused(&fixture,
		       make_request(CONTROL_GET_ENTRIES, sizeof(struct ipt_get_entries) + 1),
		       EINVAL);
	assert_refused(&fixture,
		       make_request(CONTROL_GET_REVISION_MATCH, sizeof(struct xt_get_revision) + 1),
		       EINVAL);
	assert_refused(&fixture, make_request(CONTROL_GET_REVISION_TARGET, 1000000), EINVAL);
	assert_refused(&fixture, make_request(CONTROL_TABLE_IN_USE, 1), EINVAL);
	request = make_request(CONTROL_SET_REPLACE, 1);
	request.family = NFPROTO_ARP;
	assert_refused(&fixture, request, EAFNOSUPPORT);
	stop(&fixture);
}

/* The client is told so, although it goes on writing; then the connection is at its end. */
static void assert_dismissed(const struct fixture *fixture, struct control_request request,
			     int error)
{
	char text[MESSAGE_SIZE], garbage[1000];
	int fd = connect_client(fixture);

	memset(garbage, 'x', sizeof(garbage));
	send_all(fd, &request, sizeof(request));
	send_all(fd, garbage, sizeof(garbage));
	assert_int_equal(receive_response(fd, text).error, -error);
	assert_true(text[0]);
	assert_closed(fd);
	close(fd);
}

static void dismisses_who_is_out_of_step(void **state)
{
	struct control_request request = make_request(CONTROL_GET_INFO, 84);
	struct fixture fixture;

	(void)state;
	start(&fixture, SECONDS(PATIENCE), CONTROL_SERVER_MEMORY);
	request.magic++;
	assert_dismissed(&fixture, request, EPROTO);
	request = make_request(CONTROL_GET_INFO, 84);
	request.version++;
	assert_dismissed(&fixture, request, EPROTO);
	assert_dismissed(&fixture, make_request(CONTROL_SET_REPLACE, CONTROL_MAX_LENGTH + 1),
			 EMSGSIZE);
	assert_dismissed(&fixture, make_request(CONTROL_SET_REPLACE, UINT32_MAX), EMSGSIZE);
	assert_int_equal(atomic_load(&fixture.handled), 0);
	stop(&fixture);
}

static void memory_grows_with_what_arrives(void **state)
{
	struct control_request request = make_request(CONTROL_SET_REPLACE, CONTROL_MAX_LENGTH);
	struct fixture fixture;
	char text[MESSAGE_SIZE];
	int announcer, other;

	(void)state;
	/* Less than is announced: it is refused when the bytes come, not before. */
	start(&fixture, SECONDS(PATIENCE), 1 << 20);
	announcer = connect_client(&fixture);
	send_all(announcer, &request, sizeof(request));
	send_all(announcer, "xyz", 3);
	other = connect_client(&fixture);
	assert_served(other, 400000);
	close(announcer);

	request = make_request(CONTROL_SET_REPLACE, 5 << 20);
	send_all(other, &request, sizeof(request));
	for (unsigned int i = 0; i < 5 << 10; i++) {
		static const uint8_t kilobyte[1024];

		send_all(other, kilobyte, sizeof(kilobyte));
	}
	assert_int_equal(receive_response(other, text).error, -ENOMEM);
	assert_served(other, 400000);
	close(other);
	stop(&fixture);
}

static void slow_readers_hold_nobody_up(void **state)
{
	struct control_request request = make_request(CONTROL_SET_REPLACE, 1);
	struct fixture fixture;
	char text[MESSAGE_SIZE];
	uint8_t behaviour = LARGE;
	int slow, other;

	(void)state;
	start(&fixture, SECONDS(PATIENCE), LARGE_SIZE - 1);
	slow = connect_client(&fixture);
	send_all(slow, &request, sizeof(request));
	send_all(slow, &behaviour, 1);
	assert_int_equal(poll(&(struct pollfd){slow, POLLIN, 0}, 1, PATIENCE * 1000), 1);

	/* No payload, so that it is not the payload for which there is no room. */
	request = make_request(CONTROL_TABLE_IN_USE, 0);
	other = connect_client(&fixture);
	send_all(other, &request, sizeof(request));
	assert_int_equal(receive_response(other, text).error, -ENOMEM);

	/* The memory is free again when the answer has been read. */
	assert_int_equal(receive_response(slow, text).length, LARGE_SIZE);
	assert_served(other, 1000);
	assert_served(slow, 1000);
	close(slow);
	close(other);
	stop(&fixture);
}

static void the_dead_and_the_silent_harm_no_other(void **state)
{
	struct control_request request = make_request(CONTROL_SET_REPLACE, 1000);
	struct fixture fixture;
	int silent, other;

	(void)state;
	start(&fixture, SECONDS(PATIENCE), CONTROL_SERVER_MEMORY);
	silent = connect_client(&fixture);
	send_all(silent, &request, sizeof(request) - 1);
	for (unsigned int i = 0; i < 50; i++) {
		int dead = connect_client(&fixture);

		send_all(dead, &request, sizeof(request) - i % 3);
		close(dead);
	}
	other = connect_client(&fixture);
	assert_served(other, 10);
	assert_int_equal(atomic_load(&fixture.handled), 1);
	close(silent);
	close(other);
	stop(&fixture);
}

static void drops_who_hangs_in_a_message(void **state)
{
	struct control_request request = make_request(CONTROL_SET_REPLACE, 1000);
	struct fixture fixture;
	uint8_t large = LARGE;
	int in_header, in_payload, in_skip, in_response, idle;

	(void)state;
	start(&fixture, SECONDS(1) / 20, CONTROL_SERVER_MEMORY);
	idle = connect_client(&fixture);
	assert_served(idle, 10);

	in_header = connect_client(&fixture);
	send_all(in_header, &request, 1);
	assert_closed(in_header);
	close(in_header);

	in_payload = connect_client(&fixture);
	send_all(in_payload, &request, sizeof(request));
	send_all(in_payload, "x", 1);
	assert_closed(in_payload);
	close(in_payload);

	in_skip = connect_client(&fixture);
	request = make_request(0, 1000);
	send_all(in_skip, &request, sizeof(request));
	assert_closed(in_skip);
	close(in_skip);

	in_response = connect_client(&fixture);
	request = make_request(CONTROL_SET_REPLACE, 1);
	send_all(in_response, &request, sizeof(request));
	send_all(in_response, &large, 1);
	assert_int_equal(poll(&(struct pollfd){in_response, POLLHUP, 0}, 1, PATIENCE * 1000), 1);
	close(in_response);

	/* Between two messages a client may take its time. */
	assert_served(idle, 10);
	close(idle);
	stop(&fixture);
}

static void waits_for_room(void **state)
{
	struct control_request request = make_request(CONTROL_TABLE_IN_USE, 0);
	struct fixture fixture;
	char text[MESSAGE_SIZE];
	int clients[MAX_CLIENTS], next;

	(void)state;
	start(&fixture, SECONDS(PATIENCE), CONTROL_SERVER_MEMORY);
	for (size_t i = 0; i < MAX_CLIENTS; i++) {
		clients[i] = connect_client(&fixture);
		assert_served(clients[i], 10);
	}
	next = connect_client(&fixture);
	send_all(next, &request, sizeof(request));
	assert_served(clients[0], 10);
	assert_int_equal(poll(&(struct pollfd){next, POLLIN, 0}, 1, 0), 0);

	close(clients[1]);
	assert_int_equal(receive_response(next, text).error, 0);
	close(next);
	for (size_t i = 0; i < MAX_CLIENTS; i++) {
		if (i != 1)
			close(clients[i]);
	}
	stop(&fixture);
}

static void makes_room_by_the_longest_idle(void **state)
{
	struct fixture fixture;
	int clients[MAX_CLIENTS], next;

	(void)state;
	start(&fixture, SECONDS(1) / 20, CONTROL_SERVER_MEMORY);
	for (size_t i = 0; i < MAX_CLIENTS; i++) {
		clients[i] = connect_client(&fixture);
		assert_served(clients[i], 10);
	}
	assert_served(clients[0], 10);
	next = connect_client(&fixture);
	assert_served(next, 10);
	assert_closed(clients[1]);
	assert_served(clients[0], 10);
	close(next);
	for (size_t i = 0; i < MAX_CLIENTS; i++)
		close(clients[i]);
	stop(&fixture);
}

/* In a process of its own that is not root: 0 if it was refused, and told why. */
static int ask_as_nobody(const struct fixture *fixture)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct control_response response;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, fixture->path);
	if (setgid(65534) < 0 || setuid(65534) < 0)
		return 1;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return 2;
	if (recv(fd, &response, sizeof(response), MSG_WAITALL) != sizeof(response))
		return 3;
	return response.error == -EPERM && response.message_length > 0 ? 0 : 4;
}

static void serves_root_only(void **state)
{
	struct fixture fixture;
	struct stat status;
	int result, fd;
	pid_t child;

	(void)state;
	start(&fixture, SECONDS(PATIENCE), CONTROL_SERVER_MEMORY);
	assert_int_equal(stat(fixture.path, &status), 0);
	assert_int_equal(status.st_mode, S_IFSOCK | 0600);

	/* Even if somebody opens the door: the peer's identity is what counts. */
	assert_int_equal(chmod(fixture.directory, 0711), 0);
	assert_int_equal(chmod(fixture.path, 0666), 0);
	child = fork();
	if (child == 0)
		_exit(ask_as_nobody(&fixture));
	assert_int_equal(waitpid(child, &result, 0), child);
	assert_int_equal(result, 0);

	fd = connect_client(&fixture);
	assert_served(fd, 10);
	close(fd);
	stop(&fixture);
}

static void replaces_a_stale_socket_only(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct control_server_options options = {.handler = handle};
	struct control_server *server;
	struct event_loop *loop;
	struct message message = {""};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/bipt-stale-%d", getpid());
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(event_loop_new(&loop), 0);
	assert_int_equal(control_server_new(loop, address.sun_path, &options, &server, &message),
			 0);
	control_server_free(server);

	assert_int_equal(mkdir(address.sun_path, 0700), 0);
	assert_int_equal(control_server_new(loop, address.sun_path, &options, &server, &message),
			 -EEXIST);
	assert_non_null(strstr(message.text, "not a socket"));
	rmdir(address.sun_path);
	event_loop_free(loop);
}

static int needs_root(void **state)
{
	(void)state;
	if (geteuid() == 0)
		return 0;

	print_message("the control server serves root only: these tests must be run as root\n");
	return -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(serves_requests_one_after_the_other),
		cmocka_unit_test(serves_requests_in_pieces_and_in_one_piece),
		cmocka_unit_test(passes_errors_on),
		cmocka_unit_test(refuses_and_stays_in_step),
		cmocka_unit_test(dismisses_who_is_out_of_step),
		cmocka_unit_test(memory_grows_with_what_arrives),
		cmocka_unit_test(slow_readers_hold_nobody_up),
		cmocka_unit_test(the_dead_and_the_silent_harm_no_other),
		cmocka_unit_test(drops_who_hangs_in_a_message),
		cmocka_unit_test(waits_for_room),
		cmocka_unit_test(makes_room_by_the_longest_idle),
		cmocka_unit_test(serves_root_only),
		cmocka_unit_test(replaces_a_stale_socket_only),
	};

	return cmocka_run_group_tests_name("control_server", tests, needs_root, NULL);
}
