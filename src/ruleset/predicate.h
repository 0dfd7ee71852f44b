/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A rule's conditions as a list of steps, in exactly the order in which ip_tables.c would evaluate
 * them: the IP header first, then match after match. The order matters where a match drops a packet
 * on the spot ("hotdrop"): that happens only if everything before it has matched.
 */
#pragma once

#include "abi/packet.h"
#include "abi/residual.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A field's value: IPv4 addresses, ports and so on in `low`, interface names in both. */
struct value {
	uint64_t high;
	uint64_t low;
};

struct interval {
	struct value first; /* inclusive */
	struct value last;  /* inclusive */
};

#define VALUE(number)        ((struct value){0, (number)})
#define VALUE_ALL_BITS       ((struct value){UINT64_MAX, UINT64_MAX})
#define INTERVAL(from, upto) ((struct interval){VALUE(from), VALUE(upto)})

/*
 * The largest value of a field: for IPv4 addresses UINT32_MAX, for IPv6 addresses and interface
 * names all bits. @family: NFPROTO_IPV4 or NFPROTO_IPV6.
 */
struct value field_maximum(uint8_t family, enum field field);

/* The field's name for messages: "source address", "destination port" ... */
const char *field_name(enum field field);

static inline int value_compare(struct value a, struct value b)
{
	if (a.high != b.high)
		return a.high < b.high ? -1 : 1;
	if (a.low != b.low)
		return a.low < b.low ? -1 : 1;
	return 0;
}

/*
 * "The field's value, after & mask, lies in one of these intervals." Intervals are sorted, do not
 * touch or overlap; none at all means that the rule never matches.
 */
struct requirement {
	enum field field;
	struct value mask; /* VALUE_ALL_BITS but for addresses with a non-contiguous mask */
	uint32_t n_intervals;
	uint32_t first_interval; /* index into predicate.intervals */
};

enum step_kind {
	STEP_REQUIRE,        /* requirement[0] must hold */
	STEP_REQUIRE_EITHER, /* requirement[0] or requirement[1] must hold */
	STEP_HOTDROP,        /* a packet of one of these shapes is dropped here */
	STEP_RESIDUAL,       /* anything that is not a field: evaluated in rule order */
};

struct step {
	enum step_kind kind;
	union {
		struct requirement requirement[2];
		uint32_t shapes;
		struct {
			uint16_t kind;    /* enum residual_kind */
			uint16_t size;    /* of the operand, bytes */
			uint32_t operand; /* offset into predicate.operands, multiple of 8 */
		} residual;
	};
};

/*
 * A builder and its result. Zero-initialized it is empty and matches everything; reset it with
 * predicate_clear() to use its memory for the next rule. Running out of memory is remembered
 * (`failed`), so that extensions need not check each call.
 */
struct predicate {
	uint8_t family; /* the width of addresses; set by ruleset_compile_entry() */
	struct step *steps;
	uint32_t n_steps;
	uint32_t max_steps;
	struct interval *intervals;
	uint32_t n_intervals;
	uint32_t max_intervals;
	uint8_t *operands;
	uint32_t operands_size;
	uint32_t max_operands;
	bool failed;
};

void predicate_clear(struct predicate *predicate);
void predicate_free(struct predicate *predicate); /* accepts a zeroed one */

/*
 * Value in [first, last], or outside of it if @invert. first > last is the empty interval. A
 * requirement that holds for every value of the field (all of [0, field_maximum]) adds no step.
 */
void predicate_require(struct predicate *predicate, enum field field, struct value first,
		       struct value last, bool invert);

/* (value & @mask) == @value, != if @invert; any mask, contiguous or not. @value bits outside of
 * @mask make it unsatisfiable, as in ip_packet_match(). */
void predicate_require_masked(struct predicate *predicate, enum field field, struct value value,
			      struct value mask, bool invert);

/* Value in the union of @intervals (any order, overlaps allowed), or outside of it if @invert. */
void predicate_require_set(struct predicate *predicate, enum field field,
			   const struct interval *intervals, size_t n_intervals, bool invert);

/* For fields with few values: accepted(value, argument) is asked for each of [0, field_maximum]. */
void predicate_require_values(struct predicate *predicate, enum field field,
			      bool (*accepted)(uint32_t value, const void *argument),
			      const void *argument);

/* One of the two fields has a value in the union of @intervals. */
void predicate_require_either(struct predicate *predicate, enum field one, enum field other,
			      const struct interval *intervals, size_t n_intervals);

/* The shape is one of @shapes (SHAPE_BIT()s). */
void predicate_require_shapes(struct predicate *predicate, uint32_t shapes);

/* Packets that got here and have one of @shapes are dropped. */
void predicate_hotdrop(struct predicate *predicate, uint32_t shapes);

/* The operand is copied; @size in bytes, 0 if the kind has none. */
void predicate_residual(struct predicate *predicate, enum residual_kind kind, const void *operand,
			size_t size);

/* The rule can never match. */
void predicate_never(struct predicate *predicate);
