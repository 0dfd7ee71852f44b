// SPDX-License-Identifier: GPL-2.0-or-later
#include "ruleset/predicate.h"

#include "ruleset/interval.h"

#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	struct value maximum;
} fields[FIELD_COUNT] = {
	[FIELD_SOURCE] = {"source address", {0, UINT32_MAX}},
	[FIELD_DESTINATION] = {"destination address", {0, UINT32_MAX}},
	[FIELD_IN_INTERFACE] = {"input interface", {UINT64_MAX, UINT64_MAX}},
	[FIELD_OUT_INTERFACE] = {"output interface", {UINT64_MAX, UINT64_MAX}},
	[FIELD_PROTOCOL] = {"protocol", {0, UINT8_MAX}},
	[FIELD_SHAPE] = {"packet shape", {0, SHAPE_COUNT - 1}},
	[FIELD_CONNTRACK] = {"connection state", {0, CONNTRACK_VALUES - 1}},
	[FIELD_HOP_LIMIT] = {"hop limit", {0, UINT8_MAX}},
	[FIELD_SOURCE_PORT] = {"source port", {0, UINT16_MAX}},
	[FIELD_DESTINATION_PORT] = {"destination port", {0, UINT16_MAX}},
	[FIELD_TCP_FLAGS] = {"TCP flags", {0, UINT8_MAX}},
	[FIELD_ICMP] = {"ICMP type and code", {0, UINT16_MAX}},
};

struct value field_maximum(uint8_t family, enum field field)
{
	if (family == NFPROTO_IPV6 && (field == FIELD_SOURCE || field == FIELD_DESTINATION))
		return VALUE_ALL_BITS;
	return fields[field].maximum;
}

const char *field_name(enum field field)
{
	return fields[field].name;
}

void predicate_clear(struct predicate *predicate)
{
	predicate->n_steps = 0;
	predicate->n_intervals = 0;
	predicate->operands_size = 0;
	predicate->failed = false;
}

void predicate_free(struct predicate *predicate)
{
	free(predicate->steps);
	free(predicate->intervals);
	free(predicate->operands);
	*predicate = (struct predicate){0};
}

/* @array with room for @needed elements, or NULL (and @array as it was). */
static void *with_room(struct predicate *predicate, void *array, uint32_t *maximum, size_t needed,
		       size_t element_size)
{
	uint32_t wanted = *maximum ? *maximum : 8;
	void *larger;

	if (needed <= *maximum)
		return array;
	while (wanted < needed && wanted <= UINT32_MAX / 2)
		wanted *= 2;

	larger = wanted < needed ? NULL : reallocarray(array, wanted, element_size);
	if (!larger) {
		predicate->failed = true;
		return NULL;
	}
	*maximum = wanted;
	return larger;
}

static struct step *add_step(struct predicate *predicate, enum step_kind kind)
{
	struct step *steps = with_room(predicate, predicate->steps, &predicate->max_steps,
				       (size_t)predicate->n_steps + 1, sizeof(*steps));
	struct step *step;

	if (!steps)
		return NULL;

	predicate->steps = steps;
	step = &steps[predicate->n_steps++];
	memset(step, 0, sizeof(*step));
	step->kind = kind;
	return step;
}

/* Room for @count intervals behind those in use; they are in use once a step refers to them. */
static struct interval *interval_room(struct predicate *predicate, size_t count)
{
	struct interval *intervals =
		with_room(predicate, predicate->intervals, &predicate->max_intervals,
			  predicate->n_intervals + count, sizeof(*intervals));

	if (!intervals)
		return NULL;

	predicate->intervals = intervals;
	return intervals + predicate->n_intervals;
}

/* A requirement of the @n_intervals that stand, normalized, in the room behind those in use. */
static void add_requirement(struct predicate *predicate, enum field field, wide mask, wide maximum,
			    uint32_t n_intervals)
{
	struct step *step;

	if (n_intervals == 1 &&
	    intervals_are_full(predicate->intervals + predicate->n_intervals, 1, maximum))
		return;

	step = add_step(predicate, STEP_REQUIRE);
	if (!step)
		return;

	step->requirement[0] = (struct requirement){
		.field = field,
		.mask = value_from(mask),
		.n_intervals = n_intervals,
		.first_interval = predicate->n_intervals,
	};
	predicate->n_intervals += n_intervals;
}

/* The union of @intervals or what it leaves of [0, @maximum], as a requirement. */
static void require_masked_set(struct predicate *predicate, enum field field, wide mask,
			       wide maximum, const struct interval *intervals, size_t n_intervals,
			       bool invert)
{
	struct interval *room = interval_room(predicate, n_intervals + 1);
	uint32_t n_kept;

	if (!room)
		return;

	if (n_intervals)
		memcpy(room, intervals, n_intervals * sizeof(*room));
	n_kept = intervals_normalize(room, n_intervals, maximum);
	if (invert)
		n_kept = intervals_complement(room, n_kept, maximum);
	add_requirement(predicate, field, mask, maximum, n_kept);
}

void predicate_require_set(struct predicate *predicate, enum field field,
			   const struct interval *intervals, size_t n_intervals, bool invert)
{
	require_masked_set(predicate, field, wide_from(VALUE_ALL_BITS),
			   wide_from(field_maximum(predicate->family, field)), intervals,
			   n_intervals, invert);
}

void predicate_require(struct predicate *predicate, enum field field, struct value first,
		       struct value last, bool invert)
{
	struct interval interval = {first, last};

	predicate_require_set(predicate, field, &interval, 1, invert);
}

/* The values of a narrow field that @mask leaves, one by one: (sub - free) & free counts them up.
 */
static void require_each_masked(struct predicate *predicate, enum field field, uint32_t value,
				uint32_t mask, bool invert)
{
	uint32_t unmasked = (uint32_t)field_maximum(predicate->family, field).low & ~mask;
	struct interval intervals[UINT8_MAX + 1];
	size_t n_intervals = 0;
	uint32_t bits = 0;

	do {
		intervals[n_intervals++] = INTERVAL(value | bits, value | bits);
		bits = (bits - unmasked) & unmasked;
	} while (bits);
	predicate_require_set(predicate, field, intervals, n_intervals, invert);
}

void predicate_require_masked(struct predicate *predicate, enum field field, struct value value,
			      struct value mask, bool invert)
{
	wide maximum = wide_from(field_maximum(predicate->family, field));
	wide bits = wide_from(mask) & maximum;
	wide unmasked = maximum & ~bits;
	wide number = wide_from(value);
	struct interval interval = {value, value};

	/* Most rules leave most of their header open. */
	if (!bits && !number && !invert)
		return;
	if (number & ~bits) {
		predicate_require_set(predicate, field, NULL, 0, invert);
	} else if ((unmasked & (unmasked + 1)) == 0) {
		interval.last = value_from(number | unmasked);
		predicate_require_set(predicate, field, &interval, 1, invert);
	} else if (maximum <= UINT8_MAX) {
		require_each_masked(predicate, field, (uint32_t)number, (uint32_t)bits, invert);
	} else {
		/* A masked value is never above the mask. */
		require_masked_set(predicate, field, bits, bits, &interval, 1, invert);
	}
}

void predicate_require_values(struct predicate *predicate, enum field field,
			      bool (*accepted)(uint32_t value, const void *argument),
			      const void *argument)
{
	uint64_t maximum = field_maximum(predicate->family, field).low;
	struct interval *room = interval_room(predicate, maximum / 2 + 1);
	uint32_t n_intervals = 0;
	bool inside = false;

	if (!room)
		return;

	for (uint64_t value = 0; value <= maximum; value++) {
		bool accept = accepted((uint32_t)value, argument);

		if (accept && inside)
			room[n_intervals - 1].last = VALUE(value);
		else if (accept)
			room[n_intervals++] = INTERVAL(value, value);
		inside = accept;
	}
	add_requirement(predicate, field, wide_from(VALUE_ALL_BITS), maximum, n_intervals);
}

void predicate_require_either(struct predicate *predicate, enum field one, enum field other,
			      const struct interval *intervals, size_t n_intervals)
{
	uint32_t n_steps = predicate->n_steps;
	struct step *step;

	predicate_require_set(predicate, one, intervals, n_intervals, false);
	if (predicate->n_steps == n_steps)
		return;

	step = &predicate->steps[n_steps];
	if (step->requirement[0].n_intervals == 0)
		return;

	/* Fields of the same width: what is normalized for one is so for the other. */
	step->kind = STEP_REQUIRE_EITHER;
	step->requirement[1] = step->requirement[0];
	step->requirement[1].field = other;
}

static bool is_in_shapes(uint32_t value, const void *shapes)
{
	return *(const uint32_t *)shapes & SHAPE_BIT(value);
}

void predicate_require_shapes(struct predicate *predicate, uint32_t shapes)
{
	predicate_require_values(predicate, FIELD_SHAPE, is_in_shapes, &shapes);
}

void predicate_hotdrop(struct predicate *predicate, uint32_t shapes)
{
	struct step *step;

	if (!shapes)
		return;

	step = add_step(predicate, STEP_HOTDROP);
	if (step)
		step->shapes = shapes;
}

void predicate_residual(struct predicate *predicate, enum residual_kind kind, const void *operand,
			size_t size)
{
	/* At least one word, so that there is an operand to point at. */
	size_t padded = size ? (size + 7) & ~(size_t)7 : 8;
	uint8_t *operands = with_room(predicate, predicate->operands, &predicate->max_operands,
				      predicate->operands_size + padded, 1);
	struct step *step;

	if (!operands)
		return;

	predicate->operands = operands;
	step = add_step(predicate, STEP_RESIDUAL);
	if (!step)
		return;

	step->residual.kind = kind;
	step->residual.size = (uint16_t)size;
	step->residual.operand = predicate->operands_size;
	if (size)
		memcpy(operands + predicate->operands_size, operand, size);
	memset(operands + predicate->operands_size + size, 0, padded - size);
	predicate->operands_size += (uint32_t)padded;
}

void predicate_never(struct predicate *predicate)
{
	predicate_require_set(predicate, FIELD_SHAPE, NULL, 0, false);
}
