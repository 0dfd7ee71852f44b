/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One family's filter table, as it came in a struct ipt_replace: the blob, unchanged but for the
 * counters and hook marks in it, which are cleared as the kernel does, and for what extensions
 * change in it as the kernel's do (extension.h settle()), and an index over it:
 * chains, entries, verdicts. Immutable once made.
 *
 * Every entry of the blob has an index, its counter's index in the kernel's interface: the rules,
 * but also the policy of a base chain, and the head (ERROR target with the name) and the tail
 * (RETURN) of a user chain.
 */
#pragma once

#include "common/message.h"
#include "ruleset/extension.h"

#include <linux/netfilter.h>
#include <linux/netfilter/x_tables.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CHAIN_NAME_SIZE XT_FUNCTION_MAXNAMELEN /* 30, NUL included */
#define ENTRY_NO_CHAIN  UINT32_MAX             /* entry.chain of the table's last entry */

enum verdict {
	VERDICT_ACCEPT,
	VERDICT_DROP,
	VERDICT_RETURN,
	VERDICT_CONTINUE, /* no target: counts and goes on */
	VERDICT_JUMP,
	VERDICT_GOTO,
};

enum entry_kind {
	ENTRY_RULE,
	ENTRY_POLICY, /* last of a base chain; its verdict is the policy */
	ENTRY_HEAD,   /* before a user chain's first rule; the last of the table is one, too */
	ENTRY_TAIL,   /* last of a user chain */
};

struct entry {
	uint32_t offset;   /* of the struct ipt_entry or ip6t_entry in the blob, bytes */
	uint32_t chain;    /* index of the chain that it stands in; ENTRY_NO_CHAIN of the last */
	uint32_t target;   /* VERDICT_JUMP, VERDICT_GOTO: index of the chain */
	uint8_t kind;      /* enum entry_kind */
	uint8_t verdict;   /* enum verdict */
	uint16_t delegate; /* the target's place, counted from 1 on; 0: none */
	uint32_t states;   /* the place of the first of its matches', counted from 1 on; 0: none */
};

#define CHAIN_NO_HOOK (-1)

/*
 * The hooks are those that the kernel finds (ip_tables.c mark_source_chains()): behind an
 * unconditional verdict nothing can be reached. A jump that stands there, in a chain with hooks, is
 * recorded as VERDICT_CONTINUE: so every chain that a chain with hooks jumps to has those hooks,
 * too, and these jumps make no circle. (Chains without hooks may jump in circles.)
 */
struct chain {
	char name[CHAIN_NAME_SIZE];
	int hook;       /* NF_INET_LOCAL_IN ... of a base chain, CHAIN_NO_HOOK of a user chain */
	uint32_t first; /* entry index of the first rule */
	uint32_t end;   /* entry index of the policy or tail: one behind the last rule */
	uint32_t hooks; /* HOOK_BIT()s of the base chains that it can be reached from */
};

/*
 * A target or a match that is delegated to the kernel. Rules with equal ones share it. Its numbers
 * are given to it before the rules are compiled: datapath/delegation.h.
 */
struct delegate {
	const struct extension *extension;
	const void *payload;         /* in the blob */
	struct rule_context context; /* the hooks are those of all of its rules */
	uint16_t action;    /* by which eBPF knows what is to be done behind the hook; 0: nothing */
	uint16_t condition; /* and what is found out in front of it */
	bool inverted;      /* the match holds if the condition does not */
	bool always;        /* the action is to be done even if the condition does not hold */
};

#define MAX_DELEGATES 4095u

/*
 * What a match keeps from packet to packet. Its position is given to it before the rules are
 * compiled: datapath/match_states.h.
 */
struct match_state {
	const struct extension *extension;
	const void *payload; /* in the blob */
	uint32_t entry;
	uint32_t position; /* in the arena; 0: not yet */
};

struct ruleset {
	uint8_t family; /* NFPROTO_IPV4 or NFPROTO_IPV6 */
	uint32_t valid_hooks;
	uint32_t hook_entry[NF_INET_NUMHOOKS];
	uint32_t underflow[NF_INET_NUMHOOKS];
	void *memory;  /* what the blob lies in */
	uint8_t *blob; /* the entries; size in bytes */
	uint32_t size;
	struct entry *entries;
	uint32_t n_entries;
	struct chain *chains; /* base chains first, in the order of their hooks */
	uint32_t n_chains;
	bool clock;        /* a rule asks for the time of day */
	uint32_t services; /* enum kernel_service: what the rules need */
	/* A match that looks at what is known at netfilter's hooks only, and its entry; or NULL. */
	const struct extension *skb_match;
	uint32_t skb_match_entry;
	struct delegate *delegates;
	uint32_t n_delegates;
	struct match_state *states; /* by entry, and in the order of its matches */
	uint32_t n_states;
};

/* Offset in its chain, from 1, as `iptables -L --line-numbers` counts: for messages. */
#define ruleset_rule_number(ruleset, index) \
	((index) - (ruleset)->chains[(ruleset)->entries[index].chain].first + 1)

/*
 * Decodes and checks what follows a struct ipt_replace (ip_tables.c translate_table()): @replace
 * points to the whole socket option value of @length bytes, of any content and alignment.
 * On success stores a ruleset to be freed with ruleset_free(). Errors, with a reason in @message
 * that names chain, rule number and extension: EINVAL, ENOENT (an extension that is not known),
 * ELOOP (chains that jump in a circle), EPROTONOSUPPORT/EOPNOTSUPP (known but cannot be enforced),
 * ENOMEM.
 */
int ruleset_decode(uint8_t family, const void *replace, size_t length, struct ruleset **ret_ruleset,
		   struct message *message);

/*
 * The same without a copy: *@replace is memory from malloc(). On success it is the ruleset's, and
 * *@replace NULL; on failure its contents are undefined.
 */
int ruleset_decode_in_place(uint8_t family, void **replace, size_t length,
			    struct ruleset **ret_ruleset, struct message *message);

/* The table that a namespace starts with: empty base chains, policy ACCEPT. ENOMEM, EAFNOSUPPORT.
 */
int ruleset_new_empty(uint8_t family, struct ruleset **ret_ruleset);

void ruleset_free(struct ruleset *ruleset); /* accepts NULL */

/*
 * Copies the entries to @buffer (ruleset->size bytes), with the counters (one per entry) filled in,
 * as the kernel's copy_entries_to_user() does.
 */
void ruleset_encode(const struct ruleset *ruleset, const struct xt_counters *counters,
		    void *buffer);

/*
 * The conditions of entry @index, appended to the (cleared) @predicate: IP header, then the matches
 * in their order. The entry is one of kind ENTRY_RULE.
 */
void ruleset_compile_entry(const struct ruleset *ruleset, uint32_t index,
			   struct predicate *predicate);

/*
 * Have entry @index of @ruleset and entry @other_index of @other, both of kind ENTRY_RULE and of
 * the same family, the same conditions? Then they compile to the same predicate. (No for some that
 * do, too, but are written otherwise.)
 */
bool ruleset_same_conditions(const struct ruleset *ruleset, uint32_t index,
			     const struct ruleset *other, uint32_t other_index);

/*
 * Gives each cell (STATE_CELL) of @ruleset the position of its counterpart in @before, if it has
 * one: in a chain of the same name a rule with the same conditions, the first such rule that of the
 * first, and so on. Returns 0 or -ENOMEM.
 */
int ruleset_pair_states(struct ruleset *ruleset, const struct ruleset *before);

/* Same family, same blob, same hooks: nothing to compile. */
bool ruleset_equal(const struct ruleset *a, const struct ruleset *b);

/* The chain that is attached to @hook (NF_INET_LOCAL_IN, FORWARD or LOCAL_OUT). */
const struct chain *ruleset_base_chain(const struct ruleset *ruleset, unsigned int hook);
