/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Predicates put to the test: what the steps, taken one after the other, do with a packet. And the
 * random numbers for packets and rules: the same in every run.
 */
#pragma once

#include "ruleset/extension.h"

enum outcome {
	NO_MATCH,
	MATCH,
	HOTDROP,
};

/* The values of a packet's fields. */
struct packet {
	struct value fields[FIELD_COUNT];
};

/* Residual predicates hold: they are compared as they stand. */
enum outcome predicate_evaluate(const struct predicate *predicate, const struct packet *packet);

/* The operand of the only residual predicate; NULL if there is none. Fails the test if more. */
const void *predicate_operand(const struct predicate *predicate, enum residual_kind kind,
			      size_t size);

/* Fails the test unless the intervals are in order, apart, not full, and inside of the field. */
void assert_well_formed(const struct predicate *predicate);

/* The extension, of IPv4 or, if it has none, of IPv6; fails the test if there is none at all. */
const struct extension *find_match(const char *name, uint8_t revision);

/* Clears @predicate, and compiles @payload into it for a rule of this protocol. */
void compile_match(const struct extension *extension, uint16_t protocol, const void *payload,
		   struct predicate *predicate);

/* What check() says of the payload in such a rule; fails the test if an error has no message. */
int check_match(const struct extension *extension, uint16_t protocol, bool protocol_inverted,
		const void *payload);

/* A number below @limit. */
uint32_t random_below(uint32_t limit);

/* Begins the sequence of numbers that belongs to @state; returns where the one before had got to.
 */
uint64_t random_start(uint64_t state);

/* A shape that packets have: any but SHAPE_BROKEN in IPv4, any but SHAPE_FRAGMENT_1 in IPv6. */
uint32_t random_shape(uint8_t family);
