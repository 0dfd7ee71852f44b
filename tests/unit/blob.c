// SPDX-License-Identifier: GPL-2.0-or-later
#include "blob.h"

#include <err.h>
#include <search.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_SIZE XT_FUNCTION_MAXNAMELEN

/* What differs between the families. */
struct layout {
	size_t entry_size;
	size_t header_size;
	size_t target_offset; /* the places of these two in an entry */
	size_t next_offset;
};

static const struct layout ipv4 = {
	.entry_size = sizeof(struct ipt_entry),
	.header_size = sizeof(struct ipt_ip),
	.target_offset = offsetof(struct ipt_entry, target_offset),
	.next_offset = offsetof(struct ipt_entry, next_offset),
};

static const struct layout ipv6 = {
	.entry_size = sizeof(struct ip6t_entry),
	.header_size = sizeof(struct ip6t_ip6),
	.target_offset = offsetof(struct ip6t_entry, target_offset),
	.next_offset = offsetof(struct ip6t_entry, next_offset),
};

struct rule {
	struct rule *next;
	union {
		struct ipt_ip ip;
		struct ip6t_ip6 ipv6;
	} header;
	char target[NAME_SIZE]; /* of a standard target; empty: none */
	uint8_t *matches;
	size_t matches_size;
	uint8_t *extension; /* struct xt_entry_target, if there is one */
	size_t extension_size;
};

struct blob_chain {
	char name[NAME_SIZE];
	bool is_base;
	int policy;
	struct rule *first;
	struct rule **end;
	size_t offset; /* of its first rule */
};

struct blob {
	const struct layout *layout;
	struct blob_chain **chains;
	size_t n_chains;
	struct hsearch_data by_name;
	size_t max_names;
	struct rule *last;
};

static const struct {
	const char *name;
	int verdict;
} verdicts[] = {
	{"ACCEPT", -NF_ACCEPT - 1},
	{"DROP", -NF_DROP - 1},
	{"RETURN", XT_RETURN},
	{"QUEUE", -NF_QUEUE - 1},
};

static const unsigned int hooks[] = {NF_INET_LOCAL_IN, NF_INET_FORWARD, NF_INET_LOCAL_OUT};

static void *checked(void *memory)
{
	if (!memory)
		err(1, "blob");
	return memory;
}

/* hsearch tables do not grow: begin again with a larger one. */
static void index_names(struct blob *blob, size_t max_names)
{
	ENTRY *found;

	hdestroy_r(&blob->by_name);
	memset(&blob->by_name, 0, sizeof(blob->by_name));
	blob->max_names = max_names;
	if (!hcreate_r(max_names * 2, &blob->by_name))
		err(1, "blob");
	for (size_t i = 0; i < blob->n_chains; i++) {
		ENTRY entry = {.key = blob->chains[i]->name, .data = blob->chains[i]};

		hsearch_r(entry, ENTER, &found, &blob->by_name);
	}
}

static struct blob_chain *find_chain(const struct blob *blob, const char *name)
{
	ENTRY entry = {.key = (char *)name};
	ENTRY *found = NULL;

	if (!hsearch_r(entry, FIND, &found, (struct hsearch_data *)&blob->by_name))
		errx(1, "blob: no chain %s", name);
	return found->data;
}

void blob_chain(struct blob *blob, const char *name)
{
	struct blob_chain *chain = checked(calloc(1, sizeof(*chain)));
	ENTRY *found;

	snprintf(chain->name, sizeof(chain->name), "%s", name);
	chain->end = &chain->first;
	/* Room for twice as many whenever their number is a power of two. */
	if ((blob->n_chains & (blob->n_chains - 1)) == 0)
		blob->chains = checked(reallocarray(blob->chains, 2 * blob->n_chains + 1,
						    sizeof(struct blob_chain *)));
	blob->chains[blob->n_chains++] = chain;
	if (blob->n_chains > blob->max_names)
		index_names(blob, blob->max_names * 2);
	else
		hsearch_r((ENTRY){.key = chain->name, .data = chain}, ENTER, &found,
			  &blob->by_name);
}

static struct blob *new_blob(const struct layout *layout)
{
	static const char *const names[] = {"INPUT", "FORWARD", "OUTPUT"};
	struct blob *blob = checked(calloc(1, sizeof(*blob)));

	blob->layout = layout;
	index_names(blob, 16);
	for (size_t i = 0; i < 3; i++) {
		blob_chain(blob, names[i]);
		blob->chains[i]->is_base = true;
		blob->chains[i]->policy = NF_ACCEPT;
	}
	return blob;
}

struct blob *blob_new(void)
{
	return new_blob(&ipv4);
}

struct blob *blob_new_ipv6(void)
{
	return new_blob(&ipv6);
}

static void free_chain(struct blob_chain *chain)
{
	while (chain->first) {
		struct rule *rule = chain->first;

		chain->first = rule->next;
		free(rule->matches);
		free(rule->extension);
		free(rule);
	}
	free(chain);
}

void blob_free(struct blob *blob)
{
	if (!blob)
		return;

	for (size_t i = 0; i < blob->n_chains; i++)
		free_chain(blob->chains[i]);
	hdestroy_r(&blob->by_name);
	free(blob->chains);
	free(blob);
}

void blob_policy(struct blob *blob, const char *chain, int verdict)
{
	find_chain(blob, chain)->policy = verdict;
}

static struct rule *add_rule(struct blob *blob, const char *chain, const char *target)
{
	struct blob_chain *to = find_chain(blob, chain);
	struct rule *rule = checked(calloc(1, sizeof(*rule)));

	if (target)
		snprintf(rule->target, sizeof(rule->target), "%s", target);
	*to->end = rule;
	to->end = &rule->next;
	blob->last = rule;
	return rule;
}

struct ipt_ip *blob_rule(struct blob *blob, const char *chain, const char *target)
{
	return &add_rule(blob, chain, target)->header.ip;
}

struct ip6t_ip6 *blob_rule_ipv6(struct blob *blob, const char *chain, const char *target)
{
	return &add_rule(blob, chain, target)->header.ipv6;
}

/* The header that matches and targets share, and the payload, padded. */
static size_t write_extension(uint8_t *bytes, const char *name, uint8_t revision,
			      const void *payload, size_t size)
{
	struct xt_entry_match *match = (struct xt_entry_match *)bytes;

	match->u.match_size = (uint16_t)(sizeof(*match) + XT_ALIGN(size));
	strncpy(match->u.user.name, name, sizeof(match->u.user.name) - 1);
	match->u.user.revision = revision;
	if (size)
		memcpy(match->data, payload, size);
	return match->u.match_size;
}

void blob_match(struct blob *blob, const char *name, uint8_t revision, const void *payload,
		size_t size)
{
	struct rule *rule = blob->last;
	size_t added = sizeof(struct xt_entry_match) + XT_ALIGN(size);

	rule->matches = checked(realloc(rule->matches, rule->matches_size + added));
	memset(rule->matches + rule->matches_size, 0, added);
	write_extension(rule->matches + rule->matches_size, name, revision, payload, size);
	rule->matches_size += added;
}

void blob_target(struct blob *blob, const char *name, uint8_t revision, const void *payload,
		 size_t size)
{
	struct rule *rule = blob->last;

	rule->extension_size = sizeof(struct xt_entry_target) + XT_ALIGN(size);
	rule->extension = checked(calloc(1, rule->extension_size));
	write_extension(rule->extension, name, revision, payload, size);
}

static size_t policy_size(const struct blob *blob)
{
	return blob->layout->entry_size + sizeof(struct xt_standard_target);
}

static size_t head_size(const struct blob *blob)
{
	return blob->layout->entry_size + sizeof(struct xt_error_target);
}

static size_t rule_size(const struct blob *blob, const struct rule *rule)
{
	return blob->layout->entry_size + rule->matches_size +
	       (rule->extension ? rule->extension_size : sizeof(struct xt_standard_target));
}

/* Where each chain begins, and how much there is of everything. */
static void place_chains(const struct blob *blob, size_t *ret_entries, size_t *ret_size)
{
	size_t n_entries = 1;
	size_t offset = 0;

	for (size_t i = 0; i < blob->n_chains; i++) {
		struct blob_chain *chain = blob->chains[i];

		n_entries += chain->is_base ? 1 : 2;
		offset += chain->is_base ? 0 : head_size(blob);
		chain->offset = offset;
		for (const struct rule *rule = chain->first; rule; rule = rule->next) {
			n_entries++;
			offset += rule_size(blob, rule);
		}
		offset += policy_size(blob);
	}
	*ret_entries = n_entries;
	*ret_size = offset + head_size(blob);
}

static void write_u16(uint8_t *bytes, size_t number)
{
	memcpy(bytes, &(uint16_t){(uint16_t)number}, sizeof(uint16_t));
}

static struct xt_entry_target *fill_entry(const struct blob *blob, uint8_t *bytes,
					  size_t target_offset, size_t target_size)
{
	struct xt_entry_target *target = (struct xt_entry_target *)(bytes + target_offset);

	write_u16(bytes + blob->layout->target_offset, target_offset);
	write_u16(bytes + blob->layout->next_offset, target_offset + target_size);
	target->u.target_size = (uint16_t)target_size;
	return target;
}

static uint8_t *write_head(const struct blob *blob, uint8_t *bytes, const char *name)
{
	struct xt_error_target *error = (struct xt_error_target *)fill_entry(
		blob, bytes, blob->layout->entry_size, sizeof(*error));

	strcpy(error->target.u.user.name, XT_ERROR_TARGET);
	strcpy(error->errorname, name);
	return bytes + head_size(blob);
}

static uint8_t *write_verdict(const struct blob *blob, uint8_t *bytes, size_t target_offset,
			      int verdict)
{
	struct xt_standard_target *target = (struct xt_standard_target *)fill_entry(
		blob, bytes, target_offset, sizeof(*target));

	target->verdict = verdict;
	return bytes + target_offset + sizeof(*target);
}

static int rule_verdict(const struct blob *blob, const struct rule *rule, size_t next)
{
	if (!rule->target[0])
		return (int)next;
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
		if (strcmp(rule->target, verdicts[i].name) == 0)
			return verdicts[i].verdict;
	}
	return (int)find_chain(blob, rule->target)->offset;
}

static uint8_t *write_rule(const struct blob *blob, const struct rule *rule, uint8_t *bytes,
			   size_t offset)
{
	size_t entry_size = blob->layout->entry_size;
	size_t target_offset = entry_size + rule->matches_size;

	memcpy(bytes, &rule->header, blob->layout->header_size);
	if (rule->matches_size)
		memcpy(bytes + entry_size, rule->matches, rule->matches_size);
	if (!rule->extension)
		return write_verdict(blob, bytes, target_offset,
				     rule_verdict(blob, rule, offset + rule_size(blob, rule)));

	fill_entry(blob, bytes, target_offset, rule->extension_size);
	memcpy(bytes + target_offset, rule->extension, rule->extension_size);
	return bytes + target_offset + rule->extension_size;
}

static uint8_t *write_chain(const struct blob *blob, const struct blob_chain *chain,
			    uint8_t *blob_bytes, uint8_t *bytes)
{
	if (!chain->is_base)
		bytes = write_head(blob, bytes, chain->name);
	for (const struct rule *rule = chain->first; rule; rule = rule->next)
		bytes = write_rule(blob, rule, bytes, (size_t)(bytes - blob_bytes));
	return write_verdict(blob, bytes, blob->layout->entry_size,
			     chain->is_base ? -chain->policy - 1 : XT_RETURN);
}

struct ipt_replace *blob_build(const struct blob *blob, size_t *ret_length)
{
	struct ipt_replace *replace;
	size_t n_entries;
	size_t size;
	uint8_t *bytes;
	uint8_t *blob_bytes;

	place_chains(blob, &n_entries, &size);
	replace = checked(calloc(1, sizeof(*replace) + size));
	strcpy(replace->name, "filter");
	replace->num_entries = (unsigned int)n_entries;
	replace->size = (unsigned int)size;
	replace->num_counters = 1;
	bytes = blob_bytes = (uint8_t *)replace + sizeof(*replace);
	for (size_t i = 0; i < blob->n_chains; i++) {
		if (i < 3) {
			replace->valid_hooks |= 1u << hooks[i];
			replace->hook_entry[hooks[i]] = (unsigned int)(bytes - blob_bytes);
		}
		bytes = write_chain(blob, blob->chains[i], blob_bytes, bytes);
		if (i < 3)
			replace->underflow[hooks[i]] =
				(unsigned int)(bytes - blob_bytes - policy_size(blob));
	}
	write_head(blob, bytes, XT_ERROR_TARGET);
	*ret_length = sizeof(*replace) + size;
	return replace;
}

static uint8_t *entry_bytes(const struct layout *layout, struct ipt_replace *replace,
			    unsigned int index)
{
	uint8_t *bytes = (uint8_t *)replace + sizeof(*replace);
	uint16_t size;

	for (unsigned int i = 0; i < index; i++) {
		memcpy(&size, bytes + layout->next_offset, sizeof(size));
		bytes += size;
	}
	return bytes;
}

struct ipt_entry *blob_entry(struct ipt_replace *replace, unsigned int index)
{
	return (struct ipt_entry *)entry_bytes(&ipv4, replace, index);
}

struct ip6t_entry *blob_entry_ipv6(struct ipt_replace *replace, unsigned int index)
{
	return (struct ip6t_entry *)entry_bytes(&ipv6, replace, index);
}
