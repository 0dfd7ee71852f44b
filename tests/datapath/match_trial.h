/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Single matches put to the test: a rule with the match alone, many packets, and what the kernel's
 * match function, written down once more, makes of their bytes.
 */
#pragma once

#include "filter.h"

#include <stddef.h>

enum trial_outcome {
	TRIAL_NO_MATCH,
	TRIAL_MATCH,
	TRIAL_HOTDROP,
	TRIAL_DOOMED, /* a match and a hotdrop: the rule counts, and the packet is dropped */
	TRIAL_OUTCOMES,
};

/* What a match function gets. */
struct trial_packet {
	struct packet_bytes bytes;
	uint32_t transport; /* par->thoff */
	uint32_t fragment;  /* par->fragoff */
};

struct trial {
	const char *name;
	uint8_t revision;
	uint8_t protocol; /* of the rule and the packets; 0: the rule has none */
	size_t size;      /* of the payload */
	uint32_t n_payloads;
	uint32_t n_packets; /* for each */
	void (*make_payload)(void *payload);
	/* Fills in the transport header, @room bytes; the rest of the packet is made. May be NULL.
	 */
	void (*fill)(const void *payload, uint8_t *transport, uint32_t room);
	enum trial_outcome (*judge)(const void *payload, const struct trial_packet *packet);
	uint32_t outcomes; /* 1 << TRIAL_...: those that have to come up */
	uint8_t carried;   /* the packets' protocol if the rule has none; 0: UDP */
};

/* The payload has at most this size. */
#define TRIAL_MAX_PAYLOAD 2048

/* Runs them all, for the family that the test is built for. Returns what main() is to return. */
int trial_main(const struct trial *trials, size_t n);

/* The bytes from @offset on, if the packet has @size of them; else NULL. skb_header_pointer() */
const uint8_t *trial_bytes(const struct trial_packet *packet, uint32_t offset, uint32_t size);

static inline enum trial_outcome trial_match(bool matches)
{
	return matches ? TRIAL_MATCH : TRIAL_NO_MATCH;
}

static inline uint32_t trial_u16(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 8 | bytes[1];
}

static inline uint32_t trial_u32(const uint8_t *bytes)
{
	return trial_u16(bytes) << 16 | trial_u16(bytes + 2);
}
