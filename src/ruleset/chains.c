// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which entries make which chain. libiptc writes, and only this is accepted:
 *
 *     rules, policy                 of each base chain, in the order of their hooks
 *     head, rules, tail             of each user chain
 *     head                          the end of the table
 *
 * The kernel takes any order that it can walk; one that iptables could not list again is refused.
 */
#include "ruleset/internal.h"

#include "common/cleanup.h"

#include <errno.h>
#include <linux/netfilter.h>

static const char *const hook_names[NF_INET_NUMHOOKS] = {
	[NF_INET_LOCAL_IN] = "INPUT",
	[NF_INET_FORWARD] = "FORWARD",
	[NF_INET_LOCAL_OUT] = "OUTPUT",
};

const char *ruleset_hook_name(unsigned int hook)
{
	return hook_names[hook];
}

/* The entry that begins at @offset; n_entries if none does. */
static uint32_t find_entry(const struct ruleset *ruleset, uint32_t offset)
{
	uint32_t low = 0;
	uint32_t high = ruleset->n_entries;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (ruleset->entries[middle].offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < ruleset->n_entries && ruleset->entries[low].offset != offset)
		return ruleset->n_entries;
	return low;
}

static void assign_entries(struct ruleset *ruleset, uint32_t chain, uint8_t end_kind)
{
	const struct chain *range = &ruleset->chains[chain];

	for (uint32_t i = range->first; i <= range->end; i++)
		ruleset->entries[i].chain = chain;
	ruleset->entries[range->end].kind = end_kind;
}

static int add_base_chain(struct ruleset *ruleset, int hook, uint32_t first,
			  struct message *message)
{
	const struct family *family = family_find(ruleset->family);
	struct chain *chain = &ruleset->chains[ruleset->n_chains];
	uint32_t end = find_entry(ruleset, ruleset->underflow[hook]);
	const uint8_t *policy;

	if (find_entry(ruleset, ruleset->hook_entry[hook]) != first || first == ruleset->n_entries)
		return message_error(message, EINVAL,
				     "filter %s: byte %u is not where the chain begins",
				     hook_names[hook], ruleset->hook_entry[hook]);
	if (end == ruleset->n_entries || end < first)
		return message_error(message, EINVAL, "filter %s: byte %u is not where it ends",
				     hook_names[hook], ruleset->underflow[hook]);
	for (uint32_t i = first; i <= end; i++) {
		if (ruleset->entries[i].kind == ENTRY_HEAD)
			return message_error(message, EINVAL,
					     "filter %s rule %u: another chain begins here",
					     hook_names[hook], i - first + 1);
	}
	policy = entry_bytes(ruleset, end);
	if (!entry_is_plain(family, policy, -NF_ACCEPT - 1) &&
	    !entry_is_plain(family, policy, -NF_DROP - 1))
		return message_error(message, EINVAL, "filter %s: the policy is not ACCEPT or DROP",
				     hook_names[hook]);

	*chain = (struct chain){.hook = hook, .first = first, .end = end};
	strcpy(chain->name, hook_names[hook]);
	assign_entries(ruleset, ruleset->n_chains++, ENTRY_POLICY);
	return 0;
}

static const char *head_name(const struct ruleset *ruleset, uint32_t index)
{
	const struct family *family = family_find(ruleset->family);

	return ((const struct xt_error_target *)entry_target(family, entry_bytes(ruleset, index)))
		->errorname;
}

static int check_head(const struct ruleset *ruleset, uint32_t index, struct message *message)
{
	if (!entry_is_unconditional(family_find(ruleset->family), entry_bytes(ruleset, index)))
		return message_error(message, EINVAL, "filter chain \"%s\": conditions at its head",
				     head_name(ruleset, index));
	return 0;
}

/* @head is the head of a user chain, and another head follows somewhere. */
static int add_user_chain(struct ruleset *ruleset, uint32_t head, struct message *message)
{
	const struct family *family = family_find(ruleset->family);
	struct chain *chain = &ruleset->chains[ruleset->n_chains];
	uint32_t next = head + 1;
	int r;

	r = check_head(ruleset, head, message);
	if (r < 0)
		return r;

	while (ruleset->entries[next].kind != ENTRY_HEAD)
		next++;
	/* A head that stands alone is no RETURN either. */
	if (!entry_is_plain(family, entry_bytes(ruleset, next - 1), XT_RETURN))
		return message_error(message, EINVAL,
				     "filter chain \"%s\": does not end in a plain RETURN",
				     head_name(ruleset, head));

	*chain = (struct chain){.hook = CHAIN_NO_HOOK, .first = head + 1, .end = next - 1};
	strcpy(chain->name, head_name(ruleset, head));
	ruleset->entries[head].chain = ruleset->n_chains;
	assign_entries(ruleset, ruleset->n_chains++, ENTRY_TAIL);
	return 0;
}

static int add_chains(struct ruleset *ruleset, struct message *message)
{
	uint32_t last = ruleset->n_entries - 1;
	uint32_t next = 0;
	int r;

	for (int hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
		if (!(ruleset->valid_hooks & HOOK_BIT(hook)))
			continue;
		r = add_base_chain(ruleset, hook, next, message);
		if (r < 0)
			return r;
		next = ruleset->chains[ruleset->n_chains - 1].end + 1;
	}
	while (next < last) {
		if (ruleset->entries[next].kind != ENTRY_HEAD)
			return message_error(message, EINVAL,
					     "filter entry %u: behind the base chains, but in no "
					     "chain",
					     next);
		r = add_user_chain(ruleset, next, message);
		if (r < 0)
			return r;
		next = ruleset->chains[ruleset->n_chains - 1].end + 1;
	}
	ruleset->entries[last].chain = ENTRY_NO_CHAIN;
	return check_head(ruleset, last, message);
}

static int compare_names(const void *one, const void *other)
{
	const struct chain *const *a = one;
	const struct chain *const *b = other;

	return strcmp((*a)->name, (*b)->name);
}

static bool is_ruleset_hook_name(const char *name)
{
	for (int hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
		if (hook_names[hook] && strcmp(hook_names[hook], name) == 0)
			return true;
	}
	return false;
}

/* Names are unique. libiptc writes user chains in their order: then there is nothing to sort. */
static int check_names(const struct ruleset *ruleset, struct message *message)
{
	_cleanup_free_ const struct chain **sorted = calloc(ruleset->n_chains, sizeof(*sorted));
	bool in_order = true;
	uint32_t n_sorted = 0;

	if (!sorted)
		return message_error(message, ENOMEM, "filter: no memory for %u chains",
				     ruleset->n_chains);

	for (uint32_t i = 0; i < ruleset->n_chains; i++) {
		const struct chain *chain = &ruleset->chains[i];

		if (chain->hook != CHAIN_NO_HOOK)
			continue;
		if (is_ruleset_hook_name(chain->name))
			return message_error(message, EINVAL,
					     "filter: two chains are called \"%s\"", chain->name);
		sorted[n_sorted++] = chain;
		if (n_sorted > 1 && compare_names(&sorted[n_sorted - 2], &sorted[n_sorted - 1]) > 0)
			in_order = false;
	}
	if (!in_order)
		qsort(sorted, n_sorted, sizeof(*sorted), compare_names);
	for (uint32_t i = 1; i < n_sorted; i++) {
		if (compare_names(&sorted[i - 1], &sorted[i]) == 0)
			return message_error(message, EINVAL,
					     "filter: two chains are called \"%s\"",
					     sorted[i]->name);
	}
	return 0;
}

int ruleset_index_chains(struct ruleset *ruleset, struct message *message)
{
	uint32_t n_heads = 0;
	int r;

	for (uint32_t i = 0; i < ruleset->n_entries; i++)
		n_heads += ruleset->entries[i].kind == ENTRY_HEAD;
	if (n_heads == 0 || ruleset->entries[ruleset->n_entries - 1].kind != ENTRY_HEAD)
		return message_error(message, EINVAL, "filter: the last entry is not an ERROR");

	ruleset->chains = calloc((size_t)n_heads + NF_INET_NUMHOOKS, sizeof(*ruleset->chains));
	if (!ruleset->chains)
		return message_error(message, ENOMEM, "filter: no memory for %u chains", n_heads);

	r = add_chains(ruleset, message);
	if (r < 0)
		return r;
	return check_names(ruleset, message);
}

const struct chain *ruleset_base_chain(const struct ruleset *ruleset, unsigned int hook)
{
	for (uint32_t i = 0; i < ruleset->n_chains; i++) {
		if (ruleset->chains[i].hook == (int)hook)
			return &ruleset->chains[i];
	}
	return NULL;
}

void ruleset_locate(const struct ruleset *ruleset, uint32_t index, struct message *message)
{
	const struct entry *entry = &ruleset->entries[index];
	const char *name;

	if (entry->chain == ENTRY_NO_CHAIN) {
		message_prefix(message, "filter's last entry");
		return;
	}
	name = ruleset->chains[entry->chain].name;
	switch (entry->kind) {
	case ENTRY_RULE:
		message_prefix(message, "filter %s rule %u", name,
			       ruleset_rule_number(ruleset, index));
		break;
	case ENTRY_POLICY:
		message_prefix(message, "filter %s policy", name);
		break;
	default:
		message_prefix(message, "filter %s %s", name,
			       entry->kind == ENTRY_HEAD ? "head" : "tail");
		break;
	}
}
