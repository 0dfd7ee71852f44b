// SPDX-License-Identifier: GPL-2.0-or-later
/* IPv6 packets, and the chain of extension headers as exthdrs_core.c ipv6_find_hdr() reads it. */
#include "datapath/ipv6_probe.h"
#include "packet_family.h"
#include "random_ruleset.h"

#include <netinet/in.h>

#define IP_SIZE 40u

/* Extension headers are put where they, and a whole TCP header behind them, have a place. */
#define EXTENSIONS_END (PACKET_MAX_SIZE - 64)

static uint64_t get_u64(const uint8_t *bytes)
{
	return (uint64_t)get_u32(bytes) << 32 | get_u32(bytes + 4);
}

static bool is_extension(uint8_t number)
{
	return number == IPPROTO_HOPOPTS || number == IPPROTO_ROUTING ||
	       number == IPPROTO_FRAGMENT || number == IPPROTO_AH || number == IPPROTO_DSTOPTS;
}

/* What an extension header says of its own length, but for a fragment header, which has just 8. */
static uint32_t extension_size(uint8_t number, const uint8_t *extension)
{
	switch (number) {
	case IPPROTO_FRAGMENT:
		return 8;
	case IPPROTO_AH:
		return 4 * (extension[1] + 2u);
	default:
		return 8 * (extension[1] + 1u);
	}
}

/* --- made --- */

/* Behind the offset are two bits that are ignored, and one for more to come. */
static uint32_t random_fragment(void)
{
	uint32_t low_bits = random_below(8);

	switch (random_below(6)) {
	case 0:
		return 1 << 3 | low_bits;
	case 1:
		return random_below(0x2000) << 3 | low_bits;
	default:
		return low_bits;
	}
}

/* Numbers that make it likely that the next header has its place in the packet. */
static uint8_t random_length(void)
{
	return (uint8_t)(random_below(12) ? random_below(3) : random_below(256));
}

/*
 * Puts extension headers into the packet. The number of each is in the first byte of the one
 * before, in @next. Returns where the last one ends, by what it says.
 */
static uint32_t random_extensions(struct packet_bytes *packet, uint8_t **next)
{
	static const uint8_t numbers[] = {IPPROTO_HOPOPTS,  IPPROTO_DSTOPTS,  IPPROTO_ROUTING,
					  IPPROTO_FRAGMENT, IPPROTO_FRAGMENT, IPPROTO_AH};
	uint32_t offset = IP_SIZE;

	for (uint32_t n = random_below(2) * random_below(6); n && offset < EXTENSIONS_END; n--) {
		uint8_t number = numbers[random_below(sizeof(numbers))];
		uint8_t *extension = packet->bytes + offset;

		extension[1] = random_length();
		if (number == IPPROTO_FRAGMENT)
			put_u16(extension + 2, random_fragment());
		**next = number;
		*next = extension;
		offset += extension_size(number, extension);
	}
	return offset;
}

static void put_address(uint8_t *bytes)
{
	struct value address = random_address(NFPROTO_IPV6);

	put_u32(bytes, (uint32_t)(address.high >> 32));
	put_u32(bytes + 4, (uint32_t)address.high);
	put_u32(bytes + 8, (uint32_t)(address.low >> 32));
	put_u32(bytes + 12, (uint32_t)address.low);
}

void packet_ipv6_randomize(struct packet_bytes *packet)
{
	static const uint8_t protocols[] = {IPPROTO_TCP,  IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMPV6,
					    IPPROTO_NONE, IPPROTO_ESP, 47};
	uint8_t *next = packet->bytes + 6;
	uint32_t offset = random_extensions(packet, &next);

	*next = protocols[random_below(sizeof(protocols))];
	if (offset < EXTENSIONS_END)
		packet_randomize_transport(packet->bytes + offset, *next);
	else
		offset = EXTENSIONS_END;
	packet->bytes[0] = 0x60;
	packet->bytes[7] = random_hop_limit();
	put_address(packet->bytes + 8);
	put_address(packet->bytes + 24);
	packet->size = PACKET_MAX_SIZE - random_below(8);
	if (!random_below(3))
		packet->size = IP_SIZE + random_below(offset + 64 - IP_SIZE);
	put_u16(packet->bytes + 4, packet->size - IP_SIZE);
}

uint32_t packet_ipv6_make(struct packet_bytes *packet, uint8_t protocol, uint32_t source,
			  uint32_t destination)
{
	packet->bytes[0] = 0x60;
	put_u16(packet->bytes + 4, packet->size - IP_SIZE);
	packet->bytes[6] = protocol;
	put_u32(packet->bytes + 20, source);
	put_u32(packet->bytes + 36, destination);
	return IP_SIZE;
}

/* --- read --- */

static bool checks_length(void)
{
	static enum { UNKNOWN, NO, YES } answer;

	if (answer == UNKNOWN)
		answer = ipv6_probe_checks_length() ? YES : NO;
	return answer == YES;
}

static bool has(const struct packet_bytes *packet, uint32_t offset, uint32_t size)
{
	return offset + size <= packet->size;
}

/* The bytes of the header that the kernel reads, to know where the next one is. */
static bool is_readable(const struct packet_bytes *packet, uint8_t number, uint32_t offset)
{
	bool is_long = number == IPPROTO_ROUTING || number == IPPROTO_FRAGMENT;

	return has(packet, offset, is_long ? 4 : 2);
}

struct transport packet_ipv6_transport(const struct packet_bytes *packet)
{
	struct transport transport = {.protocol = packet->bytes[6], .offset = IP_SIZE};

	while (is_extension(transport.protocol)) {
		const uint8_t *extension = packet->bytes + transport.offset;
		uint32_t size;

		if (!is_readable(packet, transport.protocol, transport.offset))
			return (struct transport){.broken = true};
		if (transport.protocol == IPPROTO_FRAGMENT && get_u16(extension + 2) >> 3)
			return (struct transport){
				.protocol = extension[0],
				.fragment = get_u16(extension + 2) >> 3,
				.broken = is_extension(extension[0]),
			};
		size = extension_size(transport.protocol, extension);
		if (checks_length() && !has(packet, transport.offset, size))
			return (struct transport){.broken = true};
		transport.protocol = extension[0];
		transport.offset += size;
	}
	return transport;
}

void packet_ipv6_parse(const struct packet_bytes *packet, struct packet *values)
{
	const uint8_t *bytes = packet->bytes;

	values->fields[FIELD_SOURCE] = (struct value){get_u64(bytes + 8), get_u64(bytes + 16)};
	values->fields[FIELD_DESTINATION] =
		(struct value){get_u64(bytes + 24), get_u64(bytes + 32)};
	values->fields[FIELD_HOP_LIMIT] = VALUE(bytes[7]);
}
