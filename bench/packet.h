/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The UDP packet that is measured, in an Ethernet frame of the smallest size. */
#pragma once

#include "bench/frame.h"

#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdint.h>

struct packet {
	struct ether_header ethernet;
	struct iphdr ip;
	struct udphdr udp;
	uint8_t payload[FRAME_SIZE - sizeof(struct ether_header) - sizeof(struct iphdr) -
			sizeof(struct udphdr)];
} __attribute__((packed));

/*
 * Parses SOURCE,DESTINATION,SOURCE-PORT,DESTINATION-PORT into a packet with checksums; the Ethernet
 * addresses are 0. Returns 0 or -EINVAL, which is told on stderr.
 */
int packet_parse(const char *text, struct packet *ret_packet);
