// SPDX-License-Identifier: GPL-2.0-or-later
#include "image_walk.h"

#include "bpf/walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define DEEPEST 1000000u

struct view {
	uint64_t *counters;
	uint32_t *stack;
	bool has_residuals;
};

static bool value_in(const struct residual_intervals *operand, const struct packet *packet,
		     enum field field)
{
	struct value value = {};

	if (field == FIELD_COUNT || !field_is_readable(field, packet_shape(packet)))
		return false;
	if (field < PACKET_WIDE_FIELDS)
		value = (struct value){packet->wide[field].high & operand->mask.high,
				       packet->wide[field].low & operand->mask.low};
	else
		value.low = packet_narrow(packet, field) & operand->mask.low;
	for (uint32_t i = 0; i < operand->count; i++) {
		struct value first = {operand->interval[i].first.high,
				      operand->interval[i].first.low};
		struct value last = {operand->interval[i].last.high, operand->interval[i].last.low};

		if (value_compare(first, value) <= 0 && value_compare(value, last) <= 0)
			return true;
	}
	return false;
}

static enum residual_result evaluate_residuals(struct view *view, const struct image *image,
					       const struct packet *packet, __u32 offset)
{
	const struct residual *residual = IMAGE_AT(struct residual, image, offset);

	view->has_residuals = true;
	for (; residual->kind != RESIDUAL_END;
	     offset += residual->size, residual = IMAGE_AT(struct residual, image, offset)) {
		const struct residual_intervals *operand = (const void *)(residual + 1);

		if (residual->kind == RESIDUAL_HOTDROP &&
		    (residual->argument >> packet_shape(packet) & 1))
			return RESIDUALS_DROP;
		if (residual->kind == RESIDUAL_INTERVALS &&
		    !value_in(operand, packet, operand->field) &&
		    !value_in(operand, packet, operand->other))
			return residual->last_try ? RESIDUALS_RULE_DIFFERS : RESIDUALS_DIFFER;
	}
	return RESIDUALS_MATCH;
}

static void count(struct view *view, __u32 counter, __u32 length)
{
	view->counters[counter] += length;
}

static void delegate(struct view *view, __u32 action)
{
	(void)view;
	(void)action;
}

static bool push_deep(struct view *view, __u32 depth, __u32 bit)
{
	if (!view->stack)
		view->stack = calloc(DEEPEST, sizeof(*view->stack));
	assert_non_null(view->stack);
	assert_true(depth < DEEPEST);
	view->stack[depth] = bit;
	return true;
}

static __u32 pop_deep(struct view *view, __u32 depth)
{
	return view->stack[depth];
}

bool image_judge(const struct image *image, const struct value fields[FIELD_COUNT],
		 uint64_t *counters, bool *ret_has_residuals)
{
	struct packet packet = {.length = 1};
	struct view view = {.counters = counters};
	enum walk_result result;

	for (int field = 0; field < FIELD_COUNT; field++) {
		if (field < PACKET_WIDE_FIELDS) {
			packet.wide[field].high = fields[field].high;
			packet.wide[field].low = fields[field].low;
		} else {
			packet_set_narrow(&packet, field, (__u32)fields[field].low);
		}
	}
	if (!(image->needs & IMAGE_NEEDS_TRANSPORT))
		packet.narrow &= ~(field_ones(FIELD_SHAPE) << field_shift(FIELD_SHAPE));
	result = walk_chains(&view, image, &packet);
	free(view.stack);
	assert_true(result == WALK_ACCEPT || result == WALK_DROP);
	if (ret_has_residuals)
		*ret_has_residuals = view.has_residuals;
	return result == WALK_ACCEPT;
}
