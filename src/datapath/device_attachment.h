/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs on one device: where they go, and how they are exchanged; a part of devices.h. */
#pragma once

#include "datapath/device_events.h"
#include "datapath/devices.h"

/* Links are -1 where there is none. */
struct device_attachment {
	enum device_state state; /* DEVICE_NATIVE, DEVICE_GENERIC, DEVICE_TC; DEVICE_FAILED */
	enum device_state way;   /* of the ingress link */
	int ingress;
	int egress;
	bool beside_others; /* at TC because somebody else's XDP program is there */
};

#define DEVICE_DETACHED {.state = DEVICE_FAILED, .ingress = -1, .egress = -1}

/* What another attachment changed, to be completed or taken back. */
struct device_change {
	int new_ingress; /* a link besides the old one, -1 if the old one was updated */
	enum device_state state;
	bool updated_ingress;
	bool updated_egress;
	bool beside_others;
};

/*
 * Attaches to a device without programs of ours, in two steps: what comes in is more urgent, and
 * each link takes the kernel some ten milliseconds (an RCU grace period). Where libxdp's dispatcher
 * is, then at TC; where another program of somebody else is, likewise if @beside_others. Fills in
 * @reason (with why it failed, or why it is not what the mode would like; or "") in any case. Once
 * both have succeeded the state is no more DEVICE_FAILED; if one has failed the other is done all
 * the same, as better than nothing. EBUSY, ENODEV ...
 */
int device_attachment_ingress(struct device_attachment *attachment,
			      const struct device_description *device, enum devices_mode mode,
			      const struct devices_programs *programs, bool beside_others,
			      struct message *reason);
int device_attachment_egress(struct device_attachment *attachment,
			     const struct device_description *device,
			     const struct devices_programs *programs, struct message *reason);

void device_attachment_remove(struct device_attachment *attachment);

/*
 * Puts the new programs on the device, while the old ones stay where they cannot be updated in
 * place. To be followed by device_change_complete() or, also on failure, device_change_undo().
 */
int device_change_prepare(struct device_change *change, const struct device_attachment *attachment,
			  const struct device_description *device, enum devices_mode mode,
			  const struct devices_programs *programs, struct message *reason);

void device_change_complete(struct device_change *change, struct device_attachment *attachment);

/* @old: the programs that are to be there again. */
void device_change_undo(struct device_change *change, const struct device_attachment *attachment,
			const struct devices_programs *old);
