/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Follows the clock while a rule asks for the time of day. eBPF follows changes of the time itself;
 * the kernel's time zone, and how far atomic time is ahead, are looked up every second, because
 * nothing tells when they change.
 */
#pragma once

#include "daemon/event_loop.h"
#include "datapath/datapath.h"

struct clock_watch;

/* @datapath stays the caller's. Errors, with a reason in @message: ENOMEM, and epoll's. */
int clock_watch_new(struct event_loop *loop, struct datapath *datapath,
		    struct clock_watch **ret_watch, struct message *message);
void clock_watch_free(struct clock_watch *watch); /* accepts NULL */

/* To be called when a table may have been replaced. */
void clock_watch_update(struct clock_watch *watch);
