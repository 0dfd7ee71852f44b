/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The packet that is measured, of either family, in an Ethernet frame of one size. */
#pragma once

#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <stdint.h>

/*
 * Of an Ethernet frame, without its checksum: what IPv6 and UDP take with the payload that fills
 * IPv4's smallest frame.
 */
#define FRAME_SIZE  80
#define PACKET_SIZE (FRAME_SIZE - sizeof(struct ether_header))

struct packet_ipv4 {
	struct iphdr ip;
	uint8_t transport[PACKET_SIZE - sizeof(struct iphdr)];
} __attribute__((packed));

struct packet_ipv6 {
	struct ip6_hdr ip;
	uint8_t transport[PACKET_SIZE - sizeof(struct ip6_hdr)];
} __attribute__((packed));

struct packet {
	struct ether_header ethernet; /* its type says which of the two it is */
	union {
		struct packet_ipv4 ipv4;
		struct packet_ipv6 ipv6;
	};
} __attribute__((packed));

/*
 * Parses SOURCE,DESTINATION,SOURCE-PORT,DESTINATION-PORT[,PROTOCOL] into a packet of the addresses'
 * family; the Ethernet addresses are 0. PROTOCOL is a number, UDP's if there is none; TCP's packet
 * is a SYN, ICMP's an echo request without ports. Returns 0 or -EINVAL, which is told on stderr.
 */
int packet_parse(const char *text, struct packet *ret_packet);

/* NFPROTO_IPV4 or NFPROTO_IPV6. */
uint8_t packet_family(const struct packet *packet);
