/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What differs between the packets of the two families. Private to packet_bytes. */
#pragma once

#include "packet_bytes.h"

#include <string.h>

/* The header behind the IP headers. */
struct transport {
	bool broken;       /* it cannot be found; all others mean nothing then */
	uint8_t protocol;  /* its number */
	uint32_t offset;   /* from the start of the packet; means nothing in a later fragment */
	uint32_t fragment; /* offset of this fragment, in units of 8 bytes */
};

/* Fill random bytes up to be a packet of this family, and give it a size. */
void packet_ipv4_randomize(struct packet_bytes *packet);
void packet_ipv6_randomize(struct packet_bytes *packet);

/* The IP header of a packet that is zero but for its family and size; returns the header's size. */
uint32_t packet_ipv4_make(struct packet_bytes *packet, uint8_t protocol, uint32_t source,
			  uint32_t destination);
uint32_t packet_ipv6_make(struct packet_bytes *packet, uint8_t protocol, uint32_t source,
			  uint32_t destination);

struct transport packet_ipv4_transport(const struct packet_bytes *packet);
struct transport packet_ipv6_transport(const struct packet_bytes *packet);

/* The addresses, and the hop limit. */
void packet_ipv4_parse(const struct packet_bytes *packet, struct packet *values);
void packet_ipv6_parse(const struct packet_bytes *packet, struct packet *values);

/* Random ports, flags and options at @transport, the start of a header of @protocol. */
void packet_randomize_transport(uint8_t *transport, uint8_t protocol);

static inline void put_u16(uint8_t *bytes, uint32_t value)
{
	bytes[0] = (uint8_t)(value >> 8);
	bytes[1] = (uint8_t)value;
}

static inline void put_u32(uint8_t *bytes, uint32_t value)
{
	put_u16(bytes, value >> 16);
	put_u16(bytes + 2, value & 0xffff);
}

static inline uint32_t get_u16(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 8 | bytes[1];
}

static inline uint32_t get_u32(const uint8_t *bytes)
{
	return get_u16(bytes) << 16 | get_u16(bytes + 2);
}
