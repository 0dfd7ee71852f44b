/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The devices of the calling thread's network namespace, as rtnetlink describes them. */
#pragma once

#include "common/message.h"

#include <libmnl/libmnl.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

struct device_description {
	uint32_t ifindex;
	char name[IFNAMSIZ];
	uint16_t type; /* ARPHRD_... */
	bool stacked;  /* it gets its packets from devices below it: a bridge, a VLAN ... */
	uint32_t xdp;  /* id of an XDP program, 0 if there is none */
};

/* @gone: the device has left the namespace; only its ifindex and name are to be relied on. */
typedef void (*device_event)(void *data, const struct device_description *device, bool gone);

/* A socket with the events of devices from now on; mnl_socket_close(). */
int device_events_listen(struct mnl_socket **ret_socket, struct message *message);

/* Tells the events that are waiting. -ENOBUFS if some were lost: device_events_list() helps. */
int device_events_receive(struct mnl_socket *socket, device_event event, void *data);

/* Tells all devices that are there. */
int device_events_list(device_event event, void *data);

/* Describes one device: -ENODEV if there is none. */
int device_events_describe(uint32_t ifindex, struct device_description *ret_device);
