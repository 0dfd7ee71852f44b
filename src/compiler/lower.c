// SPDX-License-Identifier: GPL-2.0-or-later
#include "compiler/lower.h"

#include "common/cleanup.h"
#include "compiler/chains.h"
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
	uint32_t *chain_number; /* by index in the ruleset: position in the image */
	struct predicate predicate;
	struct conjunction alternatives[MAX_ALTERNATIVES];
	uint32_t n_alternatives;
};

/* So many fields with a mask leave a place for each of those without. */
#define MAX_MASKED_FIELDS (IMAGE_MAX_FIELDS - FIELD_COUNT)

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
	if (masked && n_masked == MAX_MASKED_FIELDS)
		return IMAGE_MAX_FIELDS;
	fields[out->n_fields] = (struct lowered_field){.field = field, .mask = mask};
	return out->n_fields++;
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

	lowering->out->needs |= needs_of(requirement->field);
	if (requirement->field == FIELD_CONNTRACK &&
	    looks_at_nat(intervals, requirement->n_intervals))
		lowering->out->needs |= IMAGE_NEEDS_NAT;
	return conjunction_require(conjunction, number, requirement, intervals);
}

/* Each alternative so far becomes two: one with the first requirement, one with the other. */
static int lower_either(struct lowering *lowering, const struct step *step)
{
	uint32_t n = lowering->n_alternatives;
	int error;

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

static int lower_step(struct lowering *lowering, struct conjunction *conjunction,
		      const struct step *step)
{
	const uint8_t *operands = lowering->predicate.operands;

	switch (step->kind) {
	case STEP_REQUIRE:
		return lower_requirement(lowering, conjunction, &step->requirement[0]);
	case STEP_HOTDROP:
		lowering->out->needs |= IMAGE_NEEDS_TRANSPORT;
		return conjunction_hotdrop(conjunction, step->shapes);
	case STEP_RESIDUAL:
		if (step->residual.kind == RESIDUAL_TCP_OPTION)
			lowering->out->needs |= IMAGE_NEEDS_TRANSPORT;
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

static int store_constraint(struct lowered_field *to, uint32_t bit,
			    const struct conjunction_field *from)
{
	struct constraint constraint = {
		.bit = bit,
		.first_interval = to->n_intervals,
		.n_intervals = from->n_intervals,
		.late = from->late,
	};

	if (GROW(to->intervals, to->max_intervals, to->n_intervals + from->n_intervals) ||
	    GROW(to->constraints, to->max_constraints, to->n_constraints + 1))
		return -ENOMEM;
	if (from->n_intervals)
		memcpy(to->intervals + to->n_intervals, from->intervals,
		       from->n_intervals * sizeof(*from->intervals));
	to->n_intervals += from->n_intervals;
	to->constraints[to->n_constraints++] = constraint;
	to->late |= from->late;
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

static int store_bit(struct lowering *lowering, struct conjunction *conjunction,
		     const struct image_rule *rule)
{
	struct lowered *out = lowering->out;
	uint32_t bit = out->n_bits;
	int error = 0;

	if (bit >= IMAGE_MAX_BITS)
		return message_error(lowering->message, E2BIG,
				     "more than %u rules (with their alternatives) can be reached "
				     "from one built-in chain",
				     IMAGE_MAX_BITS);
	if (GROW(out->rules, out->max_bits, bit + 1))
		return -ENOMEM;
	out->rules[bit] = *rule;
	out->rules[bit].hotdrop = (uint8_t)conjunction->hotdrop;
	out->rules[bit].residuals = store_residuals(out, conjunction, &error);
	out->n_bits++;
	drop_implied_shape(out, conjunction);
	for (uint32_t i = 0; i < conjunction->n_fields && !error; i++)
		if (conjunction->fields[i].used)
			error = store_constraint(&out->fields[i], bit, &conjunction->fields[i]);
	return error;
}

static uint8_t image_verdict(enum verdict verdict)
{
	static const uint8_t verdicts[] = {
		[VERDICT_ACCEPT] = IMAGE_ACCEPT, [VERDICT_DROP] = IMAGE_DROP,
		[VERDICT_RETURN] = IMAGE_RETURN, [VERDICT_CONTINUE] = IMAGE_CONTINUE,
		[VERDICT_JUMP] = IMAGE_JUMP,     [VERDICT_GOTO] = IMAGE_GOTO,
	};

	return verdicts[verdict];
}

static int store_alternatives(struct lowering *lowering, const struct entry *entry,
			      uint32_t counter)
{
	struct lowered *out = lowering->out;
	bool jumps = entry->verdict == VERDICT_JUMP || entry->verdict == VERDICT_GOTO;
	struct image_rule rule = {
		.counter = counter,
		.chain = lowering->chain_number[entry->chain],
		.target = jumps ? lowering->chain_number[entry->target] : 0,
		.verdict = image_verdict(entry->verdict),
	};
	uint32_t first = out->n_bits;

	for (uint32_t i = 0; i < lowering->n_alternatives; i++) {
		int error = 0;

		if (conjunction_possible(&lowering->alternatives[i]))
			error = store_bit(lowering, &lowering->alternatives[i], &rule);
		if (error)
			return error;
	}
	for (uint32_t bit = first; bit < out->n_bits; bit++)
		out->rules[bit].next = out->n_bits;
	return 0;
}

static int lower_rule(struct lowering *lowering, uint32_t index, uint32_t counter)
{
	const struct ruleset *ruleset = lowering->ruleset;
	const struct entry *entry = &ruleset->entries[index];
	int error;

	predicate_clear(&lowering->predicate);
	ruleset_compile_entry(ruleset, index, &lowering->predicate);
	lowering->n_alternatives = 1;
	error = lowering->predicate.failed ? -ENOMEM : lower_steps(lowering);
	if (!error)
		error = store_alternatives(lowering, entry, counter);
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

static int lower_chain(struct lowering *lowering, const struct chain *chain)
{
	struct lowered *out = lowering->out;
	struct image_chain *range = &out->chains[out->n_chains++];
	int error = 0;

	range->begin = out->n_bits;
	for (uint32_t index = chain->first; index < chain->end && !error; index++) {
		out->entry_of_counter[out->n_counters] = index;
		error = lower_rule(lowering, index, out->n_counters++);
	}
	range->end = out->n_bits;
	return error;
}

static int lower_chains(struct lowering *lowering, unsigned int hook)
{
	const struct ruleset *ruleset = lowering->ruleset;
	struct lowered *out = lowering->out;
	uint32_t n_chains = 0;
	int error;

	for (uint32_t i = 0; i < ruleset->n_chains; i++)
		if (ruleset->chains[i].hooks & HOOK_BIT(hook))
			lowering->chain_number[i] = n_chains++;
	out->chains = calloc(n_chains + 1, sizeof(*out->chains));
	out->entry_of_counter = calloc(ruleset->n_entries + 1, sizeof(*out->entry_of_counter));
	if (!out->chains || !out->entry_of_counter)
		return -ENOMEM;

	/* Base chains come first in a ruleset: chain 0 of the image is this hook's. */
	for (uint32_t i = 0; i < ruleset->n_chains; i++) {
		const struct chain *chain = &ruleset->chains[i];

		if (!(chain->hooks & HOOK_BIT(hook)))
			continue;
		error = lower_chain(lowering, chain);
		if (error)
			return error;
	}
	return 0;
}

int lower_hook(const struct ruleset *ruleset, unsigned int hook, struct lowered *ret_lowered,
	       struct message *message)
{
	const struct chain *base = ruleset_base_chain(ruleset, hook);
	_cleanup_free_ uint32_t *chain_number = calloc(ruleset->n_chains, sizeof(*chain_number));
	_cleanup_free_ struct lowering *lowering = calloc(1, sizeof(*lowering));
	int error;

	*ret_lowered = (struct lowered){};
	if (!chain_number || !lowering)
		return -ENOMEM;
	lowering->ruleset = ruleset;
	lowering->out = ret_lowered;
	ret_lowered->family = ruleset->family;
	lowering->message = message;
	lowering->chain_number = chain_number;
	error = lower_chains(lowering, hook);
	predicate_free(&lowering->predicate);
	if (error)
		return error;
	ret_lowered->entry_of_counter[ret_lowered->n_counters++] = base->end;
	ret_lowered->policy = image_verdict(ruleset->entries[base->end].verdict);
	return chains_depth(ruleset, hook, &ret_lowered->depth);
}

void lowered_free(struct lowered *lowered)
{
	for (uint32_t i = 0; i < lowered->n_fields; i++) {
		free(lowered->fields[i].constraints);
		free(lowered->fields[i].intervals);
	}
	free(lowered->chains);
	free(lowered->rules);
	free(lowered->residuals);
	free(lowered->entry_of_counter);
	*lowered = (struct lowered){};
}
