// SPDX-License-Identifier: GPL-2.0-or-later
#include "packet_bytes.h"

#include "packet_family.h"
#include "random_ruleset.h"

#include <linux/netfilter.h>
#include <netinet/in.h>

#define TCP_SIZE 20u

/* --- made --- */

/* Mostly small numbers: ends of the list, no-operations, known kinds and short lengths. */
static void random_options(uint8_t *options, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		options[i] = (uint8_t)random_below(random_below(8) ? 6 : 256);
}

static void random_tcp(uint8_t *transport)
{
	uint32_t words = random_below(3) ? 5 : random_below(16);

	transport[12] = (uint8_t)(words << 4 | random_below(16));
	transport[13] = (uint8_t)random_below(random_below(4) ? 64 : 256);
	if (words > 5)
		random_options(transport + TCP_SIZE, words * 4 - TCP_SIZE);
}

void packet_randomize_transport(uint8_t *transport, uint8_t protocol)
{
	put_u16(transport, random_port());
	put_u16(transport + 2, random_port());
	if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6)
		put_u16(transport,
			(random_below(8) ? random_below(4) : 255) << 8 | random_below(3));
	if (protocol == IPPROTO_TCP)
		random_tcp(transport);
}

void packet_bytes_random(uint8_t family, struct packet_bytes *packet)
{
	packet->family = family;
	for (uint32_t i = 0; i < PACKET_MAX_SIZE; i++)
		packet->bytes[i] = (uint8_t)random_below(256);
	if (family == NFPROTO_IPV4)
		packet_ipv4_randomize(packet);
	else
		packet_ipv6_randomize(packet);
}

void packet_bytes_make(uint8_t family, struct packet_bytes *packet, uint8_t protocol,
		       uint32_t source, uint32_t destination, uint16_t source_port,
		       uint16_t destination_port)
{
	uint8_t *transport = packet->bytes;

	*packet = (struct packet_bytes){.family = family, .size = 80};
	if (family == NFPROTO_IPV4)
		transport += packet_ipv4_make(packet, protocol, source, destination);
	else
		transport += packet_ipv6_make(packet, protocol, source, destination);
	put_u16(transport, source_port);
	put_u16(transport + 2, destination_port);
	if (protocol == IPPROTO_TCP)
		transport[12] = 5 << 4;
}

/* --- read --- */

static struct transport find_transport(const struct packet_bytes *packet)
{
	return packet->family == NFPROTO_IPV4 ? packet_ipv4_transport(packet)
					      : packet_ipv6_transport(packet);
}

static uint32_t tcp_header_size(const uint8_t *transport)
{
	return (transport[12] >> 4) * 4u;
}

static enum shape find_shape(const struct packet_bytes *packet, const struct transport *transport)
{
	uint32_t offset = transport->offset;

	if (transport->broken)
		return SHAPE_BROKEN;
	if (transport->fragment)
		return transport->fragment == 1 && packet->family == NFPROTO_IPV4 ? SHAPE_FRAGMENT_1
										  : SHAPE_FRAGMENT;
	if (packet->size < offset + 4)
		return SHAPE_TINY;
	if (packet->size < offset + 8)
		return SHAPE_4_BYTES;
	if (packet->size < offset + TCP_SIZE)
		return SHAPE_8_BYTES;
	if (transport->protocol == IPPROTO_TCP) {
		uint32_t size = tcp_header_size(packet->bytes + offset);

		if (size < TCP_SIZE || packet->size < offset + size)
			return SHAPE_BAD_OPTIONS;
	}
	return SHAPE_WHOLE;
}

void packet_bytes_parse(const struct packet_bytes *packet, struct packet *values)
{
	struct transport transport = find_transport(packet);
	const uint8_t *header = packet->bytes + transport.offset;
	struct value *fields = values->fields;
	uint32_t shape = find_shape(packet, &transport);

	memset(values, 0, sizeof(*values));
	if (packet->family == NFPROTO_IPV4)
		packet_ipv4_parse(packet, values);
	else
		packet_ipv6_parse(packet, values);
	fields[FIELD_PROTOCOL] = VALUE(transport.protocol);
	fields[FIELD_SHAPE] = VALUE(shape);
	if (shape <= SHAPE_4_BYTES) {
		fields[FIELD_SOURCE_PORT] = VALUE(get_u16(header));
		fields[FIELD_DESTINATION_PORT] = VALUE(get_u16(header + 2));
	}
	if (shape <= SHAPE_8_BYTES)
		fields[FIELD_ICMP] = VALUE(get_u16(header));
	if (shape <= SHAPE_BAD_OPTIONS)
		fields[FIELD_TCP_FLAGS] = VALUE(header[13]);
}

bool packet_bytes_has_option(const struct packet_bytes *packet, uint32_t option)
{
	const uint8_t *transport = packet->bytes + find_transport(packet).offset;
	const uint8_t *at = transport + TCP_SIZE;
	const uint8_t *end = transport + tcp_header_size(transport);

	while (at < end) {
		if (*at == option)
			return true;
		if (*at < 2 || at + 1 == end || !at[1])
			at++;
		else
			at += at[1];
	}
	return false;
}
