// SPDX-License-Identifier: GPL-2.0-or-later
#include "compiler/conjunction.h"

#include "common/cleanup.h"
#include "compiler/grow.h"

#include <errno.h>
#include <string.h>

static struct value smaller(struct value a, struct value b)
{
	return value_compare(a, b) < 0 ? a : b;
}

static struct value larger(struct value a, struct value b)
{
	return value_compare(a, b) < 0 ? b : a;
}

/* Is every value of the intervals of @inner also one of @outer's? Both sorted and disjoint. */
static bool intervals_within(const struct interval *inner, uint32_t n_inner,
			     const struct interval *outer, uint32_t n_outer)
{
	uint32_t o = 0;

	for (uint32_t i = 0; i < n_inner; i++) {
		while (o < n_outer && value_compare(outer[o].last, inner[i].first) < 0)
			o++;
		if (o == n_outer || value_compare(outer[o].first, inner[i].first) > 0 ||
		    value_compare(outer[o].last, inner[i].last) < 0)
			return false;
	}
	return true;
}

static int intersect(struct conjunction_field *field, const struct interval *intervals,
		     uint32_t n_intervals)
{
	_cleanup_free_ struct interval *common =
		calloc((size_t)field->n_intervals + n_intervals + 1, sizeof(*common));
	uint32_t n_common = 0, a = 0, b = 0;

	if (!common)
		return -ENOMEM;
	while (a < field->n_intervals && b < n_intervals) {
		struct value first = larger(field->intervals[a].first, intervals[b].first);
		struct value last = smaller(field->intervals[a].last, intervals[b].last);

		if (value_compare(first, last) <= 0)
			common[n_common++] = (struct interval){first, last};
		if (value_compare(field->intervals[a].last, intervals[b].last) < 0)
			a++;
		else
			b++;
	}
	free(field->owned);
	field->owned = take_pointer(common);
	field->intervals = field->owned;
	field->n_intervals = n_common;
	return 0;
}

int conjunction_residual(struct conjunction *conjunction, uint16_t kind, uint32_t argument,
			 const void *operand, uint32_t size)
{
	uint32_t padded = (uint32_t)sizeof(struct residual) + ((size + 7) & ~7u);
	struct residual header = {
		.kind = (uint8_t)kind,
		.last_try = conjunction->sealed || RESIDUAL_HAS_EFFECT(kind),
		.size = (uint16_t)padded,
		.argument = argument,
	};
	uint8_t *place;

	if (GROW(conjunction->residuals, conjunction->max_residuals,
		 (uint64_t)conjunction->residuals_size + padded))
		return -ENOMEM;
	place = conjunction->residuals + conjunction->residuals_size;
	memset(place, 0, padded);
	memcpy(place, &header, sizeof(header));
	if (size)
		memcpy(place + sizeof(header), operand, size);
	conjunction->residuals_size += padded;
	conjunction->sealed = header.last_try;
	return 0;
}

/* Adds the requirement on its field, or else on @other (FIELD_COUNT: none), to the residuals. */
static int require_later(struct conjunction *conjunction, const struct requirement *requirement,
			 enum field other, const struct interval *intervals)
{
	size_t size = sizeof(struct residual_intervals) +
		      requirement->n_intervals * sizeof(struct interval);
	_cleanup_free_ struct residual_intervals *operand = calloc(1, size);

	_Static_assert(sizeof(operand->interval[0]) == sizeof(struct interval), "same layout");
	if (!operand)
		return -ENOMEM;
	operand->field = requirement->field;
	operand->other = other;
	operand->count = requirement->n_intervals;
	operand->mask.high = requirement->mask.high;
	operand->mask.low = requirement->mask.low;
	if (requirement->n_intervals)
		memcpy(operand->interval, intervals,
		       requirement->n_intervals * sizeof(struct interval));
	return conjunction_residual(conjunction, RESIDUAL_INTERVALS, 0, operand, (uint32_t)size);
}

int conjunction_require(struct conjunction *conjunction, uint32_t number,
			const struct requirement *requirement, const struct interval *intervals)
{
	struct conjunction_field *field = &conjunction->fields[number];

	if (number >= IMAGE_MAX_FIELDS || conjunction->sealed)
		return require_later(conjunction, requirement, FIELD_COUNT, intervals);
	if (number >= conjunction->n_fields)
		conjunction->n_fields = number + 1;
	if (!field->used) {
		*field = (struct conjunction_field){
			.used = true,
			.late = conjunction->dropped,
			.intervals = intervals,
			.n_intervals = requirement->n_intervals,
		};
		return 0;
	}
	if (intervals_within(field->intervals, field->n_intervals, intervals,
			     requirement->n_intervals))
		return 0;
	if (field->late == conjunction->dropped)
		return intersect(field, intervals, requirement->n_intervals);
	/* Constrained before a hotdrop, and again behind it: keep the order. */
	return require_later(conjunction, requirement, FIELD_COUNT, intervals);
}

int conjunction_require_either(struct conjunction *conjunction,
			       const struct requirement requirement[static 2],
			       const struct interval *intervals)
{
	return require_later(conjunction, &requirement[0], requirement[1].field, intervals);
}

int conjunction_hotdrop(struct conjunction *conjunction, uint32_t shapes)
{
	shapes &= ~conjunction->dropped;
	conjunction->dropped |= shapes;
	if (!shapes)
		return 0;
	if (conjunction->residuals_size)
		return conjunction_residual(conjunction, RESIDUAL_HOTDROP, shapes, NULL, 0);
	conjunction->hotdrop |= shapes;
	return 0;
}

bool conjunction_possible(const struct conjunction *conjunction)
{
	for (uint32_t i = 0; i < conjunction->n_fields; i++) {
		const struct conjunction_field *field = &conjunction->fields[i];

		if (field->used && !field->n_intervals && !field->late)
			return false;
	}
	return true;
}

int conjunction_copy(struct conjunction *to, const struct conjunction *from)
{
	*to = *from;
	to->residuals = NULL;
	to->max_residuals = 0;
	for (uint32_t i = 0; i < from->n_fields; i++)
		to->fields[i].owned = NULL;

	if (GROW(to->residuals, to->max_residuals, from->residuals_size + 1ull))
		return -ENOMEM;
	if (from->residuals_size)
		memcpy(to->residuals, from->residuals, from->residuals_size);
	for (uint32_t i = 0; i < from->n_fields; i++) {
		const struct conjunction_field *field = &from->fields[i];

		if (!field->owned)
			continue;
		to->fields[i].owned = calloc((size_t)field->n_intervals + 1, sizeof(*field->owned));
		if (!to->fields[i].owned)
			return -ENOMEM;
		memcpy(to->fields[i].owned, field->owned,
		       field->n_intervals * sizeof(*field->owned));
		to->fields[i].intervals = to->fields[i].owned;
	}
	return 0;
}

void conjunction_clear(struct conjunction *conjunction)
{
	for (uint32_t i = 0; i < conjunction->n_fields; i++) {
		free(conjunction->fields[i].owned);
		conjunction->fields[i] = (struct conjunction_field){};
	}
	free(conjunction->residuals);
	conjunction->residuals = NULL;
	conjunction->residuals_size = 0;
	conjunction->max_residuals = 0;
	conjunction->n_fields = 0;
	conjunction->dropped = 0;
	conjunction->hotdrop = 0;
	conjunction->sealed = false;
}
