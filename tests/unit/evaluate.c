// SPDX-License-Identifier: GPL-2.0-or-later
#include "evaluate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static bool holds(const struct predicate *predicate, const struct requirement *requirement,
		  const struct packet *packet)
{
	struct value value = packet->fields[requirement->field];

	value.high &= requirement->mask.high;
	value.low &= requirement->mask.low;
	for (uint32_t i = 0; i < requirement->n_intervals; i++) {
		const struct interval *interval =
			&predicate->intervals[requirement->first_interval + i];

		if (value_compare(value, interval->first) >= 0 &&
		    value_compare(value, interval->last) <= 0)
			return true;
	}
	return false;
}

enum outcome predicate_evaluate(const struct predicate *predicate, const struct packet *packet)
{
	for (uint32_t i = 0; i < predicate->n_steps; i++) {
		const struct step *step = &predicate->steps[i];

		switch (step->kind) {
		case STEP_REQUIRE:
			if (!holds(predicate, &step->requirement[0], packet))
				return NO_MATCH;
			break;
		case STEP_REQUIRE_EITHER:
			if (!holds(predicate, &step->requirement[0], packet) &&
			    !holds(predicate, &step->requirement[1], packet))
				return NO_MATCH;
			break;
		case STEP_HOTDROP:
			if (step->shapes & SHAPE_BIT(packet->fields[FIELD_SHAPE].low))
				return HOTDROP;
			break;
		case STEP_RESIDUAL:
			break;
		}
	}
	return MATCH;
}

const void *predicate_operand(const struct predicate *predicate, enum residual_kind kind,
			      size_t size)
{
	const void *operand = NULL;

	for (uint32_t i = 0; i < predicate->n_steps; i++) {
		const struct step *step = &predicate->steps[i];

		if (step->kind != STEP_RESIDUAL)
			continue;
		assert_null(operand);
		assert_int_equal(step->residual.kind, kind);
		assert_int_equal(step->residual.size, size);
		assert_int_equal(step->residual.operand % 8, 0);
		operand = predicate->operands + step->residual.operand;
	}
	return operand;
}

static void assert_requirement(const struct predicate *predicate,
			       const struct requirement *requirement)
{
	const struct interval *intervals = predicate->intervals + requirement->first_interval;
	struct value maximum = field_maximum(predicate->family, requirement->field);

	assert_true(requirement->first_interval + requirement->n_intervals <=
		    predicate->n_intervals);
	for (uint32_t i = 0; i < requirement->n_intervals; i++) {
		assert_true(value_compare(intervals[i].first, intervals[i].last) <= 0);
		assert_true(value_compare(intervals[i].last, maximum) <= 0);
		if (i > 0) {
			struct value next = intervals[i - 1].last;

			next.high += ++next.low == 0;
			assert_true(value_compare(next, intervals[i].first) < 0);
		}
	}
	if (requirement->n_intervals == 1)
		assert_false(value_compare(intervals[0].first, VALUE(0)) == 0 &&
			     value_compare(intervals[0].last, maximum) == 0);
}

void assert_well_formed(const struct predicate *predicate)
{
	assert_false(predicate->failed);
	for (uint32_t i = 0; i < predicate->n_steps; i++) {
		const struct step *step = &predicate->steps[i];

		if (step->kind == STEP_REQUIRE || step->kind == STEP_REQUIRE_EITHER)
			assert_requirement(predicate, &step->requirement[0]);
		if (step->kind == STEP_REQUIRE_EITHER)
			assert_requirement(predicate, &step->requirement[1]);
	}
}

/* IPv4, unless there is no such match in it. */
static uint8_t family_of(const struct extension *extension)
{
	return extension->families & FAMILY_BIT(NFPROTO_IPV4) ? NFPROTO_IPV4 : NFPROTO_IPV6;
}

const struct extension *find_match(const char *name, uint8_t revision)
{
	const struct extension *ipv4 =
		extension_find(EXTENSION_MATCH, name, revision, NFPROTO_IPV4);
	const struct extension *ipv6 =
		extension_find(EXTENSION_MATCH, name, revision, NFPROTO_IPV6);
	const struct extension *extension = ipv4 ? ipv4 : ipv6;

	assert_non_null(extension);
	assert_int_equal(extension_known(EXTENSION_MATCH, name, NFPROTO_IPV4), ipv4 != NULL);
	assert_int_equal(extension_known(EXTENSION_MATCH, name, NFPROTO_IPV6), ipv6 != NULL);
	if (extension->families == FAMILIES_ALL)
		assert_ptr_equal(ipv4, ipv6);
	return extension;
}

void compile_match(const struct extension *extension, uint16_t protocol, const void *payload,
		   struct predicate *predicate)
{
	struct rule_context context = {.family = family_of(extension), .protocol = protocol};

	predicate_clear(predicate);
	predicate->family = context.family;
	extension->compile(&context, payload, predicate);
	assert_well_formed(predicate);
}

int check_match(const struct extension *extension, uint16_t protocol, bool protocol_inverted,
		const void *payload)
{
	struct rule_context context = {
		.family = family_of(extension),
		.protocol = protocol,
		.protocol_inverted = protocol_inverted,
	};
	struct message message = {0};
	int r = extension->check(&context, payload, &message);

	assert_int_equal(message.text[0] != '\0', r < 0);
	return r;
}

static uint64_t random_state = 1;

uint32_t random_below(uint32_t limit)
{
	/* The generator of POSIX' drand48(), of which the upper bits are the better ones. */
	random_state = (random_state * 0x5DEECE66Dull + 0xB) & ((1ull << 48) - 1);
	return (uint32_t)((random_state >> 16) * (uint64_t)limit >> 32);
}

uint64_t random_start(uint64_t state)
{
	uint64_t before = random_state;

	random_state = state;
	return before;
}

uint32_t random_shape(uint8_t family)
{
	uint32_t never = family == NFPROTO_IPV4 ? SHAPE_BROKEN : SHAPE_FRAGMENT_1;
	uint32_t shape = random_below(SHAPE_COUNT);

	return shape == never ? SHAPE_WHOLE : shape;
}
