/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What matches keep from packet to packet (abi/match_state.h), in the arena beside the generations.
 * The kernel's iptables begins anew with limit, quota and statistic whenever a table is replaced,
 * that is with each rule that is added anywhere; here a rule that stands in the old table and in
 * the new one (ruleset_pair_states()) keeps what it has. Lists and tables with names live as long
 * as a rule names them, here and there.
 */
#pragma once

#include "common/message.h"
#include "datapath/arena_memory.h"
#include "datapath/recent_lists.h"
#include "ruleset/ruleset.h"

struct match_states;

/* File descriptors of the programs that user space runs. */
struct match_programs {
	int clock;  /* bpf_iptables_clock */
	int recent; /* bpf_iptables_recent */
};

/* Memory is taken when a rule first needs it. ENOMEM. */
int match_states_new(struct arena_memory *memory, const struct match_programs *programs,
		     struct match_states **ret_states, struct message *message);

/* The programs are gone already. Accepts NULL. */
void match_states_free(struct match_states *states);

/*
 * Gives each state of @ruleset its position: that which it has in @before (NULL: none), the table
 * that is to be replaced, or a new one. To be undone with match_states_release(). On failure
 * nothing has changed; errors, with a reason in @message: ENOMEM, E2BIG, EIO, EINVAL.
 */
int match_states_take(struct match_states *states, struct ruleset *ruleset,
		      const struct ruleset *before, struct message *message);

/* No packet is judged by @ruleset any more. */
void match_states_release(struct match_states *states, const struct ruleset *ruleset);

/* The lists of -m recent; owned by @states. */
struct recent_lists *match_states_recent(const struct match_states *states);
