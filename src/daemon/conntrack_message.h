/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections in messages of ctnetlink (linux/netfilter/nfnetlink_conntrack.h). */
#pragma once

#include "datapath/tracker.h"

#include <libmnl/libmnl.h>
#include <stdbool.h>

/*
 * False if the message has no connection that the tracker of the hooks on devices could have: one
 * with translated addresses, in a zone, about to be removed ...
 */
bool conntrack_message_read(const struct nlmsghdr *header, struct tracker_listed *ret_connection);

/* Appends @connection to a message, which has room for 512 bytes. */
void conntrack_message_write(struct nlmsghdr *header, const struct tracker_listed *connection);
