// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/cleanup.h"
#include "daemon/event_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <cmocka.h>

/* A source that writes its name down, and what happened to it. */
struct witness {
	struct event_loop *loop;
	struct event_source *source;
	char *log;
	char name;
	int fd;
	struct witness *victim; /* whose source is freed */
	bool stops;
};

static void on_event(void *data, uint32_t events)
{
	struct witness *witness = data;
	size_t length = strlen(witness->log);

	witness->log[length] = witness->name;
	witness->log[length + 1] = events & EPOLLIN ? 'i' : events ? '?' : 'd';
	witness->log[length + 2] = '\0';
	if (events & EPOLLIN) {
		eventfd_t value;

		eventfd_read(witness->fd, &value);
	}
	if (witness->victim) {
		event_source_free(witness->victim->source);
		witness->victim->source = NULL;
	}
	if (witness->stops)
		event_loop_stop(witness->loop);
}

struct fixture {
	char log[64];
	struct event_loop *loop;
	struct witness witnesses[3]; /* a, b, c */
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_int_equal(event_loop_new(&fixture->loop), 0);
	for (size_t i = 0; i < ARRAY_SIZE(fixture->witnesses); i++) {
		struct witness *witness = &fixture->witnesses[i];

		witness->loop = fixture->loop;
		witness->log = fixture->log;
		witness->name = (char)('a' + i);
		witness->fd = eventfd(0, EFD_CLOEXEC);
		assert_true(witness->fd >= 0);
		assert_int_equal(event_source_new(fixture->loop, witness->fd, EPOLLIN, on_event,
						  witness, &witness->source),
				 0);
	}
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(fixture->witnesses); i++) {
		event_source_free(fixture->witnesses[i].source);
		close(fixture->witnesses[i].fd);
	}
	event_loop_free(fixture->loop);
	free(fixture);
	return 0;
}

static void calls_who_is_ready(void **state)
{
	struct fixture *fixture = *state;

	fixture->witnesses[1].stops = true;
	eventfd_write(fixture->witnesses[1].fd, 1);
	assert_int_equal(event_loop_run(fixture->loop), 0);
	assert_string_equal(fixture->log, "bi");
}

static void calls_at_deadlines_in_their_order_and_once(void **state)
{
	struct fixture *fixture = *state;
	uint64_t now = event_loop_now();

	fixture->witnesses[1].stops = true;
	event_source_set_deadline(fixture->witnesses[0].source, now + 2000000);
	event_source_set_deadline(fixture->witnesses[1].source, now + 3000000);
	event_source_set_deadline(fixture->witnesses[2].source, 1);
	assert_int_equal(event_loop_run(fixture->loop), 0);
	assert_true(event_loop_now() >= now + 3000000);
	assert_string_equal(fixture->log, "cdadbd");
}

static void forgets_deadlines_and_events_that_are_taken_back(void **state)
{
	struct fixture *fixture = *state;

	event_source_set_deadline(fixture->witnesses[0].source, 1);
	event_source_set_deadline(fixture->witnesses[0].source, 0);
	eventfd_write(fixture->witnesses[1].fd, 1);
	event_source_watch(fixture->witnesses[1].source, 0);
	fixture->witnesses[2].stops = true;
	event_source_set_deadline(fixture->witnesses[2].source, event_loop_now() + 1000000);
	assert_int_equal(event_loop_run(fixture->loop), 0);
	assert_string_equal(fixture->log, "cd");

	fixture->witnesses[1].stops = true;
	event_source_watch(fixture->witnesses[1].source, EPOLLIN);
	assert_int_equal(event_loop_run(fixture->loop), 0);
	assert_string_equal(fixture->log, "cdbi");
}

static void a_freed_source_is_not_called(void **state)
{
	struct fixture *fixture = *state;

	/* Both are ready, and each would free the other: only one of them is called. */
	fixture->witnesses[0].victim = &fixture->witnesses[1];
	fixture->witnesses[1].victim = &fixture->witnesses[0];
	eventfd_write(fixture->witnesses[0].fd, 1);
	eventfd_write(fixture->witnesses[1].fd, 1);
	fixture->witnesses[2].stops = true;
	event_source_set_deadline(fixture->witnesses[2].source, event_loop_now() + 1000000);
	assert_int_equal(event_loop_run(fixture->loop), 0);
	assert_int_equal(strlen(fixture->log), 4);
	assert_non_null(strstr(fixture->log, "cd"));
}

static void a_source_may_free_itself(void **state)
{
	struct fixture *fixture = *state;

	fixture->witnesses[0].victim = &fixture->witnesses[0];
	fixture->witnesses[0].stops = true;
	event_source_set_deadline(fixture->witnesses[0].source, 1);
	assert_int_equal(event_loop_run(fixture->loop), 0);
	assert_string_equal(fixture->log, "ad");
}

static void refuses_what_cannot_be_waited_for(void **state)
{
	struct fixture *fixture = *state;
	struct event_source *source = NULL;
	_cleanup_close_ int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_int_equal(event_source_new(fixture->loop, fd, EPOLLIN, on_event, NULL, &source),
			 -EPERM);
	assert_null(source);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(calls_who_is_ready),
		TEST(calls_at_deadlines_in_their_order_and_once),
		TEST(forgets_deadlines_and_events_that_are_taken_back),
		TEST(a_freed_source_is_not_called),
		TEST(a_source_may_free_itself),
		TEST(refuses_what_cannot_be_waited_for),
	};

	return cmocka_run_group_tests_name("event_loop", tests, NULL, NULL);
}
