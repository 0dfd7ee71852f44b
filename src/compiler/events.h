/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ends of one field's intervals: at these values a bit begins or ceases to accept. Sorted by
 * value, and by bit where values are equal, they are all that the field's rows are made from.
 */
#pragma once

#include "compiler/cut.h"
#include "ruleset/predicate.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event {
	struct value value;
	uint32_t bit;
};

/* Values of up to 32 bits share a word with their bit: for 100,000 rules that is much memory. */
struct event_list {
	bool is_wide;
	uint32_t n;
	uint32_t max;
	uint64_t *narrow; /* value above, bit below */
	struct event *wide;
};

static inline struct event event_list_at(const struct event_list *list, uint32_t index)
{
	if (list->is_wide)
		return list->wide[index];
	return (struct event){VALUE(list->narrow[index] >> 32), (uint32_t)list->narrow[index]};
}

/* Room for @n events altogether. Returns 0 or -ENOMEM. */
int event_list_reserve(struct event_list *list, uint64_t n);

static inline void event_list_put(struct event_list *list, uint32_t index, struct event event)
{
	if (list->is_wide)
		list->wide[index] = event;
	else
		list->narrow[index] = event.value.low << 32 | event.bit;
}

/* There is room (event_list_reserve()). Bits are added in ascending order. */
static inline void event_list_add(struct event_list *list, struct event event)
{
	event_list_put(list, list->n++, event);
}

/* Sorts events that have been added. Returns 0 or -ENOMEM. */
int event_list_sort(struct event_list *list);

/*
 * Fills @ret_list, an empty one, with the events of @old outside of the cut and those of @inserted,
 * whose bits are counted from 0. All are sorted. Returns 0 or -ENOMEM.
 */
int event_list_splice(struct event_list *ret_list, const struct event_list *old,
		      const struct event_list *inserted, const struct cut *cut);

/* Gives back the memory that is not used. Returns how much is, in bytes. */
size_t event_list_trim(struct event_list *list);

void event_list_free(struct event_list *list); /* accepts a zeroed one */
