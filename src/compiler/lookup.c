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

	while (front.n_bounds < part->n_bounds &&
	       part->bounds[front.n_bounds].value.low <= last)
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
	return write_node(writer, part, first, 1u << IMAGE_NODE_BITS, shift - IMAGE_NODE_BITS);
}

static void write_trie(struct writer *writer, const struct bound *bounds, uint32_t n_bounds,
		       uint32_t bits, struct image_field *field)
{
	struct part all = {.bounds = bounds + 1, .n_bounds = n_bounds - 1, .row = bounds[0].row};

	field->lookup = IMAGE_LOOKUP_TRIE;
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

static void write_search128(struct writer *writer, const struct bound *bounds, uint32_t n_bounds,
			    struct image_field *field)
{
	uint32_t offset = writer_reserve(writer, n_bounds * sizeof(struct image_bound128));
	struct image_bound128 *place = writer_at(writer, offset);

	field->lookup = IMAGE_LOOKUP_SEARCH128;
	field->root = offset;
	field->count = n_bounds;
	for (uint32_t i = 0; i < n_bounds && !writer->full; i++)
		place[i] = (struct image_bound128){
			.high = bounds[i].value.high,
			.low = bounds[i].value.low,
			.row = bounds[i].row,
		};
}

void lookup_write(struct writer *writer, const struct bound *bounds, uint32_t n_bounds,
		  uint32_t bits, struct image_field *ret_field)
{
	if (bits <= 32)
		write_trie(writer, bounds, n_bounds, bits, ret_field);
	else
		write_search128(writer, bounds, n_bounds, ret_field);
}
