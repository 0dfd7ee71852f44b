// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>

_Static_assert(sizeof(struct packet) == sizeof(struct frame), "a packet fills its frame");

/* RFC 1071. The UDP checksum is left out (0, RFC 768). */
static uint16_t checksum(const uint8_t *bytes, size_t size)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < size; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	return htons((uint16_t)~sum);
}

int packet_parse(const char *text, struct packet *ret_packet)
{
	char source[INET_ADDRSTRLEN], destination[INET_ADDRSTRLEN];
	uint16_t source_port, destination_port;

	if (sscanf(text, "%15[^,],%15[^,],%hu,%hu", source, destination, &source_port,
		   &destination_port) != 4) {
		fprintf(stderr, "not a packet: %s\n", text);
		return -EINVAL;
	}
	*ret_packet = (struct packet){
		.ethernet.ether_type = htons(ETHERTYPE_IP),
		.ip = {.version = 4,
		       .ihl = 5,
		       .tot_len = htons(sizeof(*ret_packet) - sizeof(ret_packet->ethernet)),
		       .ttl = 64,
		       .protocol = IPPROTO_UDP,
		       .saddr = inet_addr(source),
		       .daddr = inet_addr(destination)},
		.udp = {.source = htons(source_port),
			.dest = htons(destination_port),
			.len = htons(sizeof(ret_packet->udp) + sizeof(ret_packet->payload))},
	};
	ret_packet->ip.check = checksum((const uint8_t *)ret_packet + offsetof(struct packet, ip),
					sizeof(ret_packet->ip));
	return 0;
}
