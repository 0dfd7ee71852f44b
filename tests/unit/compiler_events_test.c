// SPDX-License-Identifier: GPL-2.0-or-later
/* Lists of events, sorted and spliced, against the plainest way to do so. */
#include "compiler/events.h"
#include "evaluate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define MAX_EVENTS 3000u

struct model {
	struct event events[2 * MAX_EVENTS];
	uint32_t n;
};

static int compare_events(const void *a, const void *b)
{
	const struct event *one = a, *other = b;
	int order = value_compare(one->value, other->value);

	return order ? order : (one->bit > other->bit) - (one->bit < other->bit);
}

/* Many are equal, or differ in a single byte. */
static struct value random_value(bool is_wide)
{
	struct value value = VALUE(random_below(2) ? random_below(20) : random_below(UINT32_MAX));

	if (is_wide && random_below(2))
		value.high = (uint64_t)random_below(3) << 8 * random_below(8);
	if (is_wide && !random_below(4))
		value.low |= (uint64_t)random_below(UINT32_MAX) << 32;
	return value;
}

/* A bit has at most one event at a value. */
static void fill(struct event_list *list, struct model *model, bool is_wide, uint32_t n_bits)
{
	*list = (struct event_list){.is_wide = is_wide};
	model->n = 0;
	assert_int_equal(event_list_reserve(list, n_bits), 0);
	for (uint32_t bit = 0; bit < n_bits; bit++) {
		struct event event = {random_value(is_wide), bit};

		if (!random_below(4))
			continue;
		event_list_add(list, event);
		model->events[model->n++] = event;
	}
}

static void assert_list(const struct event_list *list, struct model *model)
{
	qsort(model->events, model->n, sizeof(model->events[0]), compare_events);
	assert_int_equal(list->n, model->n);
	for (uint32_t i = 0; i < model->n; i++) {
		struct event event = event_list_at(list, i);

		assert_int_equal(compare_events(&event, &model->events[i]), 0);
	}
}

static void test_sort(void **state)
{
	static struct model model;

	(void)state;
	for (uint32_t i = 0; i < 200; i++) {
		struct event_list list;

		fill(&list, &model, i % 2, random_below(random_below(10) ? 40 : MAX_EVENTS));
		assert_int_equal(event_list_sort(&list), 0);
		assert_list(&list, &model);
		assert_int_equal(event_list_trim(&list),
				 list.n * (i % 2 ? sizeof(struct event) : sizeof(uint64_t)));
		assert_list(&list, &model);
		event_list_free(&list);
	}
}

static void splice_model(struct model *result, const struct model *old,
			 const struct model *inserted, const struct cut *cut)
{
	result->n = 0;
	for (uint32_t i = 0; i < old->n; i++) {
		struct event event = old->events[i];

		if (event.bit >= cut->first && event.bit < cut->end)
			continue;
		if (event.bit >= cut->end)
			event.bit += cut->inserted - (cut->end - cut->first);
		result->events[result->n++] = event;
	}
	for (uint32_t i = 0; i < inserted->n; i++) {
		result->events[result->n] = inserted->events[i];
		result->events[result->n++].bit += cut->first;
	}
}

static void test_splice(void **state)
{
	static struct model old_model, inserted_model, model;

	(void)state;
	for (uint32_t i = 0; i < 400; i++) {
		uint32_t n_bits = random_below(50);
		struct cut cut = {.first = random_below(n_bits + 1), .inserted = random_below(10)};
		struct event_list old, inserted, list;

		cut.end = cut.first + random_below(n_bits - cut.first + 1);
		fill(&old, &old_model, i % 2, n_bits);
		fill(&inserted, &inserted_model, i % 2, cut.inserted);
		assert_int_equal(event_list_sort(&old), 0);
		assert_int_equal(event_list_sort(&inserted), 0);
		assert_int_equal(event_list_splice(&list, &old, &inserted, &cut), 0);
		splice_model(&model, &old_model, &inserted_model, &cut);
		assert_list(&list, &model);
		event_list_free(&old);
		event_list_free(&inserted);
		event_list_free(&list);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sort),
		cmocka_unit_test(test_splice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
