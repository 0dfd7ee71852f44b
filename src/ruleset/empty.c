// SPDX-License-Identifier: GPL-2.0-or-later
/* The table before the first command: net/netfilter/xt_repldata.h, iptable_filter.c. */
#include "ruleset/ruleset.h"

#include <string.h>

#include <linux/netfilter_ipv4/ip_tables.h>

#define N_POLICIES  3
#define POLICY_SIZE (sizeof(struct ipt_entry) + sizeof(struct xt_standard_target))
#define END_SIZE    (sizeof(struct ipt_entry) + sizeof(struct xt_error_target))
#define BLOB_SIZE   (N_POLICIES * POLICY_SIZE + END_SIZE)

/* An entry whose target begins behind the header, and the target. */
static void *fill_entry(void *bytes, size_t size)
{
	struct ipt_entry *entry = bytes;
	struct xt_entry_target *target = (struct xt_entry_target *)entry->elems;

	entry->target_offset = sizeof(*entry);
	entry->next_offset = (uint16_t)size;
	target->u.target_size = (uint16_t)(size - sizeof(*entry));
	return target;
}

static void fill_end(void *bytes)
{
	struct xt_error_target *error = fill_entry(bytes, END_SIZE);

	strcpy(error->target.u.user.name, XT_ERROR_TARGET);
	strcpy(error->errorname, XT_ERROR_TARGET);
}

int ruleset_new_empty(uint8_t family, struct ruleset **ret_ruleset)
{
	static const unsigned int hooks[N_POLICIES] = {NF_INET_LOCAL_IN, NF_INET_FORWARD,
						       NF_INET_LOCAL_OUT};
	_Alignas(8) uint8_t bytes[sizeof(struct ipt_replace) + BLOB_SIZE] = {0};
	struct ipt_replace *replace = (struct ipt_replace *)bytes;
	uint8_t *blob = bytes + sizeof(*replace);

	strcpy(replace->name, "filter");
	replace->num_entries = N_POLICIES + 1;
	replace->size = BLOB_SIZE;
	replace->num_counters = 1;
	for (unsigned int i = 0; i < N_POLICIES; i++) {
		unsigned int offset = i * POLICY_SIZE;
		struct xt_standard_target *target = fill_entry(blob + offset, POLICY_SIZE);

		target->verdict = -NF_ACCEPT - 1;
		replace->valid_hooks |= HOOK_BIT(hooks[i]);
		replace->hook_entry[hooks[i]] = offset;
		replace->underflow[hooks[i]] = offset;
	}
	fill_end(blob + N_POLICIES * POLICY_SIZE);
	return ruleset_decode(family, bytes, sizeof(bytes), ret_ruleset, NULL);
}
