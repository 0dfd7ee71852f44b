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

struct table_service;

/*
 * @datapath and @conntrack (NULL: the datapath tracks connections itself) stay the caller's, and
 * must outlive the service. Brings connection tracking in line with the tables in force, whatever a
 * killed daemon left behind. Errors, with a reason in @message: ENOMEM, those of
 * conntrack_switch_set().
 */
int table_service_new(struct datapath *datapath, struct conntrack_switch *conntrack,
		      struct table_service **ret_service, struct message *message);

/* Switches connection tracking off, as far as the service asked for it; accepts NULL. */
void table_service_free(struct table_service *service);

/*
 * A control_handler (its data is the service): one operation of abi/control.h, from the request's
 * first check to the answer. On failure nothing has changed.
 */
int table_service_handle(void *service, const struct control_request *request, void **payload,
			 struct control_answer *ret_answer, struct message *message);
