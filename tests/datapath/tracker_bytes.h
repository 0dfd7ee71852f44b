/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From what the tracker is told of a packet back to the packet. */
#pragma once

#include "abi/tracker.h"

#include <stdint.h>

#define TRACKER_BYTES 2048u

/*
 * Writes an IP packet of this description, and returns its size. It is as long as @packet->length
 * and the shape say; checksums behind IPv4's own header are not right.
 */
uint32_t tracker_bytes(const struct tracker_packet *packet, uint8_t bytes[TRACKER_BYTES]);
