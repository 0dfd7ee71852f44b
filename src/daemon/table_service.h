/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plays the kernel's side of iptables' socket options (net/ipv4/netfilter/ip_tables.c, its
 * IPv6 twin, and net/netfilter/x_tables.c): the same checks in the same order with the same errors,
 * on the filter tables that the datapath has in force. Knows nothing of sockets.
 */
#pragma once

#include "abi/control.h"
#include "common/message.h"
#include "daemon/conntrack_switch.h"
#include "daemon/control_server.h"
#include "datapath/datapath.h"

#include <stdbool.h>

struct table_service;

/*
 * @datapath and @conntrack stay the caller's, and must outlive the service; but that the datapath
 * may be closed just before it is freed. Brings connection tracking by the kernel in line with the
 * tables in force, whatever a killed daemon left behind. Errors, with a reason in @message: ENOMEM,
 * those of conntrack_switch_set().
 */
int table_service_new(struct datapath *datapath, struct conntrack_switch *conntrack,
		      struct table_service **ret_service, struct message *message);

/* Who tracks connections while a rule asks for their state. */
enum table_tracker {
	TABLE_TRACKER_KERNEL = 1 << 0, /* for netfilter's hooks; at the beginning it is this one */
	TABLE_TRACKER_DATAPATH = 1 << 1, /* for those on devices */
};

/*
 * Those in @trackers (enum table_tracker) do from now on, and no others. On failure nothing has
 * changed: those of conntrack_switch_set(). Fails only if a tracker is added.
 */
int table_service_set_trackers(struct table_service *service, unsigned int trackers,
			       struct message *message);

/* Does any rule ask for the state of connections? */
bool table_service_tracks(const struct table_service *service);

/* Switches connection tracking off, as far as the service asked for it; accepts NULL. */
void table_service_free(struct table_service *service);

/*
 * A control_handler (its data is the service): one operation of abi/control.h, from the request's
 * first check to the answer. On failure nothing has changed.
 */
int table_service_handle(void *service, const struct control_request *request, void **payload,
			 struct control_answer *ret_answer, struct message *message);
