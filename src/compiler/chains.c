// SPDX-License-Identifier: GPL-2.0-or-later
#include "compiler/chains.h"

#include "common/cleanup.h"

#include <errno.h>

/* A chain that is being looked at, and how far. */
struct frame {
	uint32_t chain;
	uint32_t next; /* entry index */
};

#define DEPTH_UNKNOWN UINT32_MAX

/* The next entry of the frame's chain that leads to another chain; chain->end if there is none. */
static uint32_t next_edge(const struct ruleset *ruleset, struct frame *frame)
{
	const struct chain *chain = &ruleset->chains[frame->chain];

	while (frame->next < chain->end) {
		uint8_t verdict = ruleset->entries[frame->next].verdict;

		if (verdict == VERDICT_JUMP || verdict == VERDICT_GOTO)
			break;
		frame->next++;
	}
	return frame->next;
}

/* Depth-first, without recursion: chains may be nested as deeply as there are chains. */
static void compute_depths(const struct ruleset *ruleset, uint32_t root, uint32_t *depths,
			   struct frame *frames)
{
	uint32_t n_frames = 1;

	frames[0] = (struct frame){.chain = root, .next = ruleset->chains[root].first};
	while (n_frames) {
		struct frame *frame = &frames[n_frames - 1];
		uint32_t index = next_edge(ruleset, frame);
		const struct entry *entry = &ruleset->entries[index];
		uint32_t below;

		if (index == ruleset->chains[frame->chain].end) {
			if (depths[frame->chain] == DEPTH_UNKNOWN)
				depths[frame->chain] = 0;
			n_frames--;
			continue;
		}
		if (depths[entry->target] == DEPTH_UNKNOWN) {
			frames[n_frames++] = (struct frame){
				.chain = entry->target,
				.next = ruleset->chains[entry->target].first,
			};
			continue;
		}
		frame->next++;
		below = depths[entry->target] + (entry->verdict == VERDICT_JUMP);
		if (depths[frame->chain] == DEPTH_UNKNOWN || depths[frame->chain] < below)
			depths[frame->chain] = below;
	}
}

int chains_depth(const struct ruleset *ruleset, unsigned int hook, uint32_t *ret_depth)
{
	uint32_t root = (uint32_t)(ruleset_base_chain(ruleset, hook) - ruleset->chains);
	_cleanup_free_ uint32_t *depths = calloc(ruleset->n_chains, sizeof(*depths));
	_cleanup_free_ struct frame *frames = calloc(ruleset->n_chains + 1, sizeof(*frames));

	if (!depths || !frames)
		return -ENOMEM;
	for (uint32_t i = 0; i < ruleset->n_chains; i++)
		depths[i] = DEPTH_UNKNOWN;
	compute_depths(ruleset, root, depths, frames);
	*ret_depth = depths[root];
	return 0;
}
