// SPDX-License-Identifier: GPL-2.0-or-later
#include "compiler/events.h"

#include "compiler/grow.h"

#include <string.h>

#define DIGIT_BITS   8u
#define DIGIT_VALUES (1u << DIGIT_BITS)

int event_list_reserve(struct event_list *list, uint64_t n)
{
	return list->is_wide ? GROW(list->wide, list->max, n) : GROW(list->narrow, list->max, n);
}

void event_list_free(struct event_list *list)
{
	free(list->narrow);
	free(list->wide);
	*list = (struct event_list){};
}

/* An empty list with room for exactly @n events. */
static int new_list(struct event_list *ret_list, bool is_wide, uint32_t n)
{
	struct event_list list = {.is_wide = is_wide, .max = n};

	if (is_wide)
		list.wide = reallocarray(NULL, n + 1ull, sizeof(*list.wide));
	else
		list.narrow = reallocarray(NULL, n + 1ull, sizeof(*list.narrow));
	if (!list.wide && !list.narrow)
		return -ENOMEM;
	*ret_list = list;
	return 0;
}

size_t event_list_trim(struct event_list *list)
{
	return list->is_wide ? TRIM(list->wide, list->max, list->n)
			     : TRIM(list->narrow, list->max, list->n);
}

static uint32_t digit_of(struct value value, uint32_t number)
{
	uint64_t word = number < 8 ? value.low : value.high;

	return word >> number % 8 * DIGIT_BITS & (DIGIT_VALUES - 1);
}

/* Moves all events to @to, an empty list, in the order of one digit. */
static void sort_by_digit(const struct event_list *from, struct event_list *to, uint32_t number)
{
	uint32_t start[DIGIT_VALUES + 1] = {};

	for (uint32_t i = 0; i < from->n; i++)
		start[digit_of(event_list_at(from, i).value, number) + 1]++;
	for (uint32_t i = 0; i < DIGIT_VALUES; i++)
		start[i + 1] += start[i];
	for (uint32_t i = 0; i < from->n; i++) {
		struct event event = event_list_at(from, i);

		event_list_put(to, start[digit_of(event.value, number)]++, event);
	}
	to->n = from->n;
}

/* Rules are often written in the order of their addresses. */
static bool is_sorted(const struct event_list *list)
{
	for (uint32_t i = 1; i < list->n; i++)
		if (value_compare(event_list_at(list, i - 1).value, event_list_at(list, i).value) >
		    0)
			return false;
	return true;
}

/* The bits of the value in which not all events are equal. */
static struct value differing_bits(const struct event_list *list)
{
	struct value differing = VALUE(0), first = event_list_at(list, 0).value;

	for (uint32_t i = 1; i < list->n; i++) {
		struct value value = event_list_at(list, i).value;

		differing.high |= value.high ^ first.high;
		differing.low |= value.low ^ first.low;
	}
	return differing;
}

int event_list_sort(struct event_list *list)
{
	struct value differing;
	struct event_list other;

	if (is_sorted(list))
		return 0;
	if (new_list(&other, list->is_wide, list->n))
		return -ENOMEM;
	differing = differing_bits(list);
	/* From the lowest digit on; each step keeps the order of those before where its own are
	 * equal. */
	for (uint32_t number = 0; number < 16; number++) {
		struct event_list sorted = other;

		if (!digit_of(differing, number))
			continue;
		sort_by_digit(list, &sorted, number);
		other = *list;
		*list = sorted;
	}
	event_list_free(&other);
	return 0;
}

static bool event_precedes(struct event a, struct event b)
{
	int order = value_compare(a.value, b.value);

	return order ? order < 0 : a.bit < b.bit;
}

/* Adds to @list the events of @inserted from number *@next on that come before @limit. */
static inline void add_before(struct event_list *list, const struct event_list *inserted,
			      const struct cut *cut, struct event limit, uint32_t *next)
{
	for (; *next < inserted->n; ++*next) {
		struct event event = event_list_at(inserted, *next);

		event.bit += cut->first;
		if (!event_precedes(event, limit))
			break;
		event_list_add(list, event);
	}
}

/* By value, so that the compiler makes one loop for each width, without a decision in it. */
static inline __attribute__((always_inline)) struct event_list
splice(struct event_list list, struct event_list old, struct event_list inserted,
       const struct cut *cut, bool is_wide)
{
	static const struct event last = {VALUE_ALL_BITS, UINT32_MAX};
	uint32_t next = 0;

	list.is_wide = is_wide;
	old.is_wide = is_wide;
	inserted.is_wide = is_wide;
	for (uint32_t i = 0; i < old.n; i++) {
		struct event event = event_list_at(&old, i);

		if (cut_removes(cut, event.bit))
			continue;
		event.bit = cut_renumber(cut, event.bit);
		add_before(&list, &inserted, cut, event, &next);
		event_list_add(&list, event);
	}
	add_before(&list, &inserted, cut, last, &next);
	return list;
}

int event_list_splice(struct event_list *ret_list, const struct event_list *old,
		      const struct event_list *inserted, const struct cut *cut)
{
	struct event_list list;

	if (new_list(&list, inserted->is_wide, old->n + inserted->n))
		return -ENOMEM;
	*ret_list = list.is_wide ? splice(list, *old, *inserted, cut, true)
				 : splice(list, *old, *inserted, cut, false);
	return 0;
}
