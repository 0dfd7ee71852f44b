/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chains of one family that find out and do what is delegated. For each hook:
 *
 *	chain input-before { type filter hook input ...; docket_begin: goto input-conditions }
 *	chain input-conditions {
 *		docket_step, set ...: docket_note
 *		... (for each condition, in the order of their numbers)
 *	}
 *	chain input { type filter hook input ...; docket_present: goto input-docket }
 *	chain input-docket {
 *		docket_done: accept
 *		jump input-actions
 *		... (as often as a docket has places)
 *		drop
 *	}
 *	chain input-actions { docket_bit_0: goto input-1-0; goto input-1-1 }
 *	chain input-1-0 { LOG ... }
 *	chain input-1-1 { docket_last: reject ... }
 *
 * and for rules that no packet can get to, if the kernel holds something for them:
 *
 *	chain unreached { set ... }
 *
 * All words with docket_ are programs of bpf/docket.bpf.c. The actions are a tree, which finds one
 * by the bits of its number. The chains behind the hook are there as long as anything is delegated:
 * a packet that has passed the hook always meets them. Those in front are there as long as there
 * are conditions.
 */
#pragma once

#include "abi/arena.h"
#include "common/message.h"
#include "datapath/delegated_list.h"
#include "nft/transaction.h"
#include "ruleset/ruleset.h"

#include <stdbool.h>

/* File descriptors of the programs of bpf/docket.bpf.c. */
struct docket_programs {
	int begin;
	int step;
	int note;
	int present;
	int done;
	int last;
	int bit[DOCKET_BITS];
};

struct delegation_chains {
	uint8_t family;
	int priority; /* of the hooks */
	struct docket_programs programs;
	struct nft_connection nft;
	struct delegated_list actions;
	struct delegated_list conditions;
	bool published;    /* the table is there */
	bool in_front;     /* and so are the chains in front of the hooks */
	bool changed;      /* the table does not have all actions and conditions */
	uint32_t version;  /* of the tree: the chains of each have names of their own */
	char (*nodes)[32]; /* the names of those in force */
	uint32_t n_nodes;
};

void delegation_chains_init(struct delegation_chains *chains, uint8_t family);

/* Gives @delegate its numbers. ENOMEM, E2BIG. */
int delegation_chains_add(struct delegation_chains *chains, struct delegate *delegate,
			  struct message *message);
void delegation_chains_remove(struct delegation_chains *chains, const struct delegate *delegate);

/*
 * Brings the table up to date. When it returns, no packet is on its way through the chains that has
 * not met all conditions. Errors as delegation_take().
 */
int delegation_chains_publish(struct delegation_chains *chains, struct message *message);

/* Removes what nobody uses any more, and the table if there is nothing left. */
void delegation_chains_settle(struct delegation_chains *chains);

void delegation_chains_close(struct delegation_chains *chains);
