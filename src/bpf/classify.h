/* SPDX-License-Identifier: GPL-2.0-only OR GPL-2.0-or-later */
/*
 * From a packet's values to the first rule whose fields all match: field lookups, then the AND of
 * rows, level by level. The same code runs in eBPF and in user space (portable.h).
 */
#pragma once

#include "abi/image.h"
#include "abi/packet.h"
#include "bpf/portable.h"

/* Fields that can be wider than 32 bits come first in enum field. */
#define PACKET_WIDE_FIELDS FIELD_FIRST_NARROW

struct packet {
	struct {
		__u64 high;
		__u64 low;
	} wide[PACKET_WIDE_FIELDS];
	__u64 narrow;    /* the other fields, each at its field_shift() */
	__u32 length;    /* bytes that counters add: skb->len */
	__u32 transport; /* offset of the transport header */
};

INLINE __u32 packet_narrow(const struct packet *packet, enum field field)
{
	return packet->narrow >> field_shift(field) & field_ones(field);
}

/* Sets a field that is still 0; @value fits. */
INLINE void packet_set_narrow(struct packet *packet, enum field field, __u32 value)
{
	packet->narrow |= (__u64)value << field_shift(field);
}

/* enum shape; SHAPE_WHOLE if the image does not need it. */
#define packet_shape(packet) packet_narrow(packet, FIELD_SHAPE)

#define CLASSIFY_NONE  (~0u)     /* no rule of the range matches */
#define CLASSIFY_BOUND (~0u - 1) /* the kernel's bound on loops was reached: unknown */

#define IMAGE_AT(type, image, offset) ((const type ARENA *)((const char ARENA *)(image) + (offset)))

#define WALK_SHALLOW 4u /* a power of two */

/*
 * The state of a packet's walk. Plain memory without pointers, so that it can be handed to
 * functions that the verifier checks on their own; after each such call it assumes nothing of the
 * contents, which makes it see the loop of the walk as one iteration.
 */
struct walk {
	__u64 live; /* AND of the first words of the rows that the packet's values select */
	__u32 row[IMAGE_MAX_FIELDS];
	__u32 position;    /* the next bit to look at */
	__u32 end;         /* of the chain that the walk is in */
	__u32 shape;       /* of the packet */
	__u32 bound;       /* the kernel's bound on loops was reached: nothing is to be believed */
	__u32 depth;       /* of the return stack */
	__u32 limit;       /* bits of this rank and above are of no interest */
	__u32 wild_fields; /* bit i: field i of the image has a wildcard row for this shape */
	__u32 shallow[WALK_SHALLOW]; /* its first entries: bits of the rules that jumped */
};

INLINE __u32 lookup_list4(const struct image ARENA *image, __u32 offset, __u32 value)
{
	const struct image_list4 ARENA *list = IMAGE_AT(struct image_list4, image, offset);
	__u32 index = (value >= list->bound[0]) + (value >= list->bound[1]) +
		      (value >= list->bound[2]) + (value >= list->bound[3]);

	return list->row[index];
}

INLINE __u32 lookup_list16(const struct image ARENA *image, __u32 offset, __u32 value)
{
	const struct image_list16 ARENA *list = IMAGE_AT(struct image_list16, image, offset);
	__u32 index = 0;

	index += (value >= list->bound[index + 7]) << 3;
	index += (value >= list->bound[index + 3]) << 2;
	index += (value >= list->bound[index + 1]) << 1;
	index += value >= list->bound[index];
	index += value >= list->bound[index];
	return list->row[index];
}

/* The lookups return the offset of a row; 0, which is none, if they could not finish. */

#define NARROW_MAX_NODES 3 /* IPv4 addresses: 16 bits, 8, 8 */

INLINE __u32 lookup_narrow(const struct image ARENA *image, const struct image_field ARENA *field,
			   __u32 value)
{
	__u32 entry = field->root;
	__u32 shift = field->root_shift;
	__u32 index = value >> (shift & 31);

	for (int level = 0; level < NARROW_MAX_NODES; level++) {
		if ((entry & IMAGE_ENTRY_KIND_MASK) != IMAGE_ENTRY_NODE)
			break;
		entry = IMAGE_AT(__u32, image, entry - IMAGE_ENTRY_NODE)[index];
		shift -= IMAGE_NODE_BITS;
		index = (value >> (shift & 31)) & ((1u << IMAGE_NODE_BITS) - 1);
	}
	switch (entry & IMAGE_ENTRY_KIND_MASK) {
	case IMAGE_ENTRY_ROW:
		return entry;
	case IMAGE_ENTRY_LIST4:
		return lookup_list4(image, entry - IMAGE_ENTRY_LIST4, value);
	case IMAGE_ENTRY_LIST16:
		return lookup_list16(image, entry - IMAGE_ENTRY_LIST16, value);
	default:
		return 0;
	}
}

/* Is the value (@high, @low) at or above the other? */
INLINE bool reaches(__u64 high, __u64 low, __u64 other_high, __u64 other_low)
{
	return high > other_high || (high == other_high && low >= other_low);
}

INLINE __u32 lookup_wide_list(const struct image ARENA *image, __u32 offset, __u64 high, __u64 low)
{
	const struct image_wide_list ARENA *list = IMAGE_AT(struct image_wide_list, image, offset);
	__u32 row = list->below;
	__u32 first = 0;
	__u32 count = list->count;

	/* The bounds that the value reaches end in [first, first + count]. */
	while (count) {
		__u32 half = count / 2;
		const struct image_wide_bound ARENA *middle = &list->bound[first + half];

		if (reaches(high, low, middle->high, middle->low)) {
			row = middle->row;
			first += half + 1;
			count -= half + 1;
		} else {
			count = half;
		}
		LOOP_BOUND;
	}
	return count ? 0 : row;
}

GLOBAL __u32 lookup_wide(const struct image ARENA *image ARENA_ARG, __u32 entry, __u64 high,
			 __u64 low)
{
	while ((entry & IMAGE_ENTRY_KIND_MASK) == IMAGE_ENTRY_NODE) {
		const struct image_wide_node ARENA *node =
			IMAGE_AT(struct image_wide_node, image, entry - IMAGE_ENTRY_NODE);
		__u64 front_high = high & node->mask_high;
		__u64 front_low = low & node->mask_low;
		__u32 byte = node->byte;
		__u64 half = byte < 8 ? high : low;

		if (front_high != node->prefix_high || front_low != node->prefix_low)
			return reaches(front_high, front_low, node->prefix_high, node->prefix_low)
				       ? node->above
				       : node->below;
		entry = node->entry[half >> ((7 - (byte & 7)) * 8) & (IMAGE_NODE_ENTRIES - 1)];
		LOOP_BOUND;
	}
	if ((entry & IMAGE_ENTRY_KIND_MASK) == IMAGE_ENTRY_NODE)
		return 0;
	if ((entry & IMAGE_ENTRY_KIND_MASK) == IMAGE_ENTRY_ROW)
		return entry;
	return lookup_wide_list(image, entry & ~(__u32)IMAGE_ENTRY_KIND_MASK, high, low);
}

INLINE __u32 wide_field_row(const struct image ARENA *image, const struct image_field ARENA *field,
			    __u64 high, __u64 low)
{
	if (field->masked) {
		high &= field->mask_high;
		low &= field->mask_low;
	}
	if (field->lookup == IMAGE_LOOKUP_NARROW)
		return lookup_narrow(image, field, (__u32)low);
	return lookup_wide(image, field->root, high, low);
}

INLINE __u32 field_row(const struct image ARENA *image, const struct image_field ARENA *field,
		       const struct packet *packet, __u32 shape)
{
	__u32 number = field->field;

	if (number < PACKET_WIDE_FIELDS)
		return wide_field_row(image, field, packet->wide[number].high,
				      packet->wide[number].low);
	if (!(field->readable >> shape & 1))
		return field->none;
	return lookup_narrow(image, field,
			     (__u32)(packet->narrow >> (field->shift & 63) & field->mask_low));
}

/*
 * Calls @step for the number of each field that an image can have, until it returns false. Written
 * out, so that the numbers are constants: a loop would take twice as long.
 */
#define WITH_EACH_FIELD(step)                                                                    \
	((void)(step(0) && step(1) && step(2) && step(3) && step(4) && step(5) && step(6) &&     \
		step(7) && step(8) && step(9) && step(10) && step(11) && step(12) && step(13) && \
		step(14) && step(15)))

/* The first word of @row. */
INLINE __u64 row_first(const struct image ARENA *image, __u32 row)
{
	__u32 position;

	if (!(row & IMAGE_ROW_INLINE))
		return *IMAGE_AT(__u64, image, row);
	position = image_inline_bit(row) >> (image->first_shift & 31);
	return position < 64 ? 1ull << position : 0;
}

/* Looks up field @i. Returns whether there is more to do. */
INLINE bool select_row(const struct image ARENA *image, const struct packet *packet,
		       struct walk *walk, __u32 shape, __u32 i)
{
	const struct image_field ARENA *field = &image->fields[i];
	__u32 wildcard = field->wildcard[shape];
	__u32 row = field_row(image, field, packet, shape);
	__u64 first;

	if (!row) {
		walk->bound = true;
		return false;
	}
	walk->row[i] = row;
	first = row_first(image, row);
	if (wildcard) {
		walk->wild_fields |= 1u << i;
		first |= row_first(image, wildcard);
	}
	walk->live &= first;
	return walk->live && i + 1 < image->n_fields;
}

/* What comes of looking up the fields. */
enum selected {
	SELECTED_NOT,   /* the kernel's bound on loops was reached */
	SELECTED_ROWS,  /* to be searched */
	SELECTED_FINAL, /* walk->row[0] says what becomes of the packet: IMAGE_ROW_FINAL */
};

/* Looks up all fields. Afterwards walk->live is 0 if no rule of any chain can match. */
GLOBAL int select_rows(const struct image ARENA *image ARENA_ARG,
		       const struct packet *packet NONNULL_ARG, struct walk *walk NONNULL_ARG)
{
	__u32 shape = packet_shape(packet);

	walk->bound = false;
	walk->shape = shape;
	walk->wild_fields = 0;
	walk->live = ~0ull;
	walk->limit = ~0u;
#define SELECT_ROW(i) select_row(image, packet, walk, shape, i)
	WITH_EACH_FIELD(SELECT_ROW);
#undef SELECT_ROW
	if (walk->bound)
		return SELECTED_NOT;
	if (image->needs & IMAGE_IS_DIRECT && walk->row[0] & IMAGE_ROW_INLINE &&
	    walk->row[0] & IMAGE_ROW_FINAL)
		return SELECTED_FINAL;
	return SELECTED_ROWS;
}

/* All ones from position @from on, for from in 0 to 63. */
INLINE __u64 mask_from(__u32 from)
{
	return ~0ull << from;
}

/* Offset of the group @number of a row that is not inline; 0 if it is empty. */
INLINE __u32 row_group(const struct image ARENA *image, bool two_levels, __u32 row, __u32 number)
{
	if (two_levels)
		return row;
	if (!(IMAGE_AT(struct image_row, image, row)->top >> number & 1))
		return 0;
	return IMAGE_AT(struct image_row, image, row)->groups +
	       number * (__u32)sizeof(struct image_group);
}

INLINE __u64 row_summary(const struct image ARENA *image, bool two_levels, __u32 row, __u32 number)
{
	__u32 group;

	if (row & IMAGE_ROW_INLINE)
		return image_inline_bit(row) >> 12 == number
			       ? 1ull << (image_inline_bit(row) >> 6 & 63)
			       : 0;
	group = row_group(image, two_levels, row, number);
	return group ? IMAGE_AT(struct image_group, image, group)->summary : 0;
}

/* Word @word of the row's group @number. */
INLINE __u64 row_word(const struct image ARENA *image, bool two_levels, __u32 row, __u32 number,
		      __u32 word)
{
	const struct image_group ARENA *group;
	__u32 offset;

	if (row & IMAGE_ROW_INLINE)
		return image_inline_bit(row) >> 6 == (number << 6 | word)
			       ? 1ull << (image_inline_bit(row) & 63)
			       : 0;
	offset = row_group(image, two_levels, row, number);
	group = IMAGE_AT(struct image_group, image, offset);
	if (!offset || !(group->summary >> word & 1))
		return 0;
	return IMAGE_AT(__u64, image, group->words)[word];
}

/*
 * Is a row ORed to that of field @i? Read anew each time: what the verifier learns of one bit is of
 * no use for the others, but would make it follow each combination of them.
 */
INLINE bool has_wildcard(const struct walk *walk, __u32 i)
{
	return *(const volatile __u32 *)&walk->wild_fields >> i & 1;
}

/* Word @word of group @number of the row of field @i and of the one that is ORed to it. */
GLOBAL __u64 wild_word(const struct image ARENA *image ARENA_ARG,
		       const struct walk *walk NONNULL_ARG, __u32 i, __u32 number, __u32 word)
{
	__u32 wildcard = image->fields[i].wildcard[walk->shape & 7];
	__u32 row = walk->row[i & (IMAGE_MAX_FIELDS - 1)];
	bool two_levels = image->levels == 2;

	return row_word(image, two_levels, row, number, word) |
	       row_word(image, two_levels, wildcard, number, word);
}

INLINE bool and_summary(const struct image ARENA *image, const struct walk *walk, __u32 group,
			__u32 i, __u64 *summary)
{
	__u64 accepted = row_summary(image, false, walk->row[i], group);

	if (has_wildcard(walk, i))
		accepted |= row_summary(image, false, image->fields[i].wildcard[walk->shape & 7],
					group);
	*summary &= accepted;
	/* The words themselves tell about a single one of them. */
	return *summary & (*summary - 1) && i + 1 < image->n_fields;
}

/* The words of group @group that can be non-zero in the AND of all rows, of three levels. */
GLOBAL __u64 and_summaries(const struct image ARENA *image ARENA_ARG,
			   const struct walk *walk NONNULL_ARG, __u32 group)
{
	__u64 summary = ~0ull;

#define AND_SUMMARY(i) and_summary(image, walk, group, i, &summary)
	WITH_EACH_FIELD(AND_SUMMARY);
#undef AND_SUMMARY
	return summary;
}

INLINE bool and_word(const struct image ARENA *image, const struct walk *walk, bool two_levels,
		     __u32 group, __u32 word, __u32 i, __u64 *bits)
{
	if (has_wildcard(walk, i))
		*bits &= wild_word(image, walk, i, group, word);
	else
		*bits &= row_word(image, two_levels, walk->row[i], group, word);
	return *bits && i + 1 < image->n_fields;
}

/* Word @word of group @group of the AND of all rows; with two levels, and with three. */
GLOBAL __u64 and_words_of_two(const struct image ARENA *image ARENA_ARG,
			      const struct walk *walk NONNULL_ARG, __u32 word)
{
	__u64 bits = ~0ull;

#define AND_WORD(i) and_word(image, walk, true, 0, word, i, &bits)
	WITH_EACH_FIELD(AND_WORD);
#undef AND_WORD
	return bits;
}

GLOBAL __u64 and_words_of_three(const struct image ARENA *image ARENA_ARG,
				const struct walk *walk NONNULL_ARG, __u32 group, __u32 word)
{
	__u64 bits = ~0ull;

#define AND_WORD(i) and_word(image, walk, false, group, word, i, &bits)
	WITH_EACH_FIELD(AND_WORD);
#undef AND_WORD
	return bits;
}

/* The group that holds all of the row, 0 if there are more; the row is not empty. */
INLINE __u32 only_group(const struct image ARENA *image, __u32 offset)
{
	__u64 top = IMAGE_AT(struct image_row, image, offset)->top;

	if (image->levels == 2)
		return offset;
	return top & (top - 1) ? 0 : offset + (__u32)sizeof(struct image_row);
}

/*
 * The most selective field comes first, and often its row is a single word: then there is nothing
 * to search for. Returns that word's first bit, or CLASSIFY_NONE if it is not so.
 */
INLINE __u32 only_word(const struct image ARENA *image, const struct walk *walk)
{
	const struct image_group ARENA *group;
	__u64 summary;
	__u32 offset;

	if (walk->wild_fields & 1)
		return CLASSIFY_NONE;
	/* It is not empty: walk->live is not. */
	if (walk->row[0] & IMAGE_ROW_INLINE)
		return image_inline_bit(walk->row[0]) & ~63u;
	offset = only_group(image, walk->row[0]);
	if (!offset)
		return CLASSIFY_NONE;
	group = IMAGE_AT(struct image_group, image, offset);
	summary = group->summary;
	return summary & (summary - 1) ? CLASSIFY_NONE : group->first;
}

/* First matching bit in [position, end) of the word that begins with bit @base. */
INLINE __u32 next_bit_in_word(const struct image ARENA *image, const struct walk *walk, __u32 base)
{
	__u32 from = walk->position;
	__u64 bits;
	__u32 bit;

	if (base >= walk->end || base + 63 < from)
		return CLASSIFY_NONE;
	if (image->word_ranks &&
	    IMAGE_AT(__u32, image, image->word_ranks)[base >> 6] >= walk->limit)
		return CLASSIFY_NONE;
	bits = image->levels == 2 ? and_words_of_two(image, walk, base >> 6)
				  : and_words_of_three(image, walk, base >> 12, base >> 6 & 63);
	if (from > base)
		bits &= mask_from(from & 63);
	if (!bits)
		return CLASSIFY_NONE;
	bit = base | lowest_bit(bits);
	return bit < walk->end ? bit : CLASSIFY_NONE;
}

/* First matching bit in [position, end) of group @group, among its candidate @words. */
INLINE __u32 next_bit_in_words(const struct image ARENA *image, struct walk *walk, __u32 group,
			       __u64 words)
{
	while (words) {
		__u32 base = group << 12 | lowest_bit(words) << 6;
		__u32 bit;

		if (base >= walk->end)
			return CLASSIFY_NONE;
		bit = next_bit_in_word(image, walk, base);
		if (bit != CLASSIFY_NONE)
			return bit;
		words &= words - 1;
		LOOP_BOUND;
	}
	if (words)
		walk->bound = true;
	return CLASSIFY_NONE;
}

/* First matching bit in [position, end) of an image with two or three levels. */
GLOBAL __u32 next_bit_in_groups(const struct image ARENA *image ARENA_ARG,
				struct walk *walk NONNULL_ARG)
{
	bool two_levels = image->levels == 2;
	__u64 groups = two_levels ? 1 : walk->live;
	__u32 from = walk->position;
	__u32 bit = only_word(image, walk);

	if (bit != CLASSIFY_NONE)
		return next_bit_in_word(image, walk, bit);
	if (from >= walk->end)
		return CLASSIFY_NONE;
	groups &= mask_from(from >> 12 & 63);
	while (groups) {
		__u32 group = lowest_bit(groups) & 63;
		__u64 words;

		if (group << 12 >= walk->end)
			return CLASSIFY_NONE;
		words = two_levels ? walk->live : and_summaries(image, walk, group);
		if (from > group << 12)
			words &= mask_from(from >> 6 & 63);
		bit = next_bit_in_words(image, walk, group, words);
		groups &= groups - 1;
		if (bit != CLASSIFY_NONE)
			break;
		LOOP_BOUND;
	}
	if (walk->bound || (groups && bit == CLASSIFY_NONE))
		return CLASSIFY_BOUND;
	return bit;
}

/* First matching bit in [position, end) of an image with one level: live is all there is. */
GLOBAL __u32 next_bit_of_one_level(const struct walk *walk NONNULL_ARG)
{
	__u32 from = walk->position;
	__u64 bits = walk->live;
	__u32 bit;

	if (from >= walk->end)
		return CLASSIFY_NONE;
	bits &= mask_from(from & 63);
	if (!bits)
		return CLASSIFY_NONE;
	bit = lowest_bit(bits);
	return bit < walk->end ? bit : CLASSIFY_NONE;
}

/* The first bit in [position, end) all of whose fields match; CLASSIFY_NONE or CLASSIFY_BOUND. */
INLINE __u32 next_bit(const struct image ARENA *image, struct walk *walk)
{
	if (!walk->live)
		return CLASSIFY_NONE;
	return image->levels == 1 ? next_bit_of_one_level(walk) : next_bit_in_groups(image, walk);
}

/*
 * Of the bits of the run that @bit, the first place that matches, is in, the one whose rule comes
 * first. The run ends the packet's walk: what is left in @walk counts for nothing.
 */
GLOBAL __u32 first_of_run(const struct image ARENA *image ARENA_ARG, struct walk *walk NONNULL_ARG,
			  __u32 bit)
{
	const struct image_place ARENA *places = IMAGE_AT(struct image_place, image, image->places);
	__u32 first = bit;

	if (places[bit].run_end == bit + 1)
		return bit;
	walk->end = places[bit].run_end;
	do {
		if (places[bit].rank < walk->limit) {
			walk->limit = places[bit].rank;
			first = bit;
		}
		walk->position = bit + 1;
		bit = next_bit_in_groups(image, walk);
		if (bit == CLASSIFY_NONE)
			return first;
		if (bit == CLASSIFY_BOUND)
			return bit;
		LOOP_BOUND;
	} while (true);
	return CLASSIFY_BOUND;
}
