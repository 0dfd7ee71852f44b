/* SPDX-License-Identifier: GPL-2.0-only OR GPL-2.0-or-later */
/*
 * Maps from ifindex to enum device_cover, __u32 both: the devices whose packets the programs on
 * devices judge, or are not to be judged at all. A device that is not in them (yet) has to be taken
 * care of elsewhere. Small numbers, as nearly all devices have them, are in an array, as each
 * packet asks; all others are in a hash map.
 */
#pragma once

enum device_cover {
	DEVICE_COVERED_INGRESS = 1 << 0,
	DEVICE_COVERED_EGRESS = 1 << 1,
	DEVICE_COVERED_EXCLUDED = 1 << 2, /* its packets are not to be judged at all */
	/*
	 * The program that judges what comes in is so new that datagrams may be under way of which
	 * it has not seen all fragments.
	 */
	DEVICE_COVERED_OF_LATE = 1 << 3,
};

#define DEVICES_COVERED_LOW 4096 /* numbers below are in the array */
#define DEVICES_COVERED_MAX 16384

/*
 * A packet that a program on a device has left unjudged, because the stack was about to drop it,
 * is marked: if the stack's mind changes before it gets there (an address is added, say), the
 * programs on netfilter's hooks judge it. XDP marks by metadata in front of the frame, TC by
 * skb->tc_index. Metadata stays: where a device above judges the packet tc_index says so.
 */
#define DEVICE_LEFT_METADATA 0x7466656cu
#define DEVICE_LEFT_INDEX    0x746cu
#define DEVICE_JUDGED_INDEX  0x746au
