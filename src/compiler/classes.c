// SPDX-License-Identifier: GPL-2.0-or-later
#include "compiler/classes.h"

#include "common/cleanup.h"
#include "compiler/grow.h"
#include "compiler/key.h"
#include "compiler/lookup.h"

#include <errno.h>
#include <string.h>

/*
 * Rows include the bits of the rules that do not constrain the field if that costs at most so many
 * bytes over all rows; then the walk has one row to read instead of two.
 */
#define MERGE_LIMIT (256u << 10)

struct classes {
	struct rows *rows;
	const struct arrangement *arrangement;
	const struct lowered_field *from;
	uint32_t n_bits;
	uint8_t family;
	uint32_t late;          /* SHAPE_BIT()s of all constraints */
	struct bitset wildcard; /* bits that do not constrain the field */
	struct bitset active;   /* bits that accept the values that the sweep is at */
	struct bound *bounds;
	uint32_t n_bounds;
	uint32_t max_bounds;
};

static int find_wildcard(struct classes *classes)
{
	const struct lowered_field *from = classes->from;

	if (bitset_init(&classes->wildcard, classes->n_bits) ||
	    bitset_init(&classes->active, classes->n_bits))
		return -ENOMEM;
	for (uint32_t bit = 0, c = 0; bit < classes->n_bits; bit++) {
		if (c < from->n_constraints && from->constraints[c].bit == bit)
			classes->late |= from->constraints[c++].late;
		else
			bitset_toggle(&classes->wildcard,
				      arrangement_place(classes->arrangement, bit));
	}
	return 0;
}

static bool should_merge(const struct classes *classes)
{
	uint64_t rows = classes->from->events.n + 1ull;

	return rows * classes->wildcard.used_words * sizeof(uint64_t) <= MERGE_LIMIT;
}

/* The values from @value on have the row of the bits that are active. */
static int add_class(struct classes *classes, struct value value)
{
	uint32_t row;

	if (rows_find(classes->rows, &classes->active, &row))
		return -ENOMEM;
	if (classes->n_bounds && classes->bounds[classes->n_bounds - 1].row == row)
		return 0;
	if (GROW(classes->bounds, classes->max_bounds, classes->n_bounds + 1))
		return -ENOMEM;
	classes->bounds[classes->n_bounds++] = (struct bound){value, row};
	return 0;
}

/* Goes through the values in order; each stretch without an event is a class. */
static int sweep(struct classes *classes, uint64_t *ret_weight)
{
	const struct event_list *events = &classes->from->events;
	struct value value = VALUE(0);
	uint64_t words = 0, stretches = 0;
	uint32_t next = 0;

	for (;;) {
		int error;

		for (; next < events->n; next++) {
			struct event event = event_list_at(events, next);

			if (value_compare(event.value, value))
				break;
			bitset_toggle(&classes->active,
				      arrangement_place(classes->arrangement, event.bit));
		}
		error = add_class(classes, value);
		if (error)
			return error;
		words += classes->active.used_words;
		stretches++;
		if (next == events->n || classes->rows->writer->full)
			break;
		value = event_list_at(events, next).value;
	}
	*ret_weight = words * 64 / stretches;
	return 0;
}

/* The row that is ORed for packets of @shape, 0 if there is none: what is not merged, and those
 * that drop it before. */
static int find_shape_row(struct classes *classes, enum shape shape, bool merged, uint32_t *ret_row)
{
	const struct lowered_field *from = classes->from;
	struct bitset *set = &classes->active;
	bool late = classes->late & SHAPE_BIT(shape);

	*ret_row = 0;
	if (!late && (merged || !classes->wildcard.top))
		return 0;
	bitset_assign(set, &classes->wildcard);
	for (uint32_t c = 0; c < from->n_constraints; c++)
		if (from->constraints[c].late & SHAPE_BIT(shape))
			bitset_toggle(set, arrangement_place(classes->arrangement,
							     from->constraints[c].bit));
	return rows_find(classes->rows, set, ret_row);
}

static int find_special_rows(struct classes *classes, bool merged, struct image_field *field)
{
	int error = rows_find(classes->rows, &classes->wildcard, &field->none);

	for (int shape = 0; shape < SHAPE_COUNT && !error; shape++)
		error = find_shape_row(classes, shape, merged, &field->wildcard[shape]);
	return error;
}

/* SHAPE_BIT()s of the packets whose transport header has the field. */
static uint8_t readable_shapes(enum field field)
{
	uint8_t shapes = 0;

	for (int shape = 0; shape < SHAPE_COUNT; shape++)
		if (field_is_readable(field, shape))
			shapes |= SHAPE_BIT(shape);
	return shapes;
}

/* How the field's value is found in a packet. */
static void describe_field(const struct lowered_field *from, struct image_field *field)
{
	field->field = (uint8_t)from->field;
	field->masked = value_compare(from->mask, VALUE_ALL_BITS) != 0;
	field->mask_high = from->mask.high;
	field->mask_low = from->mask.low;
	field->readable = readable_shapes(from->field);
	if (from->field >= FIELD_FIRST_NARROW) {
		field->shift = (uint8_t)field_shift(from->field);
		field->mask_low &= field_ones(from->field);
	}
}

static int write_field(struct classes *classes, struct image *image, struct image_field *field,
		       uint64_t *ret_weight)
{
	const struct lowered_field *from = classes->from;
	bool merged;
	int error;

	describe_field(from, field);
	if (find_wildcard(classes))
		return -ENOMEM;
	merged = should_merge(classes);
	if (merged)
		bitset_assign(&classes->active, &classes->wildcard);
	error = sweep(classes, ret_weight);
	if (!error)
		error = find_special_rows(classes, merged, field);
	if (error || classes->rows->writer->full)
		return error;
	lookup_write(classes->rows->writer, classes->bounds, classes->n_bounds,
		     lowered_field_bits(classes->family, from->field), field);
	key_add(image, classes->family, field, classes->bounds, classes->n_bounds);
	return 0;
}

int classes_write(struct rows *rows, const struct lowered *lowered,
		  const struct arrangement *arrangement, const struct lowered_field *from,
		  struct image *image, struct image_field *ret_field, uint64_t *ret_weight)
{
	struct classes classes = {
		.rows = rows,
		.arrangement = arrangement,
		.from = from,
		.n_bits = lowered->n_bits,
		.family = lowered->family,
	};
	int error = write_field(&classes, image, ret_field, ret_weight);

	bitset_free(&classes.wildcard);
	bitset_free(&classes.active);
	free(classes.bounds);
	return error;
}
