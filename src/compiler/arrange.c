// SPDX-License-Identifier: GPL-2.0-or-later
#include "compiler/arrange.h"

#include "compiler/events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* With fewer bits, or runs, there are too few words to look at to save any. */
#define MIN_BITS 256u
#define MIN_RUN  64u

/*
 * So few bits on average accept a value of some field that a packet's rules are in few words as it
 * is.
 */
#define FEW_BITS 16u

/* What a bit accepts of a field, as far as it is compared: mostly one interval, a prefix. */
struct extent {
	struct value first;
	uint8_t size; /* as a power of two, rounded up */
	uint8_t ends; /* events seen */
};

/* The number of bits in which values from 0 to @value can differ. */
static uint8_t significant_bits(struct value value)
{
	if (value.high)
		return (uint8_t)(128 - __builtin_clzll(value.high));
	return value.low ? (uint8_t)(64 - __builtin_clzll(value.low)) : 0;
}

static struct value difference(struct value a, struct value b)
{
	return (struct value){a.high - b.high - (a.low < b.low), a.low - b.low};
}

static const struct lowered_field *find_field(const struct lowered *lowered, enum field field)
{
	for (uint32_t i = 0; i < lowered->n_fields; i++)
		if (lowered->fields[i].field == field &&
		    !value_compare(lowered->fields[i].mask, VALUE_ALL_BITS))
			return &lowered->fields[i];
	return NULL;
}

/* The extents that the bits have in @field (NULL: all values), one for each. NULL: no memory. */
static struct extent *find_extents(const struct lowered *lowered, enum field number)
{
	const struct lowered_field *field = find_field(lowered, number);
	uint8_t all = (uint8_t)lowered_field_bits(lowered->family, number);
	struct extent *extents = calloc(lowered->n_bits, sizeof(*extents));

	if (!extents)
		return NULL;
	for (uint32_t i = 0; i < lowered->n_bits; i++)
		extents[i].size = all;
	for (uint32_t i = 0; field && i < field->events.n; i++) {
		struct event event = event_list_at(&field->events, i);
		struct extent *extent = &extents[event.bit];

		if (!extent->ends++)
			extent->first = event.value;
		else if (extent->ends == 2)
			extent->size = significant_bits(
				difference(difference(event.value, extent->first), VALUE(1)));
	}
	return extents;
}

/* The highest @bits bits of a value that has @width. */
static uint64_t highest_bits(struct value value, uint32_t width, uint32_t bits)
{
	uint64_t top = width == 128 ? value.high : value.low << (64 - width);

	return top >> (64 - bits);
}

/*
 * Prefixes of the same lengths side by side, in the order of the addresses; then by the destination
 * port. A packet's address is in one prefix of each length at most, so its rules are in as many
 * places at most as there are pairs of lengths.
 */
static struct value sort_key(const struct extent *source, const struct extent *destination,
			     const struct extent *port, uint32_t width)
{
	return (struct value){
		.high = (uint64_t)source->size << 56 | (uint64_t)destination->size << 48 |
			highest_bits(source->first, width, 48),
		.low = highest_bits(destination->first, width, 43) << 21 |
		       (uint64_t)port->size << 16 | port->first.low,
	};
}

static int fill_keys(const struct lowered *lowered, struct value *keys)
{
	struct extent *source = find_extents(lowered, FIELD_SOURCE);
	struct extent *destination = find_extents(lowered, FIELD_DESTINATION);
	struct extent *port = find_extents(lowered, FIELD_DESTINATION_PORT);
	uint32_t width = lowered_field_bits(lowered->family, FIELD_SOURCE);
	bool complete = source && destination && port;

	for (uint32_t i = 0; complete && i < lowered->n_bits; i++)
		keys[i] = sort_key(&source[i], &destination[i], &port[i], width);
	free(source);
	free(destination);
	free(port);
	return complete ? 0 : -ENOMEM;
}

/* Does each value of the field have few bits that accept it? */
static bool is_selective(const struct lowered *lowered, const struct lowered_field *field,
			 uint64_t *accepting)
{
	uint64_t limit = (uint64_t)FEW_BITS * field->events.n, sum = 0, accepted_by = 0;

	if (field->n_constraints < lowered->n_bits)
		return false;
	memset(accepting, 0, (lowered->n_bits / 64 + 1) * sizeof(*accepting));
	for (uint32_t i = 0; i < field->events.n && sum <= limit; i++) {
		uint32_t bit = event_list_at(&field->events, i).bit;

		accepting[bit / 64] ^= 1ull << bit % 64;
		if (accepting[bit / 64] >> bit % 64 & 1)
			accepted_by++;
		else
			accepted_by--;
		sum += accepted_by;
	}
	return sum <= limit;
}

static int has_selective_field(const struct lowered *lowered)
{
	uint64_t *accepting = calloc(lowered->n_bits / 64 + 1, sizeof(*accepting));
	bool found = false;

	if (!accepting)
		return -ENOMEM;
	for (uint32_t i = 0; i < lowered->n_fields && !found; i++)
		found = is_selective(lowered, &lowered->fields[i], accepting);
	free(accepting);
	return found;
}

/* Whether all that rule number @number of the layout can do is to end a packet's walk. */
static bool is_final(const struct ruleset *ruleset, const struct layout *layout,
		     const struct lowered *lowered, uint32_t number)
{
	const struct entry *entry = &ruleset->entries[layout->entry_of_counter[number]];

	if (entry->verdict != VERDICT_ACCEPT && entry->verdict != VERDICT_DROP)
		return false;
	for (uint32_t i = lowered->rules[number].first_bit;
	     i < lowered->rules[number + 1].first_bit; i++)
		if (lowered->bits[i].residuals)
			return false;
	return true;
}

/* Sorts the bits from @first to @end - 1 by their @keys. */
static int arrange_run(const struct value *keys, uint32_t first, uint32_t end,
		       struct arrangement *arrangement)
{
	struct event_list list = {.is_wide = true};
	int error = 0;

	if (end - first < MIN_RUN)
		return 0;
	if (event_list_reserve(&list, end - first))
		return -ENOMEM;
	for (uint32_t bit = first; bit < end; bit++)
		event_list_add(&list, (struct event){keys[bit], bit});
	error = event_list_sort(&list);
	for (uint32_t i = 0; i < list.n && !error; i++) {
		uint32_t bit = event_list_at(&list, i).bit;

		arrangement->place_of_bit[bit] = first + i;
		arrangement->places[first + i] = (struct image_place){.rank = bit, .run_end = end};
	}
	event_list_free(&list);
	return error;
}

static int arrange_chain(const struct ruleset *ruleset, const struct layout *layout,
			 const struct lowered *lowered, const struct value *keys, uint32_t chain,
			 struct arrangement *arrangement)
{
	uint32_t number = layout->first_counter[chain], end = layout->first_counter[chain + 1];
	int error = 0;

	while (number < end && !error) {
		uint32_t first = number;

		while (number < end && is_final(ruleset, layout, lowered, number))
			number++;
		error = arrange_run(keys, lowered->rules[first].first_bit,
				    lowered->rules[number].first_bit, arrangement);
		number += number == first;
	}
	return error;
}

/* Each bit in its own place, and room for all. */
static int start(const struct lowered *lowered, struct arrangement *arrangement)
{
	uint32_t n = lowered->n_bits;

	arrangement->place_of_bit = calloc(n, sizeof(*arrangement->place_of_bit));
	arrangement->places = calloc(n, sizeof(*arrangement->places));
	arrangement->word_ranks = calloc(n / 64 + 1, sizeof(*arrangement->word_ranks));
	if (!arrangement->place_of_bit || !arrangement->places || !arrangement->word_ranks)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		arrangement->place_of_bit[i] = i;
		arrangement->places[i] = (struct image_place){.rank = i, .run_end = i + 1};
	}
	return 0;
}

static int arrange(const struct ruleset *ruleset, const struct layout *layout,
		   const struct lowered *lowered, struct value *keys,
		   struct arrangement *arrangement)
{
	int error = start(lowered, arrangement);

	if (!error)
		error = fill_keys(lowered, keys);
	for (uint32_t chain = 0; chain < layout->n_chains && !error; chain++)
		error = arrange_chain(ruleset, layout, lowered, keys, chain, arrangement);
	if (error)
		return error;
	for (uint32_t i = 0; i < lowered->n_bits; i++) {
		uint32_t *lowest = &arrangement->word_ranks[i / 64];

		if (i % 64 == 0 || arrangement->places[i].rank < *lowest)
			*lowest = arrangement->places[i].rank;
	}
	return 0;
}

int arrange_bits(const struct ruleset *ruleset, const struct layout *layout,
		 const struct lowered *lowered, struct arrangement *ret_arrangement)
{
	struct value *keys;
	int selective, error;

	*ret_arrangement = (struct arrangement){};
	if (lowered->n_bits < MIN_BITS)
		return 0;
	selective = has_selective_field(lowered);
	if (selective)
		return selective < 0 ? selective : 0;
	keys = calloc(lowered->n_bits, sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	error = arrange(ruleset, layout, lowered, keys, ret_arrangement);
	free(keys);
	return error;
}

void arrangement_free(struct arrangement *arrangement)
{
	free(arrangement->place_of_bit);
	free(arrangement->places);
	free(arrangement->word_ranks);
	*arrangement = (struct arrangement){};
}
