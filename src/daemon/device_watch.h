/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Follows devices and addresses, for hooks on devices, in the event loop. */
#pragma once

#include "daemon/event_loop.h"
#include "datapath/device_filter.h"

struct device_watch;

/* @filter stays the caller's. Errors, with a reason in @message: ENOMEM, and epoll's. */
int device_watch_new(struct event_loop *loop, struct device_filter *filter,
		     struct device_watch **ret_watch, struct message *message);
void device_watch_free(struct device_watch *watch); /* accepts NULL */

/*
 * For struct device_filter_options: says on standard error what is without a filter, or is filtered
 * beside others, and why.
 */
void device_watch_report(void *data, const struct device_status *status);
