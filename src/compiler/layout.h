/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the chains of one hook lie in its image: the base chain and all that it reaches, one behind
 * the other. Each rule has a counter; its number is also the rule's place in the layout.
 */
#pragma once

#include "ruleset/ruleset.h"

#include <stdint.h>

struct layout {
	/* By index in the ruleset: number in the layout, if the hook reaches it. */
	uint32_t *number_of_chain;
	uint32_t *first_counter; /* of each chain in the layout; then that of the policy */
	uint32_t n_chains;
	uint32_t *entry_of_counter; /* index in the ruleset */
	uint32_t n_rules;           /* the policy's counter is this one, the last */
	uint32_t depth;             /* longest path of jumps */
	uint32_t policy;            /* entry index */
};

/* Stores the layout of @hook (NF_INET_LOCAL_IN ...). Returns 0 or -ENOMEM. */
int layout_hook(const struct ruleset *ruleset, unsigned int hook, struct layout *ret_layout);

void layout_free(struct layout *layout); /* accepts a zeroed one */
