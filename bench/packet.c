// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(struct packet) == FRAME_SIZE, "a packet fills its frame");

/* What the text of a packet has. */
struct words {
	char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN];
	uint16_t source_port, destination_port;
	uint8_t protocol;
};

/* RFC 1071 */
static uint16_t checksum(const uint8_t *bytes, size_t size)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < size; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	return htons((uint16_t)~sum);
}

/* No checksum: the filters are done with the packet before one would be looked at. */
static void write_transport(const struct words *words, uint8_t *to, size_t size)
{
	struct udphdr udp = {
		.source = htons(words->source_port),
		.dest = htons(words->destination_port),
		.len = htons((uint16_t)size),
	};
	struct tcphdr tcp = {
		.source = udp.source,
		.dest = udp.dest,
		.doff = sizeof(tcp) / 4,
		.syn = 1,
	};
	struct icmphdr icmp = {.type = ICMP_ECHO};

	memset(to, 0, size);
	if (words->protocol == IPPROTO_TCP)
		memcpy(to, &tcp, sizeof(tcp));
	else if (words->protocol == IPPROTO_ICMP)
		memcpy(to, &icmp, sizeof(icmp));
	else
		memcpy(to, &udp, sizeof(udp));
}

static bool make_ipv4(const struct words *words, struct packet *ret_packet)
{
	struct packet_ipv4 made = {
		.ip = {.version = 4,
		       .ihl = 5,
		       .tot_len = htons(PACKET_SIZE),
		       .ttl = 64,
		       .protocol = words->protocol},
	};

	if (inet_pton(AF_INET, words->source, &made.ip.saddr) != 1 ||
	    inet_pton(AF_INET, words->destination, &made.ip.daddr) != 1)
		return false;
	write_transport(words, made.transport, sizeof(made.transport));
	made.ip.check = checksum((const uint8_t *)&made.ip, sizeof(made.ip));
	*ret_packet = (struct packet){
		.ethernet.ether_type = htons(ETHERTYPE_IP),
		.ipv4 = made,
	};
	return true;
}

static bool make_ipv6(const struct words *words, struct packet *ret_packet)
{
	struct packet_ipv6 made = {
		.ip = {.ip6_flow = htonl(6u << 28),
		       .ip6_plen = htons(sizeof(made.transport)),
		       .ip6_nxt = words->protocol,
		       .ip6_hlim = 64},
	};

	if (inet_pton(AF_INET6, words->source, &made.ip.ip6_src) != 1 ||
	    inet_pton(AF_INET6, words->destination, &made.ip.ip6_dst) != 1)
		return false;
	write_transport(words, made.transport, sizeof(made.transport));
	*ret_packet = (struct packet){
		.ethernet.ether_type = htons(ETHERTYPE_IPV6),
		.ipv6 = made,
	};
	return true;
}

int packet_parse(const char *text, struct packet *ret_packet)
{
	struct words words = {.protocol = IPPROTO_UDP};

	if (sscanf(text, "%45[^,],%45[^,],%hu,%hu,%hhu", words.source, words.destination,
		   &words.source_port, &words.destination_port, &words.protocol) >= 4 &&
	    (make_ipv4(&words, ret_packet) || make_ipv6(&words, ret_packet)))
		return 0;
	fprintf(stderr, "not a packet: %s\n", text);
	return -EINVAL;
}

uint8_t packet_family(const struct packet *packet)
{
	return packet->ethernet.ether_type == htons(ETHERTYPE_IPV6) ? NFPROTO_IPV6 : NFPROTO_IPV4;
}
