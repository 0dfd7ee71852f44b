/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bpf links that hold programs on a device of the calling thread's network namespace: while the
 * file descriptor is open nobody else can replace or remove the program, and when it is closed, or
 * its owner dies, the program is gone.
 *
 * tcx programs are put in front of all others of the device. One that stood before ours could keep
 * packets from us by returning TCX_PASS or TCX_REDIRECT, and so past the filter; those behind us
 * see what we have accepted (we return TCX_NEXT), as they would see what a driver hands up. Nothing
 * stops somebody from getting in front later.
 */
#pragma once

#include <stdint.h>

enum device_link_kind {
	DEVICE_LINK_XDP_NATIVE,
	DEVICE_LINK_XDP_GENERIC,
	DEVICE_LINK_TCX_INGRESS,
	DEVICE_LINK_TCX_EGRESS,
};

/*
 * Returns a link, which the caller closes, or a negative errno: EOPNOTSUPP (the driver has no
 * native XDP), EBUSY or EEXIST (another XDP program is there, or one on a device above), ENODEV,
 * EINVAL (a kernel before 6.6, for tcx), and whatever a driver says (ERANGE: its MTU is too large).
 */
int device_link_create(enum device_link_kind kind, uint32_t ifindex, int program_fd);

/*
 * Puts @program_fd in the place of the link's program: each packet meets the one or the other.
 * ENOLINK if the device is gone.
 */
int device_link_update(int link_fd, int program_fd);

/* The device that the link holds; 0 if that is gone. */
uint32_t device_link_ifindex(int link_fd);

/* Name of the program @id; "?" if it is gone. */
#define DEVICE_LINK_PROGRAM_NAME 16
void device_link_program_name(uint32_t id, char ret_name[DEVICE_LINK_PROGRAM_NAME]);
