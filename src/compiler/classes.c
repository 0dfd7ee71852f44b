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

/* At @value a rule begins or ceases to accept: its bit changes. */
struct event {
	struct value value;
	uint32_t bit;
};

struct classes {
	struct rows *rows;
	const struct lowered_field *from;
	uint32_t n_bits;
	uint8_t family;
	struct bitset wildcard; /* bits that do not constrain the field */
	struct bitset active;   /* bits that accept the values that the sweep is at */
	struct event *events;
	uint32_t n_events;
	struct bound *bounds;
	uint32_t n_bounds;
	uint32_t max_bounds;
};

static int compare_events(const void *a, const void *b)
{
	return value_compare(((const struct event *)a)->value, ((const struct event *)b)->value);
}

#define RADIX_BITS 11u
#define RADIX_SIZE (1u << RADIX_BITS)

/* A narrow event in one number: the value above, the bit below. */
#define KEY_SHIFT 32u

/* Moves the @n keys from @from to @to, in order of one digit; false if all have the same there. */
static bool sort_by_digit(const uint64_t *from, uint64_t *to, uint32_t n, uint32_t shift)
{
	uint32_t start[RADIX_SIZE + 1] = {};

	for (uint32_t i = 0; i < n; i++)
		start[(from[i] >> shift) % RADIX_SIZE + 1]++;
	if (start[(from[0] >> shift) % RADIX_SIZE + 1] == n)
		return false;
	for (uint32_t i = 0; i < RADIX_SIZE; i++)
		start[i + 1] += start[i];
	for (uint32_t i = 0; i < n; i++)
		to[start[(from[i] >> shift) % RADIX_SIZE]++] = from[i];
	return true;
}

/* Sorts events of a field with @bits bits, at most 32, in time that grows with their number only.
 */
static int sort_narrow_events(struct event *events, uint32_t n, uint32_t bits)
{
	_cleanup_free_ uint64_t *keys = reallocarray(NULL, n, 2 * sizeof(*keys));
	uint64_t *from = keys, *to = keys + n;

	if (!keys)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		from[i] = events[i].value.low << KEY_SHIFT | events[i].bit;
	for (uint32_t digit = 0; digit < bits; digit += RADIX_BITS) {
		uint64_t *sorted = to;

		if (!sort_by_digit(from, to, n, KEY_SHIFT + digit))
			continue;
		to = from;
		from = sorted;
	}
	for (uint32_t i = 0; i < n; i++)
		events[i] = (struct event){VALUE(from[i] >> KEY_SHIFT), (uint32_t)from[i]};
	return 0;
}

/* Rules are often written in the order of their addresses. */
static bool events_are_sorted(const struct classes *classes)
{
	for (uint32_t i = 1; i < classes->n_events; i++)
		if (compare_events(&classes->events[i - 1], &classes->events[i]) > 0)
			return false;
	return true;
}

static int sort_events(struct classes *classes, uint32_t bits)
{
	if (events_are_sorted(classes))
		return 0;
	if (bits <= 32 && classes->n_events >= RADIX_SIZE)
		return sort_narrow_events(classes->events, classes->n_events, bits);
	qsort(classes->events, classes->n_events, sizeof(*classes->events), compare_events);
	return 0;
}

static struct value value_after(struct value value)
{
	value.low++;
	if (!value.low)
		value.high++;
	return value;
}

/* The largest value that the (masked) field can have. */
static struct value greatest_value(uint8_t family, const struct lowered_field *from)
{
	struct value maximum = field_maximum(family, from->field);

	return (struct value){maximum.high & from->mask.high, maximum.low & from->mask.low};
}

static int collect_events(struct classes *classes)
{
	const struct lowered_field *from = classes->from;
	struct value greatest = greatest_value(classes->family, from);

	classes->events =
		reallocarray(NULL, 2 * (size_t)from->n_intervals + 1, sizeof(*classes->events));
	if (!classes->events)
		return -ENOMEM;
	for (uint32_t c = 0; c < from->n_constraints; c++) {
		const struct constraint *constraint = &from->constraints[c];
		const struct interval *interval = &from->intervals[constraint->first_interval];

		for (uint32_t i = 0; i < constraint->n_intervals; i++, interval++) {
			struct event *event = &classes->events[classes->n_events];

			*event++ = (struct event){interval->first, constraint->bit};
			classes->n_events++;
			if (value_compare(interval->last, greatest) >= 0)
				continue;
			*event = (struct event){value_after(interval->last), constraint->bit};
			classes->n_events++;
		}
	}
	return 0;
}

static int find_wildcard(struct classes *classes)
{
	const struct lowered_field *from = classes->from;

	if (bitset_init(&classes->wildcard, classes->n_bits) ||
	    bitset_init(&classes->active, classes->n_bits))
		return -ENOMEM;
	for (uint32_t bit = 0, c = 0; bit < classes->n_bits; bit++) {
		if (c < from->n_constraints && from->constraints[c].bit == bit)
			c++;
		else
			bitset_toggle(&classes->wildcard, bit);
	}
	return 0;
}

static bool should_merge(const struct classes *classes)
{
	uint64_t rows = (uint64_t)classes->n_events + 1;

	return rows * classes->wildcard.used_words * sizeof(uint64_t) <= MERGE_LIMIT;
}

/* Goes through the values in order; each stretch without an event is a class. */
static int sweep(struct classes *classes, uint64_t *ret_weight)
{
	const struct event *event = classes->events;
	const struct event *end = event + classes->n_events;
	struct value value = VALUE(0);
	uint64_t words = 0, stretches = 0;

	for (;;) {
		uint32_t row;
		int error;

		while (event < end && !value_compare(event->value, value))
			bitset_toggle(&classes->active, event++->bit);
		error = rows_find(classes->rows, &classes->active, &row);
		if (error)
			return error;
		words += classes->active.used_words;
		stretches++;
		if (!classes->n_bounds || classes->bounds[classes->n_bounds - 1].row != row) {
			if (GROW(classes->bounds, classes->max_bounds, classes->n_bounds + 1))
				return -ENOMEM;
			classes->bounds[classes->n_bounds++] = (struct bound){value, row};
		}
		if (event == end || classes->rows->writer->full)
			break;
		value = event->value;
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

	bool late = from->late & SHAPE_BIT(shape);

	*ret_row = 0;
	if (!late && (merged || !classes->wildcard.top))
		return 0;
	bitset_assign(set, &classes->wildcard);
	for (uint32_t c = 0; c < from->n_constraints; c++)
		if (from->constraints[c].late & SHAPE_BIT(shape))
			bitset_toggle(set, from->constraints[c].bit);
	return rows_find(classes->rows, set, ret_row);
}

static int find_special_rows(struct classes *classes, bool merged, struct image_field *field)
{
	int error = rows_find(classes->rows, &classes->wildcard, &field->none);

	for (int shape = 0; shape < SHAPE_COUNT && !error; shape++)
		error = find_shape_row(classes, shape, merged, &field->wildcard[shape]);
	return error;
}

static uint32_t field_bits(uint8_t family, enum field field)
{
	struct value maximum = field_maximum(family, field);

	if (maximum.high)
		return 128;
	if (maximum.low > UINT16_MAX)
		return 32;
	return maximum.low > UINT8_MAX ? 16 : 8;
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
	uint32_t bits = field_bits(classes->family, from->field);
	bool merged;
	int error;

	describe_field(from, field);
	if (find_wildcard(classes) || collect_events(classes) || sort_events(classes, bits))
		return -ENOMEM;
	merged = should_merge(classes);
	if (merged)
		bitset_assign(&classes->active, &classes->wildcard);
	error = sweep(classes, ret_weight);
	if (!error)
		error = find_special_rows(classes, merged, field);
	if (error || classes->rows->writer->full)
		return error;
	lookup_write(classes->rows->writer, classes->bounds, classes->n_bounds, bits, field);
	key_add(image, classes->family, field, classes->bounds, classes->n_bounds);
	return 0;
}

int classes_write(struct rows *rows, const struct lowered *lowered,
		  const struct lowered_field *from, struct image *image,
		  struct image_field *ret_field, uint64_t *ret_weight)
{
	struct classes classes = {
		.rows = rows,
		.from = from,
		.n_bits = lowered->n_bits,
		.family = lowered->family,
	};
	int error = write_field(&classes, image, ret_field, ret_weight);

	bitset_free(&classes.wildcard);
	bitset_free(&classes.active);
	free(classes.events);
	free(classes.bounds);
	return error;
}
