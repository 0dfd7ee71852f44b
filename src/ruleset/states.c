// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What matches keep from packet to packet: which there are, and how those of a table go on in the
 * table that replaces it.
 */
#include "common/cleanup.h"
#include "ruleset/internal.h"

#include <errno.h>
#include <stdlib.h>

static void list_states_of(struct ruleset *ruleset, uint32_t index)
{
	const struct family *family = family_find(ruleset->family);
	const uint8_t *entry = entry_bytes(ruleset, index);
	const void *target = entry_target(family, entry);

	for (const struct xt_entry_match *match = first_match(family, entry);
	     (const void *)match < target; match = next_match(match)) {
		const struct extension *extension =
			extension_find(EXTENSION_MATCH, match->u.user.name, match->u.user.revision,
				       ruleset->family);

		if (!extension->state)
			continue;
		ruleset->states[ruleset->n_states++] = (struct match_state){
			.extension = extension,
			.payload = match->data,
			.entry = index,
		};
		if (!ruleset->entries[index].states)
			ruleset->entries[index].states = ruleset->n_states;
	}
}

int ruleset_list_states(struct ruleset *ruleset, struct message *message)
{
	uint32_t expected = ruleset->n_states; /* as many as were checked */

	if (!expected)
		return 0;
	ruleset->states = calloc(expected, sizeof(*ruleset->states));
	if (!ruleset->states)
		return message_error(message, ENOMEM, "filter: no memory for the table");
	ruleset->n_states = 0;
	for (uint32_t i = 0; i < ruleset->n_entries; i++)
		if (ruleset->entries[i].kind == ENTRY_RULE)
			list_states_of(ruleset, i);
	return 0;
}

/* Chain, conditions, number of the match: what makes a state another one's counterpart. */
static int compare_owners(const struct ruleset *a, uint32_t state_a, const struct ruleset *b,
			  uint32_t state_b)
{
	const struct family *family = family_find(a->family);
	const struct entry *entry_a = &a->entries[a->states[state_a].entry];
	const struct entry *entry_b = &b->entries[b->states[state_b].entry];
	const uint8_t *bytes_a = a->blob + entry_a->offset;
	const uint8_t *bytes_b = b->blob + entry_b->offset;
	uint16_t size_a = entry_target_offset(family, bytes_a);
	uint16_t size_b = entry_target_offset(family, bytes_b);
	int difference = strcmp(a->chains[entry_a->chain].name, b->chains[entry_b->chain].name);

	if (!difference)
		difference = (int)size_a - (int)size_b;
	if (!difference)
		difference = memcmp(bytes_a, bytes_b, size_a);
	if (!difference)
		difference = (int)(state_a - entry_a->states) - (int)(state_b - entry_b->states);
	return difference;
}

static int compare_in_table(const void *a, const void *b, void *data)
{
	uint32_t state_a = *(const uint32_t *)a, state_b = *(const uint32_t *)b;
	int difference = compare_owners(data, state_a, data, state_b);

	return difference ? difference : (state_a < state_b ? -1 : 1);
}

/* The numbers of the states, counterparts side by side; NULL: no memory. */
static uint32_t *sort_states(const struct ruleset *ruleset)
{
	uint32_t *sorted = calloc(ruleset->n_states, sizeof(*sorted));

	if (!sorted)
		return NULL;
	for (uint32_t i = 0; i < ruleset->n_states; i++)
		sorted[i] = i;
	qsort_r(sorted, ruleset->n_states, sizeof(*sorted), compare_in_table, (void *)ruleset);
	return sorted;
}

int ruleset_pair_states(struct ruleset *ruleset, const struct ruleset *before)
{
	_cleanup_free_ uint32_t *now = NULL;
	_cleanup_free_ uint32_t *then = NULL;
	uint32_t i = 0, j = 0;

	if (!ruleset->n_states || !before->n_states)
		return 0;
	now = sort_states(ruleset);
	then = sort_states(before);
	if (!now || !then)
		return -ENOMEM;
	while (i < ruleset->n_states && j < before->n_states) {
		int difference = compare_owners(ruleset, now[i], before, then[j]);

		if (!difference && ruleset->states[now[i]].extension->state == STATE_CELL)
			ruleset->states[now[i]].position = before->states[then[j]].position;
		i += difference <= 0;
		j += difference >= 0;
	}
	return 0;
}
