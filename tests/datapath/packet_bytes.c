// SPDX-License-Identifier: GPL-2.0-or-later
#include "packet_bytes.h"

#include "random_ruleset.h"

#include <netinet/in.h>
#include <string.h>

#define IP_SIZE  20u
#define TCP_SIZE 20u

static void put_u16(uint8_t *bytes, uint32_t value)
{
	bytes[0] = (uint8_t)(value >> 8);
	bytes[1] = (uint8_t)value;
}

static void put_u32(uint8_t *bytes, uint32_t value)
{
	put_u16(bytes, value >> 16);
	put_u16(bytes + 2, value & 0xffff);
}

static uint32_t get_u16(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 8 | bytes[1];
}

static uint32_t get_u32(const uint8_t *bytes)
{
	return get_u16(bytes) << 16 | get_u16(bytes + 2);
}

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

static uint32_t random_fragment(void)
{
	uint32_t flags = random_below(2) ? 0x4000 : 0; /* do not fragment */

	switch (random_below(16)) {
	case 0:
		return 0x2000; /* the first of more to come */
	case 1:
		return 1;
	case 2:
		return 0x2000 | (2 + random_below(0x1ffd));
	case 3:
		return 0x1fff;
	default:
		return flags;
	}
}

void packet_bytes_random(struct packet_bytes *packet)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP,
					    47};
	uint32_t words = random_below(3) ? 5 : random_below(16);
	uint8_t *transport = packet->bytes + words * 4;

	for (uint32_t i = 0; i < PACKET_MAX_SIZE; i++)
		packet->bytes[i] = (uint8_t)random_below(256);
	packet->bytes[9] = protocols[random_below(sizeof(protocols))];
	put_u16(transport, random_port());
	put_u16(transport + 2, random_port());
	if (packet->bytes[9] == IPPROTO_ICMP)
		put_u16(transport, random_below(4) << 8 | random_below(3));
	if (packet->bytes[9] == IPPROTO_TCP)
		random_tcp(transport);
	/* The IP header comes last: one whose length is a lie has the other header inside of it. */
	packet->bytes[0] = (uint8_t)(0x40 | words);
	put_u16(packet->bytes + 6, random_fragment());
	put_u32(packet->bytes + 12, random_address());
	put_u32(packet->bytes + 16, random_address());
	packet->size = PACKET_MAX_SIZE - random_below(8);
	if (!random_below(3))
		packet->size = IP_SIZE + random_below(words * 4 + 64 - IP_SIZE * (words > 5));
	put_u16(packet->bytes + 2, packet->size);
}

void packet_bytes_make(struct packet_bytes *packet, uint8_t protocol, uint32_t source,
		       uint32_t destination, uint16_t source_port, uint16_t destination_port)
{
	*packet = (struct packet_bytes){.size = IP_SIZE + 40};
	packet->bytes[0] = 0x45;
	put_u16(packet->bytes + 2, packet->size);
	packet->bytes[9] = protocol;
	put_u32(packet->bytes + 12, source);
	put_u32(packet->bytes + 16, destination);
	put_u16(packet->bytes + IP_SIZE, source_port);
	put_u16(packet->bytes + IP_SIZE + 2, destination_port);
	if (protocol == IPPROTO_TCP)
		packet->bytes[IP_SIZE + 12] = 5 << 4;
}

/* --- read --- */

static uint32_t transport_offset(const struct packet_bytes *packet)
{
	return (packet->bytes[0] & 15u) * 4;
}

static uint32_t tcp_header_size(const struct packet_bytes *packet)
{
	return (packet->bytes[transport_offset(packet) + 12] >> 4) * 4u;
}

static enum shape find_shape(const struct packet_bytes *packet)
{
	uint32_t offset = transport_offset(packet);
	uint32_t fragment = get_u16(packet->bytes + 6) & 0x1fff;

	if (fragment)
		return fragment == 1 ? SHAPE_FRAGMENT_1 : SHAPE_FRAGMENT;
	if (packet->size < offset + 4)
		return SHAPE_TINY;
	if (packet->size < offset + 8)
		return SHAPE_4_BYTES;
	if (packet->size < offset + TCP_SIZE)
		return SHAPE_8_BYTES;
	if (packet->bytes[9] == IPPROTO_TCP &&
	    (tcp_header_size(packet) < TCP_SIZE || packet->size < offset + tcp_header_size(packet)))
		return SHAPE_BAD_OPTIONS;
	return SHAPE_WHOLE;
}

void packet_bytes_parse(const struct packet_bytes *packet, struct packet *values)
{
	const uint8_t *transport = packet->bytes + transport_offset(packet);
	struct value *fields = values->fields;
	uint32_t shape = find_shape(packet);

	memset(values, 0, sizeof(*values));
	fields[FIELD_SOURCE] = VALUE(get_u32(packet->bytes + 12));
	fields[FIELD_DESTINATION] = VALUE(get_u32(packet->bytes + 16));
	fields[FIELD_PROTOCOL] = VALUE(packet->bytes[9]);
	fields[FIELD_SHAPE] = VALUE(shape);
	if (shape <= SHAPE_4_BYTES) {
		fields[FIELD_SOURCE_PORT] = VALUE(get_u16(transport));
		fields[FIELD_DESTINATION_PORT] = VALUE(get_u16(transport + 2));
	}
	if (shape <= SHAPE_8_BYTES)
		fields[FIELD_ICMP] = VALUE(get_u16(transport));
	if (shape <= SHAPE_BAD_OPTIONS)
		fields[FIELD_TCP_FLAGS] = VALUE(transport[13]);
}

bool packet_bytes_has_option(const struct packet_bytes *packet, uint32_t option)
{
	const uint8_t *at = packet->bytes + transport_offset(packet) + TCP_SIZE;
	const uint8_t *end = at - TCP_SIZE + tcp_header_size(packet);

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
