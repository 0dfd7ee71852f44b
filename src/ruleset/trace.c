// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From which hooks each chain can be reached, and that no jumps go round in circles: what
 * ip_tables.c mark_source_chains() finds out. A goto counts as a jump there, chains that no hook
 * reaches are not looked at, and neither is what stands behind an unconditional verdict.
 *
 * Depth first, with the stack in an array: chains may be nested as deep as the table is large.
 */
#include "ruleset/internal.h"

#include "common/cleanup.h"

#include <errno.h>

enum visit {
	VISIT_NONE,
	VISIT_OPEN, /* on the stack */
	VISIT_DONE,
};

struct trace {
	struct ruleset *ruleset;
	struct message *message;
	uint8_t *visits;  /* enum visit of each chain */
	uint32_t *cursor; /* of each chain on the stack: the entry to look at next */
	uint32_t *stack;  /* chains */
	uint32_t depth;
	uint32_t *order; /* chains that are done: each stands behind all that it jumps to */
	uint32_t n_order;
};

static bool is_jump(const struct entry *entry)
{
	return entry->verdict == VERDICT_JUMP || entry->verdict == VERDICT_GOTO;
}

/* The next reachable entry of the chain, from its cursor on, that jumps; its end if none does. */
static uint32_t next_jump(const struct trace *trace, uint32_t chain)
{
	const struct ruleset *ruleset = trace->ruleset;
	uint32_t end = ruleset->chains[chain].end;

	for (uint32_t i = trace->cursor[chain]; i < end; i++) {
		if (is_jump(&ruleset->entries[i]))
			return i;
		if (entry_ends_chain(ruleset, i))
			return end;
	}
	return end;
}

static void open_chain(struct trace *trace, uint32_t chain)
{
	trace->visits[chain] = VISIT_OPEN;
	trace->cursor[chain] = trace->ruleset->chains[chain].first;
	trace->stack[trace->depth++] = chain;
}

static void close_chain(struct trace *trace, uint32_t chain)
{
	trace->visits[chain] = VISIT_DONE;
	trace->order[trace->n_order++] = chain;
	trace->depth--;
}

static int loop_error(const struct trace *trace, uint32_t index)
{
	const struct ruleset *ruleset = trace->ruleset;
	const struct entry *entry = &ruleset->entries[index];

	message_error(trace->message, ELOOP, "jumps to chain \"%s\", from which it is reached",
		      ruleset->chains[entry->target].name);
	ruleset_locate(ruleset, index, trace->message);
	return -ELOOP;
}

static int trace_from(struct trace *trace, uint32_t base_chain)
{
	const struct ruleset *ruleset = trace->ruleset;

	open_chain(trace, base_chain);
	while (trace->depth > 0) {
		uint32_t chain = trace->stack[trace->depth - 1];
		uint32_t jump = next_jump(trace, chain);
		uint32_t target;

		if (jump == ruleset->chains[chain].end) {
			close_chain(trace, chain);
			continue;
		}
		trace->cursor[chain] = jump + 1;
		target = ruleset->entries[jump].target;
		if (trace->visits[target] == VISIT_OPEN)
			return loop_error(trace, jump);
		if (trace->visits[target] == VISIT_NONE)
			open_chain(trace, target);
	}
	return 0;
}

/* Hands the chain's hooks on to those it jumps to, and takes out the jumps that no packet reaches.
 */
static void settle_chain(struct ruleset *ruleset, uint32_t index)
{
	const struct chain *chain = &ruleset->chains[index];
	bool reached = true;

	for (uint32_t i = chain->first; i < chain->end; i++) {
		struct entry *entry = &ruleset->entries[i];

		if (is_jump(entry) && reached)
			ruleset->chains[entry->target].hooks |= chain->hooks;
		else if (is_jump(entry))
			entry->verdict = VERDICT_CONTINUE;
		else if (reached)
			reached = !entry_ends_chain(ruleset, i);
	}
}

static int trace_all(struct trace *trace)
{
	struct ruleset *ruleset = trace->ruleset;
	int r;

	for (uint32_t i = 0; i < ruleset->n_chains; i++) {
		if (ruleset->chains[i].hook == CHAIN_NO_HOOK)
			continue;
		ruleset->chains[i].hooks = HOOK_BIT(ruleset->chains[i].hook);
		r = trace_from(trace, i);
		if (r < 0)
			return r;
	}
	for (uint32_t i = trace->n_order; i > 0; i--)
		settle_chain(ruleset, trace->order[i - 1]);
	return 0;
}

int ruleset_trace_chains(struct ruleset *ruleset, struct message *message)
{
	_cleanup_free_ uint8_t *visits = calloc(ruleset->n_chains, sizeof(*visits));
	_cleanup_free_ uint32_t *numbers = calloc(ruleset->n_chains, 3 * sizeof(*numbers));
	struct trace trace = {
		.ruleset = ruleset,
		.message = message,
		.visits = visits,
	};

	if (!visits || !numbers)
		return message_error(message, ENOMEM, "filter: no memory for %u chains",
				     ruleset->n_chains);

	trace.cursor = numbers;
	trace.stack = numbers + ruleset->n_chains;
	trace.order = numbers + 2 * (size_t)ruleset->n_chains;
	return trace_all(&trace);
}
