/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rtnetlink, of the calling thread's network namespace: dumps, and events without waiting. */
#pragma once

#include "common/message.h"

#include <libmnl/libmnl.h>
#include <stddef.h>

/* Large enough for the longest request that we make. */
#define ROUTE_NETLINK_REQUEST 256

/*
 * A socket that gets the events of @groups (RTNLGRP_...). To be closed with mnl_socket_close().
 */
int route_netlink_listen(const int *groups, size_t n_groups, struct mnl_socket **ret_socket,
			 struct message *message);

/*
 * Hands the messages that are waiting to @callback, which returns MNL_CB_OK. 0 when none is left;
 * -ENOBUFS if some were lost, those that follow are still to be read.
 */
int route_netlink_receive(struct mnl_socket *socket, mnl_cb_t callback, void *data);

/* Begins a request of @type (RTM_GET...) in @buffer, of ROUTE_NETLINK_REQUEST bytes. */
struct nlmsghdr *route_netlink_request(void *buffer, uint16_t type, size_t header_size);

/*
 * Sends @request and hands the answers to @callback, as a dump if NLM_F_DUMP is set. The kernel
 * makes a dump while it is read: nobody is waited for. -EINTR if the dump is inconsistent because
 * something changed meanwhile; the errno of the kernel's answer.
 */
int route_netlink_ask(struct nlmsghdr *request, mnl_cb_t callback, void *data);
