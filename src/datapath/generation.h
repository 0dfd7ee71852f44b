/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Generations: a ruleset compiled for all hooks, with its counters, in the arena. One is in force
 * for each family; a flip puts another in its place between two packets.
 */
#pragma once

#include "common/message.h"
#include "compiler/compiler.h"
#include "datapath/arena_memory.h"
#include "datapath/delegation.h"
#include "datapath/match_states.h"
#include "datapath/scratch.h"
#include "ruleset/ruleset.h"

#include <linux/netfilter/x_tables.h>
#include <stdbool.h>

/* The image of a hook; generations with the same rules share it. */
struct hook_image {
	uint32_t references;
	struct arena_block block;
	struct compiled compiled;
};

struct generation {
	struct ruleset *ruleset;
	struct hook_image *images[ARENA_HOOKS];
	struct arena_block counters[ARENA_HOOKS];
	struct arena_block stacks;
	struct arena_block header; /* struct arena_generation */
	/* What was added to the counters from outside, for each entry of the ruleset. */
	struct xt_counters *added;
	uint32_t lanes;
	struct delegation *delegation; /* what its rules delegate is in use there; NULL: nothing */
	struct match_states *states;   /* what its matches keep is there; NULL: nothing */
};

/* What generations are made of. */
struct generation_resources {
	struct arena_memory *memory;
	struct scratch *scratch;       /* to compile in; what does not fit is refused */
	uint32_t lanes;                /* number of counter arrays, less one */
	bool without_nat;              /* packets come before the kernel translates addresses */
	bool without_skb;              /* and before it knows more of them than their bytes */
	struct delegation *delegation; /* NULL: nothing can be delegated to the kernel */
	struct match_states *states;
};

/*
 * Compiles @ruleset and puts it into the arena. What it has in common with @before (which may be
 * NULL) is not compiled again; if they are equal the images are shared. Takes ownership of @ruleset
 * on success only. Errors, with a reason in
 * @message: ENOMEM, E2BIG, EOPNOTSUPP (rules ask for what is not known at the hook).
 */
int generation_new(const struct generation_resources *resources, struct ruleset *ruleset,
		   const struct generation *before, struct generation **ret_generation,
		   struct message *message);

/*
 * EOPNOTSUPP, with the reason that generation_new() would give, if rules ask for what there is not
 * at hooks on devices: NAT, and what is delegated to the kernel.
 */
int generation_check_on_devices(const struct arena_memory *memory,
				const struct generation *generation, struct message *message);

/* Frees the ruleset, too. Nobody uses it any more, in no CPU. Accepts NULL. */
void generation_free(struct arena_memory *memory, struct generation *generation);

/*
 * Puts @generation in force for @family, and returns when nobody is in the one before any more: its
 * counters are final then.
 */
void generation_flip(struct arena_memory *memory, enum arena_family family,
		     const struct generation *generation);

/* Writes the counters, one for each entry of the ruleset, to @counters. */
void generation_read_counters(const struct arena_memory *memory,
			      const struct generation *generation, struct xt_counters *counters);
