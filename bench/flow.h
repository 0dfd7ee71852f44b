/* SPDX-License-Identifier: GPL-2.0-only OR GPL-2.0-or-later */
/*
 * One entry of a flow table: what a packet of the generated traffic has. The tables are files of
 * these entries, written by bench/measure/traffic.py.
 */
#pragma once

#include <linux/types.h>

/*
 * Of the remote end, which is the destination of what is sent from this machine, and the source of
 * all else: the port, and the last 20 bits of the address, are drawn for each packet.
 */
#define FLOW_RANDOM_PORT    0x01
#define FLOW_RANDOM_ADDRESS 0x02
/* Of TCP: opens a connection; else the packet carries data. */
#define FLOW_SYN 0x04

#define FLOW_RANDOM_ADDRESS_BITS 0xfffff

struct flow {
	__be32 source, destination;
	__be16 source_port, destination_port;
	__u8 protocol; /* UDP or TCP */
	__u8 flags;
	__u16 unused;
};
