// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/hook_switch.h"

#include "common/cleanup.h"
#include "daemon/conntrack_transfer.h"
#include "daemon/device_watch.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

struct hook_switch {
	struct event_loop *loop;
	struct datapath *datapath;
	struct table_service *tables;
	struct device_watch *devices; /* while the hook is on devices */
	int timer_fd;                 /* never ready: an event source for deadlines */
	struct event_source *timer;
};

static const char *const names[] = {
	[DATAPATH_NETFILTER] = "netfilter",
	[DATAPATH_XDP] = "xdp",
	[DATAPATH_TC] = "tc",
};

const char *hook_switch_name(enum datapath_hook hook)
{
	return names[hook];
}

bool hook_switch_find(const char *name, enum datapath_hook *ret_hook)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(name, names[i]) != 0)
			continue;
		*ret_hook = (enum datapath_hook)i;
		return true;
	}
	return false;
}

static unsigned int tracker_of(enum datapath_hook hook)
{
	return hook == DATAPATH_NETFILTER ? TABLE_TRACKER_KERNEL : TABLE_TRACKER_DATAPATH;
}

static void settle(void *data, uint32_t events)
{
	struct hook_switch *hook = data;
	uint64_t deadline;

	(void)events;
	if (datapath_hook_settle(hook->datapath, &deadline))
		(void)table_service_set_trackers(hook->tables,
						 tracker_of(datapath_hook(hook->datapath)), NULL);
	event_source_set_deadline(hook->timer, deadline);
}

static int open_timer(struct hook_switch *hook, struct message *message)
{
	int error = 0;

	hook->timer_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (hook->timer_fd < 0)
		return message_error(message, errno, "eventfd: %s", strerror(errno));
	error = event_source_new(hook->loop, hook->timer_fd, EPOLLIN, settle, hook, &hook->timer);
	return error ? message_error(message, -error, "epoll: %s", strerror(-error)) : 0;
}

/* The datapath's devices, if it has any, are followed from now on. */
static int watch_devices(struct hook_switch *hook, struct message *message)
{
	if (hook->devices || !datapath_devices(hook->datapath))
		return 0;
	return device_watch_new(hook->loop, datapath_devices(hook->datapath), &hook->devices,
				message);
}

int hook_switch_new(struct event_loop *loop, struct datapath *datapath,
		    struct table_service *tables, struct hook_switch **ret_hook,
		    struct message *message)
{
	struct hook_switch *hook = calloc(1, sizeof(*hook));
	int error;

	if (!hook)
		return message_error(message, ENOMEM, "out of memory");
	*hook = (struct hook_switch){
		.loop = loop, .datapath = datapath, .tables = tables, .timer_fd = -1};
	error = open_timer(hook, message);
	if (!error)
		error = watch_devices(hook, message);
	if (!error)
		error = table_service_set_trackers(tables, tracker_of(datapath_hook(datapath)),
						   message);
	if (error) {
		hook_switch_free(hook);
		return error;
	}
	*ret_hook = hook;
	return 0;
}

void hook_switch_free(struct hook_switch *hook)
{
	if (!hook)
		return;
	device_watch_free(hook->devices);
	event_source_free(hook->timer);
	cleanup_close(&hook->timer_fd);
	free(hook);
}

/*
 * The new hook's tracker gets to know the connections of the old one's, if there is another.
 * @first: what it may know from earlier times is no longer true.
 */
static int hand_over_connections(struct hook_switch *hook, enum datapath_hook before,
				 enum datapath_hook wanted, bool first, struct message *message)
{
	const struct tracker *tracker = datapath_tracker(hook->datapath);

	if (tracker_of(before) == tracker_of(wanted) || !table_service_tracks(hook->tables))
		return 0;
	if (before == DATAPATH_NETFILTER)
		return conntrack_transfer_from_kernel(tracker, message);
	return conntrack_transfer_to_kernel(tracker, first, message);
}

static void leave_devices(struct hook_switch *hook)
{
	device_watch_free(hook->devices);
	hook->devices = NULL;
}

/* All that can fail; to be undone by datapath_hook_cancel() and what goes with it. */
static int prepare(struct hook_switch *hook, enum datapath_hook before, enum datapath_hook wanted,
		   struct message *message)
{
	int error = watch_devices(hook, message);

	/* Known before they are tracked: what is picked up in the middle would be another's. */
	if (!error)
		error = hand_over_connections(hook, before, wanted, true, message);
	if (!error)
		error = table_service_set_trackers(
			hook->tables, tracker_of(before) | tracker_of(wanted), message);
	/* Those that began meanwhile. */
	if (!error)
		error = hand_over_connections(hook, before, wanted, false, message);
	return error;
}

static void undo(struct hook_switch *hook, enum datapath_hook before)
{
	(void)table_service_set_trackers(hook->tables, tracker_of(before), NULL);
	if (before == DATAPATH_NETFILTER)
		leave_devices(hook);
	datapath_hook_cancel(hook->datapath);
}

static void commit(struct hook_switch *hook, enum datapath_hook before, enum datapath_hook wanted)
{
	struct message message = {""};

	datapath_hook_commit(hook->datapath);
	if (hand_over_connections(hook, before, wanted, false, &message))
		fprintf(stderr,
			"bpf-iptablesd: connections that began just now are not known: %s\n",
			message.text);
	if (wanted == DATAPATH_NETFILTER)
		leave_devices(hook);
	settle(hook, 0);
}

int hook_switch_change(struct hook_switch *hook, enum datapath_hook wanted, struct message *message)
{
	enum datapath_hook before = datapath_hook(hook->datapath);
	int error;

	if (wanted == before)
		return 0;
	error = datapath_hook_prepare(hook->datapath, wanted, message);
	if (error)
		return error;
	error = prepare(hook, before, wanted, message);
	if (error)
		undo(hook, before);
	else
		commit(hook, before, wanted);
	return error;
}
