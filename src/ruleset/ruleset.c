// SPDX-License-Identifier: GPL-2.0-or-later
#include "ruleset/ruleset.h"

#include "common/cleanup.h"
#include "ruleset/internal.h"

#include <errno.h>
#include <limits.h>

#include <linux/netfilter_ipv4/ip_tables.h>

#define TABLE_NAME "filter"
#define TABLE_HOOKS \
	(HOOK_BIT(NF_INET_LOCAL_IN) | HOOK_BIT(NF_INET_FORWARD) | HOOK_BIT(NF_INET_LOCAL_OUT))

/* x_tables.c XT_MAX_TABLE_SIZE. */
#define MAX_TABLE_SIZE (512u << 20)

static void cleanup_ruleset(struct ruleset **ruleset)
{
	ruleset_free(*ruleset);
}

#define _cleanup_ruleset_ __attribute__((cleanup(cleanup_ruleset)))

/* ip_tables.c do_replace(), xt_alloc_table_info() and __do_replace(). */
static int check_replace(const struct ipt_replace *replace, size_t length, struct message *message)
{
	if (replace->num_counters >= INT_MAX / sizeof(struct xt_counters))
		return message_error(message, ENOMEM, "filter: %u counters are too many",
				     replace->num_counters);
	if (replace->num_counters == 0)
		return message_error(message, EINVAL, "filter: no room for the old counters");
	if (length - sizeof(*replace) < replace->size)
		return message_error(message, EINVAL, "filter: %u bytes of entries in %zu bytes",
				     replace->size, length - sizeof(*replace));
	if (replace->size >= MAX_TABLE_SIZE)
		return message_error(message, ENOMEM, "filter: %u bytes are more than %u",
				     replace->size, MAX_TABLE_SIZE);
	if (strncmp(replace->name, TABLE_NAME, sizeof(replace->name)) != 0)
		return message_error(message, ENOENT, "table \"%.*s\" is not supported",
				     XT_TABLE_MAXNAMELEN, replace->name);
	if (replace->valid_hooks != TABLE_HOOKS)
		return message_error(message, EINVAL, "filter: hooks 0x%x instead of 0x%x",
				     replace->valid_hooks, TABLE_HOOKS);
	return 0;
}

/* The kernel's structures are aligned to 8 bytes, and so is what malloc() gives. */
_Static_assert(sizeof(struct ipt_replace) % 8 == 0, "the entries are aligned, too");

static int new_ruleset(uint8_t family, const struct ipt_replace *replace, void *memory,
		       struct ruleset **ret_ruleset, struct message *message)
{
	struct ruleset *ruleset = calloc(1, sizeof(*ruleset));

	if (!ruleset)
		return message_error(message, ENOMEM, "filter: no memory for the table");

	ruleset->family = family;
	ruleset->valid_hooks = replace->valid_hooks;
	ruleset->blob = (uint8_t *)memory + sizeof(*replace);
	ruleset->size = replace->size;
	for (unsigned int hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
		bool valid = replace->valid_hooks & HOOK_BIT(hook);

		/* As translate_table() leaves those of hooks that the table is not on. */
		ruleset->hook_entry[hook] = valid ? replace->hook_entry[hook] : UINT32_MAX;
		ruleset->underflow[hook] = valid ? replace->underflow[hook] : UINT32_MAX;
	}
	*ret_ruleset = ruleset;
	return 0;
}

static int check_table(struct ruleset *ruleset, uint32_t num_entries, struct message *message)
{
	int r;

	r = ruleset_index_entries(ruleset, num_entries, message);
	if (r < 0)
		return r;
	r = ruleset_index_chains(ruleset, message);
	if (r < 0)
		return r;
	r = ruleset_read_verdicts(ruleset, message);
	if (r < 0)
		return r;
	r = ruleset_trace_chains(ruleset, message);
	if (r < 0)
		return r;
	r = ruleset_check_rules(ruleset, message);
	if (r < 0)
		return r;
	return ruleset_list_states(ruleset, message);
}

static int read_header(uint8_t family, const void *replace, size_t length,
		       struct ipt_replace *ret_header, struct message *message)
{
	if (!family_find(family))
		return message_error(message, EAFNOSUPPORT, "family %u is not supported", family);
	if (length < sizeof(*ret_header))
		return message_error(message, EINVAL, "filter: %zu bytes are no table", length);
	memcpy(ret_header, replace, sizeof(*ret_header));
	return check_replace(ret_header, length, message);
}

int ruleset_decode_in_place(uint8_t family, void **replace, size_t length,
			    struct ruleset **ret_ruleset, struct message *message)
{
	_cleanup_ruleset_ struct ruleset *ruleset = NULL;
	struct ipt_replace header = {};
	int r;

	r = read_header(family, *replace, length, &header, message);
	if (r)
		return r;
	r = new_ruleset(family, &header, *replace, &ruleset, message);
	if (r < 0)
		return r;
	r = check_table(ruleset, header.num_entries, message);
	if (r < 0)
		return r;

	ruleset->memory = take_pointer(*replace);
	*ret_ruleset = take_pointer(ruleset);
	return 0;
}

int ruleset_decode(uint8_t family, const void *replace, size_t length, struct ruleset **ret_ruleset,
		   struct message *message)
{
	_cleanup_free_ void *copy = NULL;
	struct ipt_replace header = {};
	int r;

	r = read_header(family, replace, length, &header, message);
	if (r)
		return r;
	length = sizeof(header) + header.size;
	copy = malloc(length);
	if (!copy)
		return message_error(message, ENOMEM, "filter: no memory for %zu bytes", length);
	memcpy(copy, replace, length);
	return ruleset_decode_in_place(family, &copy, length, ret_ruleset, message);
}

void ruleset_free(struct ruleset *ruleset)
{
	if (!ruleset)
		return;

	free(ruleset->memory);
	free(ruleset->entries);
	free(ruleset->chains);
	free(ruleset->delegates);
	free(ruleset->states);
	free(ruleset);
}

void ruleset_encode(const struct ruleset *ruleset, const struct xt_counters *counters, void *buffer)
{
	const struct family *family = family_find(ruleset->family);
	uint8_t *bytes = buffer;

	memcpy(bytes, ruleset->blob, ruleset->size);
	for (uint32_t i = 0; i < ruleset->n_entries; i++)
		memcpy(bytes + ruleset->entries[i].offset + family->counters, &counters[i],
		       sizeof(counters[i]));
}

bool ruleset_equal(const struct ruleset *a, const struct ruleset *b)
{
	return a->family == b->family && a->valid_hooks == b->valid_hooks && a->size == b->size &&
	       memcmp(a->hook_entry, b->hook_entry, sizeof(a->hook_entry)) == 0 &&
	       memcmp(a->underflow, b->underflow, sizeof(a->underflow)) == 0 &&
	       memcmp(a->blob, b->blob, a->size) == 0;
}
