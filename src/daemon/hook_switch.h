/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hook that judges packets, while the daemon runs: changes it, with all that depends on it, and
 * follows devices and addresses while it is on devices.
 */
#pragma once

#include "common/message.h"
#include "daemon/event_loop.h"
#include "daemon/table_service.h"
#include "datapath/datapath.h"

struct hook_switch;

/*
 * All stay the caller's, and outlive it; the datapath has just been opened. Errors, with a reason
 * in @message: ENOMEM, and epoll's.
 */
int hook_switch_new(struct event_loop *loop, struct datapath *datapath,
		    struct table_service *tables, struct hook_switch **ret_hook,
		    struct message *message);
void hook_switch_free(struct hook_switch *hook); /* accepts NULL */

/*
 * When it returns 0, packets are judged at @wanted; before that each was judged at the old hook, at
 * the new one, or at both, and was counted once (docs/hooks.md has the exceptions). On failure
 * nothing has changed; errors, with a reason in @message, are those of datapath_hook_prepare() and
 * conntrack_switch_set().
 */
int hook_switch_change(struct hook_switch *hook, enum datapath_hook wanted,
		       struct message *message);

/* "netfilter", "xdp", "tc" */
const char *hook_switch_name(enum datapath_hook hook);

/* Returns false if no hook has this name. */
bool hook_switch_find(const char *name, enum datapath_hook *ret_hook);
