/* SPDX-License-Identifier: GPL-2.0-only OR GPL-2.0-or-later */
/*
 * An Ethernet frame, without its checksum: as big as IPv6 and UDP take with the payload that fills
 * IPv4's smallest frame.
 */
#pragma once

#include <linux/types.h>

#define FRAME_SIZE  80
#define FRAME_WORDS (FRAME_SIZE / sizeof(__u32))

struct frame {
	__u32 words[FRAME_WORDS];
};
