/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which devices of the network namespace carry which programs, while devices come, go, are renamed
 * and moved. Works on the namespace of the calling thread. Not thread-safe: one owner. Nothing
 * here waits for others.
 *
 * In mode XDP the ingress program is attached by XDP in the driver, else by generic XDP, else at
 * TC (tcx), and always at TC
 *  - on devices without Ethernet header (tun ...): generic XDP runs there, but nothing tells the
 *    program that its packet begins with the IP header, and a tun driver with native XDP runs none
 *    of its own but that;
 *  - on lo, whose packets are large, shared, and without a checksum until they leave the machine;
 *  - on devices that are stacked on others (bridge, VLAN, macvlan, bond ...): what the packet is
 *    (skb->pkt_type) has been decided below and XDP cannot see it, the packet is an skb already,
 *    and a bond would hand the program down to its members, after which it could get no new ones;
 *  - where libxdp's dispatcher is: see xdp_dispatcher.h.
 * Egress programs are at TC. See device_links.h for the place among others' programs.
 *
 * A device that appears is announced when it exists, and often when it is up already; the programs
 * are attached then. Packets that it carries before that have not met them: see docs/hooks.md.
 */
#pragma once

#include "common/message.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum devices_mode {
	DEVICES_XDP,
	DEVICES_TC,
};

/* File descriptors that stay the caller's. @xdp may be -1 in mode TC. */
struct devices_programs {
	int xdp;
	int ingress;
	int egress;
};

enum device_state {
	DEVICE_NATIVE,   /* ingress by XDP in the driver */
	DEVICE_GENERIC,  /* ingress by generic XDP */
	DEVICE_TC,       /* ingress at TC */
	DEVICE_EXCLUDED, /* not filtered: the user wants it so */
	DEVICE_FAILED,   /* not filtered, or by half: attaching failed */
	DEVICE_GONE,     /* in reports only */
	DEVICE_STATES,
};

struct device_status {
	uint32_t ifindex;
	char name[IFNAMSIZ];
	enum device_state state;
	const char *reason; /* why it failed, or why it is not done as the mode would like; "" */
	bool beside_others; /* at TC because somebody else's XDP program is there */
};

typedef void (*device_report)(void *data, const struct device_status *status);

struct devices_options {
	enum devices_mode mode;
	struct devices_programs programs;
	/* Names of devices to leave alone; one that ends with '+' means all that begin so. */
	const char *const *excluded;
	size_t n_excluded;
	/*
	 * The maps of abi/devices.h, to be told which devices carry programs, or -1. They stay the
	 * caller's.
	 */
	int covered;
	int covered_low;
	/*
	 * Told of devices that change after devices_open(), and, by that and devices_switch(), of
	 * those beside others. Both these and DEVICE_FAILED are to reach the user: a device is
	 * without a filter, or not filtered at the hook that was asked for. May be NULL.
	 */
	device_report report;
	void *data;
};

struct devices;

/*
 * Attaches the programs to all devices that are there. Errors, with a reason in @message that names
 * the device; nothing stays attached then: EBUSY (somebody else's XDP program that is no
 * dispatcher), and what the kernel says. @options may go away; what it points to is copied, but for
 * the programs.
 */
int devices_open(const struct devices_options *options, struct devices **ret_devices,
		 struct message *message);

/* Detaches everything; accepts NULL. */
void devices_close(struct devices *devices);

/* To be told if the programs that are attached begin to judge only now. */
void devices_begin(struct devices *devices);

/* To be watched for input; devices_process_events() is then to be called. */
int devices_fd(const struct devices *devices);

/*
 * Follows what has happened to devices. A device that cannot be filtered is reported as failed and
 * tried again at each of its later events; one with another's XDP program is filtered at TC.
 * To be called at *@ret_deadline (CLOCK_MONOTONIC, nanoseconds; 0: none), too. Fails only if the
 * kernel does not answer any more.
 */
int devices_process_events(struct devices *devices, uint64_t *ret_deadline,
			   struct message *message);

/*
 * Puts other programs, or those of another mode, on the devices: in the place of the old ones where
 * that is possible, else beside them, so that packets may meet both. Others' XDP programs are left
 * alone, and are an error, as in devices_open(). On failure everything is as it was. To be followed
 * by one of the other two, without devices_process_events() in between; the old programs have to
 * stay open until then.
 */
int devices_switch_prepare(struct devices *devices, enum devices_mode mode,
			   const struct devices_programs *programs, struct message *message);
void devices_switch_undo(struct devices *devices);
void devices_switch_complete(struct devices *devices); /* the old programs leave */

/* Tells all devices, by ifindex. */
void devices_for_each(const struct devices *devices, device_report report, void *data);

/* "native", "generic", "tc", "excluded", "failed", "gone" */
const char *device_state_name(enum device_state state);
