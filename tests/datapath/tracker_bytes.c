// SPDX-License-Identifier: GPL-2.0-or-later
#include "tracker_bytes.h"

#include "abi/arena.h"
#include "abi/packet.h"

#include <arpa/inet.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <string.h>

static uint16_t checksum(const void *bytes, size_t size)
{
	const uint8_t *at = bytes;
	uint32_t sum = 0;

	for (size_t i = 0; i < size; i += 2)
		sum += (uint32_t)at[i] << 8 | at[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* Puts the IP header in front of @length bytes; returns its size. */
static uint32_t put_ip(uint8_t *bytes, int family, uint8_t protocol, uint8_t hop_limit,
		       const struct tracker_address *source,
		       const struct tracker_address *destination, uint32_t length)
{
	if (family == ARENA_IPV4) {
		struct iphdr header = {
			.version = 4,
			.ihl = 5,
			.tot_len = htons((uint16_t)(sizeof(header) + length)),
			.ttl = hop_limit,
			.protocol = protocol,
		};

		memcpy(&header.saddr, source, sizeof(header.saddr));
		memcpy(&header.daddr, destination, sizeof(header.daddr));
		header.check = checksum(&header, sizeof(header));
		memcpy(bytes, &header, sizeof(header));
		return sizeof(header);
	}
	struct ipv6hdr header = {
		.version = 6,
		.payload_len = htons((uint16_t)length),
		.nexthdr = protocol,
		.hop_limit = hop_limit,
	};

	memcpy(&header.saddr, source, sizeof(header.saddr));
	memcpy(&header.daddr, destination, sizeof(header.daddr));
	memcpy(bytes, &header, sizeof(header));
	return sizeof(header);
}

static uint32_t put_tcp(const struct tracker_packet *packet, uint8_t *bytes)
{
	struct tcphdr header = {
		.source = packet->transport.port.source,
		.dest = packet->transport.port.destination,
		.seq = htonl(packet->tcp.sequence),
		.ack_seq = htonl(packet->tcp.acknowledgement),
		.window = htons(packet->tcp.window),
	};

	memcpy(bytes, &header, sizeof(header));
	bytes[12] = (uint8_t)(packet->tcp.header_size / 4 << 4);
	bytes[13] = packet->tcp.flags;
	memcpy(bytes + sizeof(header), packet->tcp.options, TRACKER_OPTIONS);
	return packet->length;
}

/* The eight bytes that an ICMP error has to quote. */
static void put_start(uint8_t *bytes, uint8_t protocol, const union tracker_transport *transport)
{
	if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6) {
		bytes[0] = transport->icmp.type;
		bytes[1] = transport->icmp.code;
		memcpy(bytes + 4, &transport->icmp.id, sizeof(transport->icmp.id));
	} else {
		memcpy(bytes, transport, sizeof(*transport));
	}
}

static uint32_t put_icmp(const struct tracker_packet *packet, uint8_t *bytes)
{
	uint32_t at = 8, header;

	put_start(bytes, packet->protocol, &packet->transport);
	if (!packet->quoted.protocol)
		return packet->length;
	header = put_ip(bytes + at, packet->family, packet->quoted.protocol, 64,
			&packet->quoted.source, &packet->quoted.destination, 8);
	if (!packet->quoted.present)
		return at + header + 2; /* cut short */
	put_start(bytes + at + header, packet->quoted.protocol, &packet->quoted.transport);
	return at + header + 8;
}

static uint32_t put_transport(const struct tracker_packet *packet, uint8_t *bytes)
{
	struct udphdr udp = {
		.source = packet->transport.port.source,
		.dest = packet->transport.port.destination,
		.len = htons(packet->udp.length),
	};

	switch (packet->protocol) {
	case IPPROTO_TCP:
		return put_tcp(packet, bytes);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return put_icmp(packet, bytes);
	case IPPROTO_UDP:
		memcpy(bytes, &udp, sizeof(udp));
		return packet->length;
	default:
		return packet->length;
	}
}

uint32_t tracker_bytes(const struct tracker_packet *packet, uint8_t bytes[TRACKER_BYTES])
{
	static const uint32_t sizes[SHAPE_COUNT] = {
		[SHAPE_8_BYTES] = 8,
		[SHAPE_4_BYTES] = 4,
	};
	uint8_t transport[TRACKER_BYTES] = {0};
	uint32_t size = put_transport(packet, transport);
	uint32_t header;

	if (packet->shape == SHAPE_8_BYTES || packet->shape == SHAPE_4_BYTES ||
	    packet->shape == SHAPE_TINY)
		size = sizes[packet->shape];
	header = put_ip(bytes, packet->family, packet->protocol, packet->hop_limit, &packet->source,
			&packet->destination, size);
	memcpy(bytes + header, transport, size);
	return header + size;
}
