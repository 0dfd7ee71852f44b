/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chains of one family that carry out what is delegated. For each hook three of them, and a
 * tree:
 *
 *	chain input { type filter hook input priority ...; docket_present: goto input-docket }
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
 * where each condition is a program of bpf/docket.bpf.c. The tree finds an action by the bits of
 *its number. The first two chains never change while there is something to be done: a packet that
 *has passed the hook always meets them.
 */
#pragma once

#include "abi/arena.h"
#include "common/message.h"
#include "nft/transaction.h"
#include "ruleset/ruleset.h"

#include <stdbool.h>

/* File descriptors of the programs of bpf/docket.bpf.c. */
struct docket_programs {
	int present;
	int done;
	int last;
	int bit[DOCKET_BITS];
};

/* An action that has been delegated; its number is its place. */
struct delegated_action {
	uint32_t users;                    /* delegates of rulesets */
	const struct extension *extension; /* NULL: the number is free, unless it is DOCKET_DROP */
	struct rule_context context;
	void *payload;
	uint32_t change; /* the number of the change of the transaction that adds it */
};

struct delegation_chains {
	uint8_t family;
	int priority;
	struct docket_programs programs;
	struct nft_connection nft;
	bool published;   /* the table is there */
	bool changed;     /* and lacks actions */
	uint32_t version; /* of the tree: the chains of each have names of their own */
	struct delegated_action *actions; /* NULL until there is one */
	uint32_t next; /* where a free number is looked for: they are not used again at once */
	/* Names of the chains of the tree that is in force. */
	char (*nodes)[32];
	uint32_t n_nodes;
};

/* Gives @delegate a number. ENOMEM, E2BIG. */
int delegation_chains_add(struct delegation_chains *chains, struct delegate *delegate,
			  struct message *message);
void delegation_chains_remove(struct delegation_chains *chains, uint32_t number);

/* Brings the tables up to date. Errors as delegation_take(). */
int delegation_chains_publish(struct delegation_chains *chains, struct message *message);

/* Removes the table if there is nothing left to be done. */
void delegation_chains_settle(struct delegation_chains *chains);

void delegation_chains_close(struct delegation_chains *chains);
