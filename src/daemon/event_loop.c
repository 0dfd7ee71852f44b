// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/event_loop.h"

#include "common/cleanup.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <time.h>

struct event_source {
	struct event_loop *loop;
	struct event_source *next;
	struct event_source *previous;
	int fd;
	uint32_t events;
	event_callback callback;
	void *data;
	uint64_t deadline; /* 0: none */
};

struct event_loop {
	int epoll_fd;
	bool stopped;
	struct event_source *sources;
};

int event_loop_new(struct event_loop **ret_loop)
{
	_cleanup_free_ struct event_loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return -ENOMEM;

	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		return -errno;

	*ret_loop = take_pointer(loop);
	return 0;
}

void event_loop_free(struct event_loop *loop)
{
	if (!loop)
		return;

	close(loop->epoll_fd);
	free(loop);
}

int event_source_new(struct event_loop *loop, int fd, uint32_t events, event_callback callback,
		     void *data, struct event_source **ret_source)
{
	_cleanup_free_ struct event_source *source = calloc(1, sizeof(*source));
	struct epoll_event event = {.events = events};

	if (!source)
		return -ENOMEM;

	event.data.ptr = source;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;

	source->loop = loop;
	source->fd = fd;
	source->events = events;
	source->callback = callback;
	source->data = data;
	source->next = loop->sources;
	if (source->next)
		source->next->previous = source;
	loop->sources = source;
	*ret_source = take_pointer(source);
	return 0;
}

void event_source_free(struct event_source *source)
{
	if (!source)
		return;

	epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	if (source->next)
		source->next->previous = source->previous;
	if (source->previous)
		source->previous->next = source->next;
	else
		source->loop->sources = source->next;
	free(source);
}

void event_source_watch(struct event_source *source, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = source};

	if (source->events == events)
		return;

	/* Cannot fail for a descriptor that is already watched. */
	epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event);
	source->events = events;
}

void event_source_set_deadline(struct event_source *source, uint64_t deadline)
{
	source->deadline = deadline;
}

uint64_t event_loop_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return SECONDS(now.tv_sec) + (uint64_t)now.tv_nsec;
}

static struct event_source *earliest_deadline(const struct event_loop *loop)
{
	struct event_source *earliest = NULL;

	for (struct event_source *source = loop->sources; source; source = source->next) {
		if (source->deadline && (!earliest || source->deadline < earliest->deadline))
			earliest = source;
	}
	return earliest;
}

/* Milliseconds, rounded up so that the deadline has passed when the time is over; -1: for ever. */
static int time_until(const struct event_source *source)
{
	uint64_t milliseconds, now = event_loop_now();

	if (!source)
		return -1;
	if (source->deadline <= now)
		return 0;

	milliseconds = (source->deadline - now + 999999) / 1000000;
	return milliseconds < INT_MAX ? (int)milliseconds : INT_MAX;
}

static void run_expired(struct event_loop *loop)
{
	struct event_source *source;
	uint64_t now = event_loop_now();

	/* Searched anew each time: a callback may free any source. */
	while (!loop->stopped && (source = earliest_deadline(loop)) && source->deadline <= now) {
		source->deadline = 0;
		source->callback(source->data, 0);
	}
}

int event_loop_run(struct event_loop *loop)
{
	loop->stopped = false;
	while (!loop->stopped) {
		struct event_source *source;
		struct epoll_event event;
		/*
		 * One event at a time: a callback may free other sources, whose events would
		 * otherwise still be in the batch. epoll takes turns between those that are ready.
		 */
		int count =
			epoll_wait(loop->epoll_fd, &event, 1, time_until(earliest_deadline(loop)));

		if (count < 0 && errno != EINTR)
			return -errno;
		if (count > 0) {
			source = event.data.ptr;
			source->callback(source->data, event.events);
		}
		run_expired(loop);
	}
	return 0;
}

void event_loop_stop(struct event_loop *loop)
{
	loop->stopped = true;
}
