// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/match_states.h"

#include "abi/match_state.h"
#include "common/cleanup.h"
#include "datapath/hashlimit_tables.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

/* Room for so many: addresses, which become memory as they are used. */
#define MAX_CELLS (1u << 20)

struct match_states {
	struct arena_memory *memory;
	int clock_fd;
	struct recent_lists *recent;
	struct hashlimit_tables *hashlimit;
	struct arena_block cells;
	uint32_t n_cells;     /* those behind have never been used */
	uint32_t *references; /* of each of these: the rulesets that have it */
	uint32_t *free_cells; /* numbers of those without */
	uint32_t n_free_cells;
	uint32_t max_cells; /* of both arrays */
};

_Static_assert(sizeof(struct match_limit) <= MATCH_CELL_SIZE &&
		       sizeof(struct match_nth) <= MATCH_CELL_SIZE &&
		       sizeof(struct match_quota) <= MATCH_CELL_SIZE &&
		       sizeof(struct match_random) <= MATCH_CELL_SIZE,
	       "a cell has room for each");

int match_states_new(struct arena_memory *memory, const struct match_programs *programs,
		     struct match_states **ret_states, struct message *message)
{
	struct match_states *states = calloc(1, sizeof(*states));
	int error;

	if (!states)
		return message_error(message, ENOMEM, "out of memory");
	states->memory = memory;
	states->clock_fd = programs->clock;
	error = recent_lists_new(memory, programs->recent, &states->recent, message);
	if (!error)
		error = hashlimit_tables_new(memory, &states->hashlimit, message);
	if (error)
		match_states_free(states);
	else
		*ret_states = states;
	return error;
}

void match_states_free(struct match_states *states)
{
	if (!states)
		return;
	recent_lists_free(states->recent);
	hashlimit_tables_free(states->hashlimit);
	arena_memory_release(states->memory, states->cells);
	free(states->references);
	free(states->free_cells);
	free(states);
}

/* Stores the kernel's jiffies. */
static int read_clock(const struct match_states *states, uint64_t *ret_now, struct message *message)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);

	if (bpf_prog_test_run_opts(states->clock_fd, &options))
		return message_error(message, EIO, "cannot read the kernel's clock: %s",
				     strerror(errno));
	*ret_now = arena_memory_root(states->memory)->ticks;
	return 0;
}

/* Makes room in the arrays for another @n cells. */
static int reserve_arrays(struct match_states *states, uint32_t n)
{
	uint32_t wanted = states->n_cells + n, max = states->max_cells ? states->max_cells : 64;
	uint32_t *array;

	if (wanted <= states->max_cells)
		return 0;
	while (max < wanted)
		max *= 2;
	array = reallocarray(states->references, max, sizeof(*array));
	if (!array)
		return -ENOMEM;
	states->references = array;
	array = reallocarray(states->free_cells, max, sizeof(*array));
	if (!array)
		return -ENOMEM;
	states->free_cells = array;
	states->max_cells = max;
	return 0;
}

/* Makes sure that taking @n cells cannot fail. */
static int reserve_cells(struct match_states *states, uint32_t n, struct message *message)
{
	uint32_t fresh = n > states->n_free_cells ? n - states->n_free_cells : 0;
	int error = 0;

	if (fresh > MAX_CELLS - states->n_cells)
		return message_error(message, E2BIG,
				     "more than %u matches that keep something from packet to "
				     "packet (limit, quota ...)",
				     MAX_CELLS);
	if (!states->cells.size)
		error = arena_memory_take(states->memory, (uint64_t)MAX_CELLS * MATCH_CELL_SIZE,
					  &states->cells);
	if (!error)
		error = reserve_arrays(states, fresh);
	return error ? message_error(message, ENOMEM, "out of memory") : 0;
}

static bool is_cell(const struct match_state *state)
{
	return state->extension->state == STATE_CELL;
}

static uint32_t position_of(const struct match_states *states, uint32_t number)
{
	return (uint32_t)states->cells.position + number * MATCH_CELL_SIZE;
}

static uint32_t *references_of(const struct match_states *states, uint32_t position)
{
	return &states->references[(position - (uint32_t)states->cells.position) / MATCH_CELL_SIZE];
}

/* A cell that nobody has, as it is in a new rule. */
static void begin_cell(struct match_states *states, struct match_state *state, uint64_t now)
{
	uint32_t number = states->n_free_cells ? states->free_cells[--states->n_free_cells]
					       : states->n_cells++;
	void *cell;

	state->position = position_of(states, number);
	cell = arena_memory_at(states->memory, state->position);
	memset(cell, 0, MATCH_CELL_SIZE);
	state->extension->begin(state->payload, now, cell);
	states->references[number] = 1;
}

/* Cells for the first time, or those of the table before. */
static int take_cells(struct match_states *states, struct ruleset *ruleset,
		      const struct ruleset *before, uint64_t now, struct message *message)
{
	uint32_t n_new = 0;
	int error;

	if (before && ruleset_pair_states(ruleset, before))
		return message_error(message, ENOMEM, "out of memory");
	for (uint32_t i = 0; i < ruleset->n_states; i++)
		n_new += is_cell(&ruleset->states[i]) && !ruleset->states[i].position;
	error = n_new ? reserve_cells(states, n_new, message) : 0;
	for (uint32_t i = 0; i < ruleset->n_states && !error; i++) {
		struct match_state *state = &ruleset->states[i];

		if (is_cell(state) && state->position)
			++*references_of(states, state->position);
		else if (is_cell(state))
			begin_cell(states, state, now);
	}
	return error;
}

static void release_cell(struct match_states *states, uint32_t position)
{
	uint32_t *references = references_of(states, position);

	if (!--*references)
		states->free_cells[states->n_free_cells++] =
			(uint32_t)(references - states->references);
}

/* Gives back what has a name of the states before number @end. */
static void release_named(struct match_states *states, const struct ruleset *ruleset, uint32_t end)
{
	for (uint32_t i = 0; i < end; i++) {
		const struct match_state *state = &ruleset->states[i];

		if (state->extension->state == STATE_RECENT)
			recent_lists_release(states->recent, state->position);
		else if (state->extension->state == STATE_HASHLIMIT)
			hashlimit_tables_release(states->hashlimit, state->position);
	}
}

/* In the order of the rules, as in the kernel: the first that names a list says its mask. */
static int take_named(struct match_states *states, struct ruleset *ruleset, uint64_t now,
		      struct message *message)
{
	for (uint32_t i = 0; i < ruleset->n_states; i++) {
		struct match_state *state = &ruleset->states[i];
		int error = 0;

		if (state->extension->state == STATE_RECENT)
			error = recent_lists_take(states->recent, state->payload, &state->position,
						  message);
		else if (state->extension->state == STATE_HASHLIMIT)
			error = hashlimit_tables_take(states->hashlimit, ruleset->family, state,
						      now, message);
		if (error) {
			release_named(states, ruleset, i);
			return error;
		}
	}
	return 0;
}

int match_states_take(struct match_states *states, struct ruleset *ruleset,
		      const struct ruleset *before, struct message *message)
{
	uint64_t now = 0;
	int error;

	if (!ruleset->n_states)
		return 0;
	error = read_clock(states, &now, message);
	if (!error)
		error = take_named(states, ruleset, now, message);
	if (error)
		return error;
	error = take_cells(states, ruleset, before, now, message);
	if (error)
		release_named(states, ruleset, ruleset->n_states);
	return error;
}

void match_states_release(struct match_states *states, const struct ruleset *ruleset)
{
	for (uint32_t i = 0; i < ruleset->n_states; i++)
		if (is_cell(&ruleset->states[i]))
			release_cell(states, ruleset->states[i].position);
	release_named(states, ruleset, ruleset->n_states);
}

struct recent_lists *match_states_recent(const struct match_states *states)
{
	return states->recent;
}
