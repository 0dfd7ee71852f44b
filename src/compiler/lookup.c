// SPDX-License-Identifier: GPL-2.0-or-later
#include "compiler/lookup.h"

/* Values of a field this narrow are a table's index at once. */
#define TABLE_BITS 8u

/* The bounds of a part of the values, and the row in force where the part begins. */
struct part {
	const struct bound *bounds; /* those inside, behind the first value */
	uint32_t n_bounds;
	uint32_t row;
};

static uint32_t write_list(struct writer *writer, const struct part *part, uint32_t places,
			   uint32_t size, uint32_t kind)
{
	uint32_t offset = writer_reserve(writer, size);
	uint32_t *bound = writer_at(writer, offset);
	uint32_t *row = bound + places;

	if (writer->full)
		return 0;
	row[0] = part->row;
	for (uint32_t i = 0; i < places; i++) {
		bool used = i < part->n_bounds;

		bound[i] = used ? (uint32_t)part->bounds[i].value.low : UINT32_MAX;
		row[i + 1] = used ? part->bounds[i].row : row[i];
	}
	return offset | kind;
}

/* Cuts off of @part the values up to @last (inclusive); what is left begins behind it. */
static struct part split_part(struct part *part, uint64_t last)
{
	struct part front = {.bounds = part->bounds, .row = part->row};

	while (front.n_bounds < part->n_bounds && part->bounds[front.n_bounds].value.low <= last)
		front.n_bounds++;
	part->bounds += front.n_bounds;
	part->n_bounds -= front.n_bounds;
	if (front.n_bounds)
		part->row = front.bounds[front.n_bounds - 1].row;
	/* A bound at the very start of what is left is its first row. */
	if (part->n_bounds && part->bounds[0].value.low == last + 1) {
		part->row = part->bounds[0].row;
		part->bounds++;
		part->n_bounds--;
	}
	return front;
}

static uint32_t write_part(struct writer *writer, struct part part, uint64_t first, uint32_t shift);

/* An array of @n_entries entries, each for 1 << @shift values, from @first on. */
static uint32_t write_node(struct writer *writer, struct part part, uint64_t first,
			   uint32_t n_entries, uint32_t shift)
{
	uint32_t offset = writer_reserve(writer, (size_t)n_entries * sizeof(uint32_t));

	for (uint32_t i = 0; i < n_entries && !writer->full; i++) {
		struct part front;
		uint32_t entry;

		if (part.n_bounds) {
			front = split_part(&part, first + (1ull << shift) - 1);
			entry = write_part(writer, front, first, shift);
		} else {
			entry = part.row;
		}
		((uint32_t *)writer_at(writer, offset))[i] = entry;
		first += 1ull << shift;
	}
	return offset | IMAGE_ENTRY_NODE;
}

/* The entry for the 1 << @shift values from @first on. Recursion ends after three nodes. */
static uint32_t write_part(struct writer *writer, struct part part, uint64_t first, uint32_t shift)
{
	_Static_assert(sizeof(struct image_list4) == 48 && sizeof(struct image_list16) == 144, "");

	if (!part.n_bounds)
		return part.row;
	if (part.n_bounds <= 4)
		return write_list(writer, &part, 4, sizeof(struct image_list4), IMAGE_ENTRY_LIST4);
	if (part.n_bounds <= 16)
		return write_list(writer, &part, 16, sizeof(struct image_list16),
				  IMAGE_ENTRY_LIST16);
	return write_node(writer, part, first, IMAGE_NODE_ENTRIES, shift - IMAGE_NODE_BITS);
}

static void write_narrow(struct writer *writer, const struct bound *bounds, uint32_t n_bounds,
			 uint32_t bits, struct image_field *field)
{
	struct part all = {.bounds = bounds + 1, .n_bounds = n_bounds - 1, .row = bounds[0].row};

	field->lookup = IMAGE_LOOKUP_NARROW;
	if (bits <= TABLE_BITS)
		field->root_shift = 0;
	else
		field->root_shift = (uint8_t)(bits / 2);
	if (bits > TABLE_BITS && all.n_bounds <= 16)
		field->root = write_part(writer, all, 0, bits);
	else
		field->root = write_node(writer, all, 0, 1u << (bits - field->root_shift),
					 field->root_shift);
}

static uint8_t value_byte(struct value value, uint32_t number)
{
	return (uint8_t)((number < 8 ? value.high : value.low) >> (7 - number % 8) * 8);
}

/* All ones in the first @bytes bytes, 0 to 15. */
static struct value front_mask(uint32_t bytes)
{
	return (struct value){
		.high = bytes >= 8 ? UINT64_MAX : ~(UINT64_MAX >> bytes * 8),
		.low = bytes <= 8 ? 0 : ~(UINT64_MAX >> (bytes - 8) * 8),
	};
}

/* How many bytes in front all bounds of the part have in common; they are sorted, and differ. */
static uint32_t common_bytes(const struct part *part)
{
	struct value first = part->bounds[0].value;
	struct value last = part->bounds[part->n_bounds - 1].value;
	uint32_t bytes = 0;

	while (value_byte(first, bytes) == value_byte(last, bytes))
		bytes++;
	return bytes;
}

static uint32_t write_wide_list(struct writer *writer, const struct part *part)
{
	uint32_t offset =
		writer_reserve(writer, sizeof(struct image_wide_list) +
					       part->n_bounds * sizeof(struct image_wide_bound));
	struct image_wide_list *list = writer_at(writer, offset);

	if (writer->full)
		return 0;
	list->count = part->n_bounds;
	list->below = part->row;
	for (uint32_t i = 0; i < part->n_bounds; i++)
		list->bound[i] = (struct image_wide_bound){
			.high = part->bounds[i].value.high,
			.low = part->bounds[i].value.low,
			.row = part->bounds[i].row,
		};
	return offset | IMAGE_ENTRY_LIST16;
}

/* The bounds of @part whose byte @number is @value, cut off its front. */
static struct part split_byte(struct part *part, uint32_t number, uint32_t value)
{
	struct part front = {.bounds = part->bounds, .row = part->row};

	while (front.n_bounds < part->n_bounds &&
	       value_byte(part->bounds[front.n_bounds].value, number) == value)
		front.n_bounds++;
	part->bounds += front.n_bounds;
	part->n_bounds -= front.n_bounds;
	if (front.n_bounds)
		part->row = front.bounds[front.n_bounds - 1].row;
	return front;
}

#define WIDE_LIST_BOUNDS 16u

/* Each node tells at least two of its bounds apart: the recursion is at most 16 deep. */
static uint32_t write_wide_part(struct writer *writer, struct part part)
{
	struct image_wide_node *node;
	uint32_t offset, byte;
	struct value mask;

	if (!part.n_bounds)
		return part.row;
	if (part.n_bounds <= WIDE_LIST_BOUNDS)
		return write_wide_list(writer, &part);
	offset = writer_reserve(writer, sizeof(*node));
	if (writer->full)
		return 0;
	node = writer_at(writer, offset);
	byte = common_bytes(&part);
	mask = front_mask(byte);
	*node = (struct image_wide_node){
		.mask_high = mask.high,
		.mask_low = mask.low,
		.prefix_high = part.bounds[0].value.high & mask.high,
		.prefix_low = part.bounds[0].value.low & mask.low,
		.byte = byte,
		.below = part.row,
		.above = part.bounds[part.n_bounds - 1].row,
	};
	for (uint32_t value = 0; value < IMAGE_NODE_ENTRIES && !writer->full; value++) {
		struct part front = split_byte(&part, byte, value);

		node->entry[value] = write_wide_part(writer, front);
	}
	return offset | IMAGE_ENTRY_NODE;
}

static void write_wide(struct writer *writer, const struct bound *bounds, uint32_t n_bounds,
		       struct image_field *field)
{
	struct part all = {.bounds = bounds + 1, .n_bounds = n_bounds - 1, .row = bounds[0].row};

	field->lookup = IMAGE_LOOKUP_WIDE;
	field->root = write_wide_part(writer, all);
}

void lookup_write(struct writer *writer, const struct bound *bounds, uint32_t n_bounds,
		  uint32_t bits, struct image_field *ret_field)
{
	if (bits <= 32)
		write_narrow(writer, bounds, n_bounds, bits, ret_field);
	else
		write_wide(writer, bounds, n_bounds, ret_field);
}
