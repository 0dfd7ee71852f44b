/* SPDX-License-Identifier: GPL-2.0-only OR GPL-2.0-or-later */
/*
 * A hash map from ifindex to enum device_cover, __u32 both: the devices whose packets the programs
 * on devices judge, or are not to be judged at all. A device that is not in it (yet) has to be
 * taken care of elsewhere.
 */
#pragma once

enum device_cover {
	DEVICE_COVERED_INGRESS = 1 << 0,
	DEVICE_COVERED_EGRESS = 1 << 1,
};

#define DEVICES_COVERED_MAX 16384
