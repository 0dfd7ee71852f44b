// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/clock_watch.h"

#include "common/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct clock_watch {
	struct datapath *datapath;
	struct event_source *source;
	int timer;
	bool on;
};

static void set_timer(struct clock_watch *watch, bool on)
{
	const struct itimerspec every_second = {
		.it_interval.tv_sec = on,
		.it_value.tv_sec = on,
	};

	if (timerfd_settime(watch->timer, 0, &every_second, NULL) == 0)
		watch->on = on;
}

static void on_timer(void *data, uint32_t events)
{
	struct clock_watch *watch = data;
	uint64_t expirations;

	(void)events;
	if (read(watch->timer, &expirations, sizeof(expirations)) > 0)
		datapath_follow_clock(watch->datapath);
}

void clock_watch_update(struct clock_watch *watch)
{
	bool wanted = datapath_asks_for_time(watch->datapath);

	if (wanted != watch->on)
		set_timer(watch, wanted);
}

int clock_watch_new(struct event_loop *loop, struct datapath *datapath,
		    struct clock_watch **ret_watch, struct message *message)
{
	struct clock_watch *watch = calloc(1, sizeof(*watch));
	int error;

	if (!watch)
		return message_error(message, ENOMEM, "out of memory");
	watch->datapath = datapath;
	watch->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (watch->timer < 0) {
		error = message_error(message, errno, "timerfd_create: %s", strerror(errno));
		free(watch);
		return error;
	}
	error = event_source_new(loop, watch->timer, EPOLLIN, on_timer, watch, &watch->source);
	if (error) {
		clock_watch_free(watch);
		return message_error(message, -error, "epoll: %s", strerror(-error));
	}
	clock_watch_update(watch);
	*ret_watch = watch;
	return 0;
}

void clock_watch_free(struct clock_watch *watch)
{
	if (!watch)
		return;
	event_source_free(watch->source);
	cleanup_close(&watch->timer);
	free(watch);
}
