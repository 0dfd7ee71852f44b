// SPDX-License-Identifier: GPL-2.0-or-later
#include "compiler/layout.h"

#include "compiler/chains.h"

#include <errno.h>
#include <stdlib.h>

static void add_chain(struct layout *layout, const struct chain *chain)
{
	layout->first_counter[layout->n_chains++] = layout->n_rules;
	for (uint32_t index = chain->first; index < chain->end; index++)
		layout->entry_of_counter[layout->n_rules++] = index;
}

static int fill_layout(const struct ruleset *ruleset, unsigned int hook, struct layout *layout)
{
	uint32_t n_chains = 0, n_counters = 1;

	layout->number_of_chain = calloc(ruleset->n_chains, sizeof(*layout->number_of_chain));
	if (!layout->number_of_chain)
		return -ENOMEM;
	for (uint32_t i = 0; i < ruleset->n_chains; i++) {
		const struct chain *chain = &ruleset->chains[i];

		if (!(chain->hooks & HOOK_BIT(hook)))
			continue;
		layout->number_of_chain[i] = n_chains++;
		n_counters += chain->end - chain->first;
	}
	layout->first_counter = calloc(n_chains + 1ull, sizeof(*layout->first_counter));
	layout->entry_of_counter = calloc(n_counters, sizeof(*layout->entry_of_counter));
	if (!layout->first_counter || !layout->entry_of_counter)
		return -ENOMEM;

	/* Base chains come first in a ruleset: chain 0 is this hook's. */
	for (uint32_t i = 0; i < ruleset->n_chains; i++)
		if (ruleset->chains[i].hooks & HOOK_BIT(hook))
			add_chain(layout, &ruleset->chains[i]);
	layout->first_counter[layout->n_chains] = layout->n_rules;
	layout->policy = ruleset_base_chain(ruleset, hook)->end;
	layout->entry_of_counter[layout->n_rules] = layout->policy;
	return chains_depth(ruleset, hook, &layout->depth);
}

int layout_hook(const struct ruleset *ruleset, unsigned int hook, struct layout *ret_layout)
{
	struct layout layout = {};
	int error = fill_layout(ruleset, hook, &layout);

	if (error)
		layout_free(&layout);
	else
		*ret_layout = layout;
	return error;
}

void layout_free(struct layout *layout)
{
	free(layout->number_of_chain);
	free(layout->first_counter);
	free(layout->entry_of_counter);
	*layout = (struct layout){};
}
