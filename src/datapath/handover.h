/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who judges packets, and the notes of those that have been judged: see abi/handover.h. */
#pragma once

#include "abi/handover.h"
#include "common/message.h"
#include "datapath/arena_memory.h"

/* @judges: enum judges. In force for packets from now on; those under way go on as they began. */
void handover_set_judges(struct arena_memory *memory, uint32_t judges);

/* Takes memory for notes, which can be made as soon as JUDGES_HANDOVER is set. ENOMEM. */
int handover_open(struct arena_memory *memory, struct arena_block *ret_notes,
		  struct message *message);

/* JUDGES_HANDOVER has been taken away, and handover_wait_for_programs() has returned since. */
void handover_close(struct arena_memory *memory, struct arena_block *notes);

/*
 * Returns when no packet is any more in a program, or in the code of the kernel between two hooks,
 * that was there at the call: but for those that the kernel keeps for later.
 */
void handover_wait_for_programs(void);

/* The same with time for queues that the kernel works off at once (GRO, the backlogs of RPS). */
void handover_wait_for_queues(void);
