// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/device_watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

struct device_watch {
	struct device_filter *filter;
	struct event_source *sources[DEVICE_FILTER_FDS];
};

static void process(void *data, uint32_t events)
{
	struct device_watch *watch = data;
	struct message message = {""};
	uint64_t deadline = 0;

	(void)events;
	if (device_filter_process(watch->filter, &deadline, &message))
		fprintf(stderr, "bpf-iptablesd: %s\n", message.text);
	event_source_set_deadline(watch->sources[0], deadline);
}

int device_watch_new(struct event_loop *loop, struct device_filter *filter,
		     struct device_watch **ret_watch, struct message *message)
{
	struct device_watch *watch = calloc(1, sizeof(*watch));
	int fds[DEVICE_FILTER_FDS];
	int error = 0;

	if (!watch)
		return message_error(message, ENOMEM, "out of memory");
	watch->filter = filter;
	device_filter_fds(filter, fds);
	for (int i = 0; i < DEVICE_FILTER_FDS && !error; i++)
		error = event_source_new(loop, fds[i], EPOLLIN, process, watch, &watch->sources[i]);
	if (error) {
		device_watch_free(watch);
		return message_error(message, -error, "epoll: %s", strerror(-error));
	}
	process(watch, 0);
	*ret_watch = watch;
	return 0;
}

void device_watch_free(struct device_watch *watch)
{
	if (!watch)
		return;
	for (int i = 0; i < DEVICE_FILTER_FDS; i++)
		event_source_free(watch->sources[i]);
	free(watch);
}

void device_watch_report(void *data, const struct device_status *status)
{
	(void)data;
	if (status->state == DEVICE_FAILED)
		fprintf(stderr, "bpf-iptablesd: device %s is NOT FILTERED: %s\n", status->name,
			status->reason);
	else if (status->beside_others)
		fprintf(stderr, "bpf-iptablesd: device %s is filtered at TC: %s\n", status->name,
			status->reason);
}
