/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IP packets as bytes: random ones, and what is to be read from them. */
#pragma once

#include "evaluate.h"

/* Behind this much is no header that a rule could look at. */
#define PACKET_MAX_SIZE 320u

struct packet_bytes {
	uint8_t family; /* NFPROTO_IPV4 or NFPROTO_IPV6 */
	uint32_t size;  /* that of the IP header at least: 20, 40 */
	uint8_t bytes[PACKET_MAX_SIZE];
};

/*
 * A packet with IP options or extension headers, and TCP options, sound or broken, of any protocol,
 * that may be a fragment and may be cut short anywhere behind the IP header's fixed part.
 */
void packet_bytes_random(uint8_t family, struct packet_bytes *ret_packet);

/*
 * A whole packet without options. Addresses and ports in host byte order; those of IPv6 are ::1 for
 * 1 and so on.
 */
void packet_bytes_make(uint8_t family, struct packet_bytes *ret_packet, uint8_t protocol,
		       uint32_t source, uint32_t destination, uint16_t source_port,
		       uint16_t destination_port);

/* The values of all fields but those of interfaces and connection tracking, which are 0. */
void packet_bytes_parse(const struct packet_bytes *packet, struct packet *ret_values);

/* Is the TCP option there, as xt_tcpudp.c tcp_find_option() finds it? In a packet that has all its
 * options. */
bool packet_bytes_has_option(const struct packet_bytes *packet, uint32_t option);
