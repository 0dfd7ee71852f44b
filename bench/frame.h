/* SPDX-License-Identifier: GPL-2.0-only OR GPL-2.0-or-later */
/* The smallest Ethernet frame, without its checksum. */
#pragma once

#include <linux/types.h>

#define FRAME_SIZE  60
#define FRAME_WORDS (FRAME_SIZE / sizeof(__u32))

struct frame {
	__u32 words[FRAME_WORDS];
};
