// SPDX-License-Identifier: GPL-2.0-or-later
#include "compiler/lower.h"

#include "common/cleanup.h"
#include "compiler/conjunction.h"
#include "compiler/grow.h"

#include <errno.h>
#include <string.h>

/* A rule with several "either" conditions is one bit for each combination: at most this many. */
#define MAX_ALTERNATIVES 16u

struct lowering {
	const struct ruleset *ruleset;
	struct lowered *out;
	struct message *message;
	uint32_t needs; /* of the rule at hand */
	struct predicate predicate;
	struct conjunction alternatives[MAX_ALTERNATIVES];
	uint32_t n_alternatives;
};

/* So many fields with a mask leave a place for each of those without. */
#define MAX_MASKED_FIELDS (IMAGE_MAX_FIELDS - FIELD_COUNT)

uint32_t lowered_field_bits(uint8_t family, enum field field)
{
	struct value maximum = field_maximum(family, field);

	if (maximum.high)
		return 128;
	if (maximum.low > UINT16_MAX)
		return 32;
	return maximum.low > UINT8_MAX ? 16 : 8;
}

static void add_field(struct lowered *out, enum field field, struct value mask)
{
	out->fields[out->n_fields++] = (struct lowered_field){
		.field = field,
		.mask = mask,
		.events.is_wide = lowered_field_bits(out->family, field) > 32,
	};
}

/* Number of the lowered field, made if it is new; IMAGE_MAX_FIELDS if there is no room for it. */
static uint32_t find_field(struct lowered *out, enum field field, struct value mask)
{
	bool masked = value_compare(mask, VALUE_ALL_BITS);
	struct lowered_field *fields = out->fields;
	uint32_t n_masked = 0;

	for (uint32_t i = 0; i < out->n_fields; i++) {
		if (fields[i].field == field && !value_compare(fields[i].mask, mask))
			return i;
		n_masked += !!value_compare(fields[i].mask, VALUE_ALL_BITS);
	}
	if (masked && n_masked == MAX_MASKED_FIELDS) {
		out->exhausted = true;
		return IMAGE_MAX_FIELDS;
	}
	add_field(out, field, mask);
	return out->n_fields - 1;
}

/* Does the constraint on FIELD_CONNTRACK tell apart connections with and without NAT? */
static bool looks_at_nat(const struct interval *intervals, uint32_t n_intervals)
{
	uint64_t accepted = 0;

	for (uint32_t i = 0; i < n_intervals; i++)
		for (uint64_t v = intervals[i].first.low; v <= intervals[i].last.low; v++)
			accepted |= 1ull << v;
	for (uint32_t value = 0; value < CONNTRACK_VALUES; value++) {
		uint32_t without = value & ~(uint32_t)(CONNTRACK_SNAT | CONNTRACK_DNAT);

		/* Values without a connection have no NAT bits in any packet. */
		if (!(value & CONNTRACK_CONNECTION_MASK))
			continue;
		if ((accepted >> value & 1) != (accepted >> without & 1))
			return true;
	}
	return false;
}

static uint32_t needs_of(enum field field)
{
	switch (field) {
	case FIELD_SOURCE:
	case FIELD_DESTINATION:
	case FIELD_PROTOCOL:
	case FIELD_HOP_LIMIT:
		return 0;
	case FIELD_IN_INTERFACE:
	case FIELD_OUT_INTERFACE:
		return IMAGE_NEEDS_INTERFACES;
	case FIELD_CONNTRACK:
		return IMAGE_NEEDS_CONNTRACK;
	default:
		return IMAGE_NEEDS_TRANSPORT;
	}
}

static int lower_requirement(struct lowering *lowering, struct conjunction *conjunction,
			     const struct requirement *requirement)
{
	const struct interval *intervals =
		lowering->predicate.intervals + requirement->first_interval;
	uint32_t number = find_field(lowering->out, requirement->field, requirement->mask);

	lowering->needs |= needs_of(requirement->field);
	if (requirement->field == FIELD_CONNTRACK &&
	    looks_at_nat(intervals, requirement->n_intervals))
		lowering->needs |= IMAGE_NEEDS_NAT;
	return conjunction_require(conjunction, number, requirement, intervals);
}

/* Behind an effect, which must be had once, a packet does not get to another alternative. */
static int lower_either_later(struct lowering *lowering, const struct step *step)
{
	const struct requirement *requirement = step->requirement;
	const struct interval *intervals =
		lowering->predicate.intervals + requirement[0].first_interval;
	int error = 0;

	lowering->needs |= needs_of(requirement[0].field) | needs_of(requirement[1].field);
	for (uint32_t i = 0; i < lowering->n_alternatives && !error; i++)
		error = conjunction_require_either(&lowering->alternatives[i], requirement,
						   intervals);
	return error;
}

/* Each alternative so far becomes two: one with the first requirement, one with the other. */
static int lower_either(struct lowering *lowering, const struct step *step)
{
	uint32_t n = lowering->n_alternatives;
	int error;

	if (lowering->alternatives[0].sealed)
		return lower_either_later(lowering, step);
	if (n * 2 > MAX_ALTERNATIVES)
		return -E2BIG;
	for (uint32_t i = 0; i < n; i++) {
		struct conjunction *one = &lowering->alternatives[i];
		struct conjunction *other = &lowering->alternatives[lowering->n_alternatives];

		error = conjunction_copy(other, one);
		lowering->n_alternatives++;
		if (!error)
			error = lower_requirement(lowering, one, &step->requirement[0]);
		if (!error)
			error = lower_requirement(lowering, other, &step->requirement[1]);
		if (error)
			return error;
	}
	return 0;
}

static uint32_t needs_of_residual(enum residual_kind kind)
{
	switch (kind) {
	case RESIDUAL_TCP_OPTION:
	case RESIDUAL_TCP_BITS:
	case RESIDUAL_TCP_MSS:
	case RESIDUAL_TRANSPORT_NUMBER:
	case RESIDUAL_TRANSPORT_SIZE:
	case RESIDUAL_SCTP_CHUNKS:
	case RESIDUAL_DCCP:
		return IMAGE_NEEDS_TRANSPORT;
	default:
		return 0;
	}
}

static int lower_step(struct lowering *lowering, struct conjunction *conjunction,
		      const struct step *step)
{
	const uint8_t *operands = lowering->predicate.operands;

	switch (step->kind) {
	case STEP_REQUIRE:
		return lower_requirement(lowering, conjunction, &step->requirement[0]);
	case STEP_HOTDROP:
		lowering->needs |= IMAGE_NEEDS_TRANSPORT;
		return conjunction_hotdrop(conjunction, step->shapes);
	case STEP_RESIDUAL:
		lowering->needs |= needs_of_residual(step->residual.kind);
		return conjunction_residual(conjunction, step->residual.kind, 0,
					    operands + step->residual.operand, step->residual.size);
	default:
		return -EINVAL;
	}
}

static int lower_steps(struct lowering *lowering)
{
	const struct predicate *predicate = &lowering->predicate;
	int error = 0;

	for (uint32_t s = 0; s < predicate->n_steps && !error; s++) {
		if (predicate->steps[s].kind == STEP_REQUIRE_EITHER) {
			error = lower_either(lowering, &predicate->steps[s]);
			continue;
		}
		for (uint32_t i = 0; i < lowering->n_alternatives && !error; i++)
			error = lower_step(lowering, &lowering->alternatives[i],
					   &predicate->steps[s]);
	}
	return error;
}

/* Does the constraint accept every packet that is no fragment, and refuse fragments? */
static bool only_refuses_fragments(const struct conjunction_field *shape)
{
	return shape->n_intervals == 1 && !shape->intervals[0].first.low &&
	       shape->intervals[0].last.low == SHAPE_BROKEN;
}

/*
 * Most matches on the transport header say that the packet is no fragment, and then ask for a port
 * or so, which a fragment does not have: the first need not be looked at.
 */
static void drop_implied_shape(const struct lowered *lowered, struct conjunction *conjunction)
{
	struct conjunction_field *shape = NULL;

	for (uint32_t i = 0; i < lowered->n_fields; i++)
		if (lowered->fields[i].field == FIELD_SHAPE && conjunction->fields[i].used)
			shape = &conjunction->fields[i];
	if (!shape || !only_refuses_fragments(shape))
		return;
	for (uint32_t i = 0; i < lowered->n_fields; i++) {
		const struct conjunction_field *field = &conjunction->fields[i];

		if (lowered->fields[i].field < FIELD_FIRST_TRANSPORT || !field->used ||
		    (field->late & SHAPES_FRAGMENT & ~shape->late))
			continue;
		shape->used = false;
		return;
	}
}

static struct value value_after(struct value value)
{
	value.low++;
	if (!value.low)
		value.high++;
	return value;
}

/* The largest value that the (masked) field can have. */
static struct value greatest_value(uint8_t family, const struct lowered_field *field)
{
	struct value maximum = field_maximum(family, field->field);

	return (struct value){maximum.high & field->mask.high, maximum.low & field->mask.low};
}

static int store_constraint(struct lowered *out, uint32_t number, uint32_t bit,
			    const struct conjunction_field *from)
{
	struct lowered_field *to = &out->fields[number];
	struct value greatest = greatest_value(out->family, to);

	if (event_list_reserve(&to->events, to->events.n + 2ull * from->n_intervals) ||
	    GROW(to->constraints, to->max_constraints, to->n_constraints + 1))
		return -ENOMEM;
	to->constraints[to->n_constraints++] = (struct constraint){bit, from->late};
	for (uint32_t i = 0; i < from->n_intervals; i++) {
		const struct interval *interval = &from->intervals[i];

		event_list_add(&to->events, (struct event){interval->first, bit});
		if (value_compare(interval->last, greatest) < 0)
			event_list_add(&to->events,
				       (struct event){value_after(interval->last), bit});
	}
	return 0;
}

/* Position of the residuals, plus 1; 0 if there are none or no memory (-ENOMEM in @error). */
static uint32_t store_residuals(struct lowered *out, struct conjunction *conjunction, int *error)
{
	static const struct residual end = {.kind = RESIDUAL_END, .size = sizeof(end)};
	uint32_t size = conjunction->residuals_size;
	uint32_t position = out->residuals_size;

	if (!size)
		return 0;
	if (GROW(out->residuals, out->max_residuals, position + size + sizeof(end))) {
		*error = -ENOMEM;
		return 0;
	}
	memcpy(out->residuals + position, conjunction->residuals, size);
	memcpy(out->residuals + position + size, &end, sizeof(end));
	out->residuals_size += size + (uint32_t)sizeof(end);
	return position + 1;
}

int lowered_refuse_bits(struct message *message)
{
	return message_error(message, E2BIG,
			     "more than %u rules (with their alternatives) can be reached from one "
			     "built-in chain",
			     IMAGE_MAX_BITS);
}

static int store_bit(struct lowering *lowering, struct conjunction *conjunction)
{
	struct lowered *out = lowering->out;
	uint32_t bit = out->n_bits;
	int error = 0;

	if (bit >= IMAGE_MAX_BITS)
		return lowered_refuse_bits(lowering->message);
	if (GROW(out->bits, out->max_bits, bit + 1))
		return -ENOMEM;
	out->bits[bit] = (struct lowered_bit){
		.residuals = store_residuals(out, conjunction, &error),
		.hotdrop = conjunction->hotdrop,
	};
	out->n_bits++;
	drop_implied_shape(out, conjunction);
	for (uint32_t i = 0; i < conjunction->n_fields && !error; i++)
		if (conjunction->fields[i].used)
			error = store_constraint(out, i, bit, &conjunction->fields[i]);
	return error;
}

static int store_alternatives(struct lowering *lowering)
{
	for (uint32_t i = 0; i < lowering->n_alternatives; i++) {
		int error = 0;

		if (conjunction_possible(&lowering->alternatives[i]))
			error = store_bit(lowering, &lowering->alternatives[i]);
		if (error)
			return error;
	}
	return 0;
}

static int lower_rule(struct lowering *lowering, uint32_t index)
{
	const struct ruleset *ruleset = lowering->ruleset;
	const struct entry *entry = &ruleset->entries[index];
	int error;

	predicate_clear(&lowering->predicate);
	ruleset_compile_entry(ruleset, index, &lowering->predicate);
	lowering->needs = 0;
	lowering->n_alternatives = 1;
	error = lowering->predicate.failed ? -ENOMEM : lower_steps(lowering);
	if (!error)
		error = store_alternatives(lowering);
	for (uint32_t i = 0; i < lowering->n_alternatives; i++)
		conjunction_clear(&lowering->alternatives[i]);
	if (error == -E2BIG && lowering->message && !lowering->message->text[0])
		message_error(lowering->message, E2BIG,
			      "filter %s rule %u: more than %d matches that each offer "
			      "alternatives (multiport --ports) cannot be combined",
			      ruleset->chains[entry->chain].name,
			      ruleset_rule_number(ruleset, index), __builtin_ctz(MAX_ALTERNATIVES));
	return error;
}

static int lower_all(struct lowering *lowering, const uint32_t *entries, uint32_t n)
{
	struct lowered *out = lowering->out;
	int error = 0;

	out->rules = calloc(n + 1ull, sizeof(*out->rules));
	if (!out->rules)
		return -ENOMEM;
	for (uint32_t i = 0; i < n && !error; i++) {
		out->rules[i].first_bit = out->n_bits;
		error = lower_rule(lowering, entries[i]);
		out->rules[i].needs = lowering->needs;
	}
	out->rules[n].first_bit = out->n_bits;
	out->n_rules = n;
	for (uint32_t i = 0; i < out->n_fields && !error; i++)
		error = event_list_sort(&out->fields[i].events);
	return error;
}

int lower_rules(const struct ruleset *ruleset, const struct layout *layout, uint32_t first,
		uint32_t end, const struct lowered *known, struct lowered *ret_lowered,
		struct message *message)
{
	_cleanup_free_ struct lowering *lowering = calloc(1, sizeof(*lowering));
	int error;

	*ret_lowered = (struct lowered){.family = ruleset->family};
	if (!lowering)
		return -ENOMEM;
	for (uint32_t i = 0; known && i < known->n_fields; i++)
		add_field(ret_lowered, known->fields[i].field, known->fields[i].mask);
	lowering->ruleset = ruleset;
	lowering->out = ret_lowered;
	lowering->message = message;
	error = lower_all(lowering, layout->entry_of_counter + first, end - first);
	predicate_free(&lowering->predicate);
	return error;
}

size_t lowered_trim(struct lowered *lowered)
{
	size_t size = sizeof(*lowered) + lowered->n_rules * sizeof(*lowered->rules);

	size += TRIM(lowered->bits, lowered->max_bits, lowered->n_bits);
	size += TRIM(lowered->residuals, lowered->max_residuals, lowered->residuals_size);
	for (uint32_t i = 0; i < lowered->n_fields; i++) {
		struct lowered_field *field = &lowered->fields[i];

		size += TRIM(field->constraints, field->max_constraints, field->n_constraints);
		size += event_list_trim(&field->events);
	}
	return size;
}

void lowered_free(struct lowered *lowered)
{
	for (uint32_t i = 0; i < lowered->n_fields; i++) {
		free(lowered->fields[i].constraints);
		event_list_free(&lowered->fields[i].events);
	}
	free(lowered->rules);
	free(lowered->bits);
	free(lowered->residuals);
	*lowered = (struct lowered){};
}
