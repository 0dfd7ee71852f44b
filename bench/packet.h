/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The UDP packet that is measured, of either family, in an Ethernet frame of one size. */
#pragma once

#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <stdint.h>

/*
 * Of an Ethernet frame, without its checksum: what IPv6 and UDP take with the payload that fills
 * IPv4's smallest frame.
 */
#define FRAME_SIZE  80
#define PACKET_SIZE (FRAME_SIZE - sizeof(struct ether_header))

struct packet_ipv4 {
	struct iphdr ip;
	struct udphdr udp;
	uint8_t payload[PACKET_SIZE - sizeof(struct iphdr) - sizeof(struct udphdr)];
} __attribute__((packed));

struct packet_ipv6 {
	struct ip6_hdr ip;
	struct udphdr udp;
	uint8_t payload[PACKET_SIZE - sizeof(struct ip6_hdr) - sizeof(struct udphdr)];
} __attribute__((packed));

struct packet {
	struct ether_header ethernet; /* its type says which of the two it is */
	union {
		struct packet_ipv4 ipv4;
		struct packet_ipv6 ipv6;
	};
} __attribute__((packed));

/*
 * Parses SOURCE,DESTINATION,SOURCE-PORT,DESTINATION-PORT into a packet of the addresses' family;
 * the Ethernet addresses are 0. Returns 0 or -EINVAL, which is told on stderr.
 */
int packet_parse(const char *text, struct packet *ret_packet);

/* NFPROTO_IPV4 or NFPROTO_IPV6. */
uint8_t packet_family(const struct packet *packet);
