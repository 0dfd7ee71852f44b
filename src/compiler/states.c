// SPDX-License-Identifier: GPL-2.0-or-later
#include "compiler/states.h"

/* Rules about states stand at the front: so many bits are looked at. */
#define BITS_LOOKED_AT 64u

#define ALL_VALUES (~0u) /* a bit for each value of FIELD_CONNTRACK */

_Static_assert(CONNTRACK_VALUES == 32, "a bit for each value");

/* Bits of the base chain, from @first on. */
struct front {
	const struct lowered *lowered;
	const struct lowered_field *states; /* NULL: no rule asks for states */
	uint32_t first;
	uint32_t n;
	uint32_t accepted[BITS_LOOKED_AT]; /* the values that a bit accepts, if it asks */
};

static const struct lowered_field *find_states(const struct lowered *lowered)
{
	for (uint32_t i = 0; i < lowered->n_fields; i++)
		if (lowered->fields[i].field == FIELD_CONNTRACK && lowered->fields[i].n_constraints)
			return &lowered->fields[i];
	return NULL;
}

/* At each event a bit begins or ceases to accept. */
static void find_accepted(struct front *front)
{
	const struct event_list *events = &front->states->events;

	for (uint32_t i = 0; i < events->n; i++) {
		struct event event = event_list_at(events, i);

		if (event.bit >= front->first && event.bit - front->first < front->n)
			front->accepted[event.bit - front->first] ^= ALL_VALUES << event.value.low;
	}
}

/* NULL: the bit accepts all values of the field. */
static const struct constraint *find_constraint(const struct lowered_field *field, uint32_t bit)
{
	uint32_t first = 0, count = field->n_constraints;

	while (count) {
		uint32_t half = count / 2;

		if (field->constraints[first + half].bit < bit) {
			first += half + 1;
			count -= half + 1;
		} else {
			count = half;
		}
	}
	return first < field->n_constraints && field->constraints[first].bit == bit
		       ? &field->constraints[first]
		       : NULL;
}

/* The values with which packets may match the bit. */
static uint32_t values_of(const struct front *front, uint32_t bit)
{
	const struct constraint *constraint = find_constraint(front->states, bit);

	return constraint && !constraint->late ? front->accepted[bit - front->first] : ALL_VALUES;
}

/* Do all packets match the bit that have one of its values? */
static bool asks_for_nothing_else(const struct front *front, uint32_t bit)
{
	const struct lowered *lowered = front->lowered;

	for (uint32_t i = 0; i < lowered->n_fields; i++) {
		const struct constraint *constraint = find_constraint(&lowered->fields[i], bit);

		if (constraint && (&lowered->fields[i] != front->states || constraint->late))
			return false;
	}
	return true;
}

static void decide(uint32_t by_state[static CONNTRACK_VALUES], uint32_t values, uint32_t shortly)
{
	for (uint32_t value = 0; value < CONNTRACK_VALUES; value++)
		if (values >> value & 1)
			by_state[value] = shortly;
}

bool states_decide(const struct lowered *lowered, const struct layout *layout,
		   const uint32_t *place_of_bit, const uint32_t *shorts, uint32_t policy,
		   uint32_t ret_by_state[static CONNTRACK_VALUES])
{
	uint32_t end = lowered->rules[layout->first_counter[1]].first_bit;
	struct front front = {.lowered = lowered, .states = find_states(lowered)};
	uint32_t left = ALL_VALUES, decided = 0;

	front.first = lowered->rules[layout->first_counter[0]].first_bit;
	front.n = end - front.first < BITS_LOOKED_AT ? end - front.first : BITS_LOOKED_AT;
	if (!front.states)
		return false;
	find_accepted(&front);
	decide(ret_by_state, ALL_VALUES, IMAGE_RULE_LONG);
	for (uint32_t bit = front.first; bit < front.first + front.n && left; bit++) {
		uint32_t shortly = shorts[place_of_bit ? place_of_bit[bit] : bit];
		uint32_t values = left & values_of(&front, bit);

		left &= ~values;
		if (shortly & (IMAGE_RULE_LONG | IMAGE_RULE_WHOLE) ||
		    !asks_for_nothing_else(&front, bit))
			continue;
		decide(ret_by_state, values, shortly);
		decided |= values;
	}
	if (front.first + front.n == end) {
		decide(ret_by_state, left, policy);
		decided |= left;
	}
	return decided;
}
