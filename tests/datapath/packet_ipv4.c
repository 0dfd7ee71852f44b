// SPDX-License-Identifier: GPL-2.0-or-later
#include "packet_family.h"
#include "random_ruleset.h"

#include <linux/netfilter.h>
#include <netinet/in.h>

#define IP_SIZE 20u

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

static void put_address(uint8_t *bytes)
{
	put_u32(bytes, (uint32_t)random_address(NFPROTO_IPV4).low);
}

void packet_ipv4_randomize(struct packet_bytes *packet)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP,
					    47};
	uint32_t words = random_below(3) ? 5 : random_below(16);

	packet->bytes[9] = protocols[random_below(sizeof(protocols))];
	packet_randomize_transport(packet->bytes + words * 4, packet->bytes[9]);
	/* The IP header comes last: one whose length is a lie has the other header inside of it. */
	packet->bytes[0] = (uint8_t)(0x40 | words);
	put_u16(packet->bytes + 6, random_fragment());
	packet->bytes[8] = random_hop_limit();
	put_address(packet->bytes + 12);
	put_address(packet->bytes + 16);
	packet->size = 160 - random_below(8);
	if (!random_below(3))
		packet->size = IP_SIZE + random_below(words * 4 + 64 - IP_SIZE * (words > 5));
	put_u16(packet->bytes + 2, packet->size);
}

uint32_t packet_ipv4_make(struct packet_bytes *packet, uint8_t protocol, uint32_t source,
			  uint32_t destination)
{
	packet->bytes[0] = 0x45;
	put_u16(packet->bytes + 2, packet->size);
	packet->bytes[9] = protocol;
	put_u32(packet->bytes + 12, source);
	put_u32(packet->bytes + 16, destination);
	return IP_SIZE;
}

struct transport packet_ipv4_transport(const struct packet_bytes *packet)
{
	return (struct transport){
		.protocol = packet->bytes[9],
		.offset = (packet->bytes[0] & 15u) * 4,
		.fragment = get_u16(packet->bytes + 6) & 0x1fff,
	};
}

void packet_ipv4_parse(const struct packet_bytes *packet, struct packet *values)
{
	values->fields[FIELD_SOURCE] = VALUE(get_u32(packet->bytes + 12));
	values->fields[FIELD_DESTINATION] = VALUE(get_u32(packet->bytes + 16));
	values->fields[FIELD_HOP_LIMIT] = VALUE(packet->bytes[8]);
}
