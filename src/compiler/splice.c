// SPDX-License-Identifier: GPL-2.0-or-later
#include "compiler/splice.h"

#include "common/cleanup.h"

#include <errno.h>
#include <string.h>

/* Two lowered runs of rules, and where the second one goes: into what is left of the first. */
struct splice {
	const struct lowered *old;
	const struct lowered *inserted;
	struct cut rules;
	struct cut bits;
	struct cut residuals; /* bytes */
	struct lowered *out;
};

/*
 * Concatenates what is left of the @n elements of @old and those of @inserted in fresh memory. One
 * element more is there, for those that mark their end. NULL: no memory.
 */
static void *splice_array(const void *old, uint32_t n, const void *inserted, const struct cut *cut,
			  size_t size)
{
	size_t behind = n - cut->end;
	size_t total = cut->first + cut->inserted + behind;
	uint8_t *array = reallocarray(NULL, total + 1, size);

	if (!array)
		return NULL;
	if (cut->first)
		memcpy(array, old, cut->first * size);
	if (cut->inserted)
		memcpy(array + cut->first * size, inserted, cut->inserted * size);
	if (behind)
		memcpy(array + (cut->first + cut->inserted) * size,
		       (const uint8_t *)old + cut->end * size, behind * size);
	return array;
}

static int splice_rules(const struct splice *splice)
{
	const struct lowered *old = splice->old;
	struct lowered *out = splice->out;
	uint32_t end = splice->rules.first + splice->rules.inserted;

	out->rules = splice_array(old->rules, old->n_rules, splice->inserted->rules, &splice->rules,
				  sizeof(*out->rules));
	if (!out->rules)
		return -ENOMEM;
	out->n_rules = cut_renumber(&splice->rules, old->n_rules);
	out->rules[out->n_rules] = (struct lowered_rule){.first_bit = old->n_bits};
	for (uint32_t i = splice->rules.first; i < end; i++)
		out->rules[i].first_bit += splice->bits.first;
	for (uint32_t i = end; i <= out->n_rules; i++)
		out->rules[i].first_bit = cut_renumber(&splice->bits, out->rules[i].first_bit);
	return 0;
}

static void move_residuals(struct lowered_bit *bits, uint32_t n, uint32_t distance)
{
	for (uint32_t i = 0; i < n; i++)
		if (bits[i].residuals)
			bits[i].residuals += distance;
}

static int splice_bits(const struct splice *splice)
{
	const struct lowered *old = splice->old;
	struct lowered *out = splice->out;
	uint32_t end = splice->bits.first + splice->bits.inserted;

	out->bits = splice_array(old->bits, old->n_bits, splice->inserted->bits, &splice->bits,
				 sizeof(*out->bits));
	out->residuals = splice_array(old->residuals, old->residuals_size,
				      splice->inserted->residuals, &splice->residuals, 1);
	if (!out->bits || !out->residuals)
		return -ENOMEM;
	out->n_bits = cut_renumber(&splice->bits, old->n_bits);
	out->residuals_size = cut_renumber(&splice->residuals, old->residuals_size);
	move_residuals(out->bits + splice->bits.first, splice->bits.inserted,
		       splice->residuals.first);
	move_residuals(out->bits + end, out->n_bits - end,
		       out->residuals_size - old->residuals_size);
	return 0;
}

/* The number of the first constraint on a bit from @bit on. */
static uint32_t find_constraint(const struct lowered_field *field, uint32_t bit)
{
	uint32_t low = 0, high = field->n_constraints;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (field->constraints[middle].bit < bit)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int splice_field(const struct splice *splice, const struct lowered_field *old,
			const struct lowered_field *inserted, struct lowered_field *out)
{
	const struct cut *bits = &splice->bits;
	const struct cut cut = {
		.first = find_constraint(old, bits->first),
		.end = find_constraint(old, bits->end),
		.inserted = inserted->n_constraints,
	};
	uint32_t end = cut.first + cut.inserted;

	out->constraints = splice_array(old->constraints, old->n_constraints, inserted->constraints,
					&cut, sizeof(*out->constraints));
	if (!out->constraints)
		return -ENOMEM;
	out->n_constraints = cut_renumber(&cut, old->n_constraints);
	for (uint32_t i = cut.first; i < end; i++)
		out->constraints[i].bit += bits->first;
	for (uint32_t i = end; i < out->n_constraints; i++)
		out->constraints[i].bit = cut_renumber(bits, out->constraints[i].bit);
	return event_list_splice(&out->events, &old->events, &inserted->events, bits);
}

static int splice_fields(const struct splice *splice)
{
	static const struct lowered_field none;
	const struct lowered *old = splice->old, *inserted = splice->inserted;
	struct lowered *out = splice->out;
	int error = 0;

	/* The inserted one knows all fields of the old one, under the same numbers. */
	for (uint32_t i = 0; i < inserted->n_fields && !error; i++) {
		out->fields[i] = (struct lowered_field){
			.field = inserted->fields[i].field,
			.mask = inserted->fields[i].mask,
		};
		out->n_fields++;
		error = splice_field(splice, i < old->n_fields ? &old->fields[i] : &none,
				     &inserted->fields[i], &out->fields[i]);
	}
	return error;
}

/* Where the residuals of the bits from @bit on begin: they lie in the order of the bits. */
static uint32_t residuals_from(const struct lowered *lowered, uint32_t bit)
{
	for (; bit < lowered->n_bits; bit++)
		if (lowered->bits[bit].residuals)
			return lowered->bits[bit].residuals - 1;
	return lowered->residuals_size;
}

static int splice_lowered(const struct lowered *old, const struct cut *rules,
			  const struct lowered *inserted, struct lowered *ret_lowered,
			  struct message *message)
{
	struct splice splice = {
		.old = old,
		.inserted = inserted,
		.rules = *rules,
		.bits = {old->rules[rules->first].first_bit, old->rules[rules->end].first_bit,
			 inserted->n_bits},
		.out = ret_lowered,
	};
	int error;

	splice.residuals =
		(struct cut){residuals_from(old, splice.bits.first),
			     residuals_from(old, splice.bits.end), inserted->residuals_size};
	*ret_lowered = (struct lowered){.family = old->family};
	if (cut_renumber(&splice.bits, old->n_bits) > IMAGE_MAX_BITS)
		return lowered_refuse_bits(message);
	error = splice_rules(&splice);
	if (!error)
		error = splice_bits(&splice);
	if (!error)
		error = splice_fields(&splice);
	return error;
}

/* What has to be lowered: neither the rules in front nor those at the end, which are as before. */
static struct cut find_changes(const struct ruleset *ruleset, const struct layout *layout,
			       const struct lowered_before *before)
{
	const uint32_t *now = layout->entry_of_counter, *then = before->entry_of_counter;
	uint32_t n_now = layout->n_rules, n_then = before->lowered->n_rules, first = 0;

	while (first < n_now && first < n_then &&
	       ruleset_same_conditions(ruleset, now[first], before->ruleset, then[first]))
		first++;
	while (n_now > first && n_then > first &&
	       ruleset_same_conditions(ruleset, now[n_now - 1], before->ruleset,
				       then[n_then - 1])) {
		n_now--;
		n_then--;
	}
	return (struct cut){.first = first, .end = n_then, .inserted = n_now - first};
}

static int lower_whole(const struct ruleset *ruleset, const struct layout *layout,
		       struct lowered *ret_lowered, struct message *message)
{
	return lower_rules(ruleset, layout, 0, layout->n_rules, NULL, ret_lowered, message);
}

int lower_layout(const struct ruleset *ruleset, const struct layout *layout,
		 const struct lowered_before *before, struct lowered *ret_lowered,
		 struct message *message)
{
	struct lowered inserted;
	struct cut cut;
	int error;

	if (!before || before->lowered->exhausted)
		return lower_whole(ruleset, layout, ret_lowered, message);
	cut = find_changes(ruleset, layout, before);
	if (!cut.first && cut.end == before->lowered->n_rules)
		return lower_whole(ruleset, layout, ret_lowered, message);

	*ret_lowered = (struct lowered){};
	error = lower_rules(ruleset, layout, cut.first, cut.first + cut.inserted, before->lowered,
			    &inserted, message);
	if (!error && inserted.exhausted) {
		lowered_free(&inserted);
		return lower_whole(ruleset, layout, ret_lowered, message);
	}
	if (!error)
		error = splice_lowered(before->lowered, &cut, &inserted, ret_lowered, message);
	lowered_free(&inserted);
	return error;
}
