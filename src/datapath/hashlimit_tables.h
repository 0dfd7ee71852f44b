/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables of -m hashlimit (net/netfilter/xt_hashlimit.c): one for each name and family, from the
 * first rule that names it until the last is gone. Programs alone look at them and change them
 * (bpf/residual_hashlimit.h).
 */
#pragma once

#include "common/message.h"
#include "datapath/arena_memory.h"
#include "ruleset/ruleset.h"

struct hashlimit_tables;

/* ENOMEM. */
int hashlimit_tables_new(struct arena_memory *memory, struct hashlimit_tables **ret_tables,
			 struct message *message);

/* The programs are gone already. Accepts NULL. */
void hashlimit_tables_free(struct hashlimit_tables *tables);

/*
 * Gives @state, a rule's of @family, the position of the table that it names. One that is not there
 * yet is made as the rule says; @now in jiffies. To be undone with hashlimit_tables_release().
 * Errors, with a reason in @message: EINVAL (the table's limit is of the other kind), E2BIG,
 * ENOMEM.
 */
int hashlimit_tables_take(struct hashlimit_tables *tables, uint8_t family,
			  struct match_state *state, uint64_t now, struct message *message);

void hashlimit_tables_release(struct hashlimit_tables *tables, uint32_t position);
