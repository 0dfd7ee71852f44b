// SPDX-License-Identifier: GPL-2.0-or-later
/* The table before the first command: net/netfilter/xt_repldata.h, iptable_filter.c. */
#include "ruleset/family.h"

#include <errno.h>
#include <string.h>

#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

#define N_POLICIES 3
/* IPv6 has the longer entries. */
#define MAX_BLOB_SIZE                                   \
	((N_POLICIES + 1) * sizeof(struct ip6t_entry) + \
	 N_POLICIES * sizeof(struct xt_standard_target) + sizeof(struct xt_error_target))

/* Appends an entry whose target begins behind the header; returns the target. */
static void *add_entry(struct ipt_replace *replace, const struct family *family, size_t target_size)
{
	uint8_t *entry = (uint8_t *)replace + sizeof(*replace) + replace->size;
	struct xt_entry_target *target = (struct xt_entry_target *)(entry + family->entry_size);
	uint16_t size = (uint16_t)(family->entry_size + target_size);

	memcpy(entry + family->target_offset, &family->entry_size, sizeof(family->entry_size));
	memcpy(entry + family->next_offset, &size, sizeof(size));
	target->u.target_size = (uint16_t)target_size;
	replace->size += size;
	replace->num_entries++;
	return target;
}

static void add_policy(struct ipt_replace *replace, const struct family *family, unsigned int hook)
{
	struct xt_standard_target *target;

	replace->valid_hooks |= HOOK_BIT(hook);
	replace->hook_entry[hook] = replace->size;
	replace->underflow[hook] = replace->size;
	target = add_entry(replace, family, sizeof(*target));
	target->verdict = -NF_ACCEPT - 1;
}

static void add_end(struct ipt_replace *replace, const struct family *family)
{
	struct xt_error_target *error = add_entry(replace, family, sizeof(*error));

	strcpy(error->target.u.user.name, XT_ERROR_TARGET);
	strcpy(error->errorname, XT_ERROR_TARGET);
}

int ruleset_new_empty(uint8_t family_number, struct ruleset **ret_ruleset)
{
	static const unsigned int hooks[N_POLICIES] = {NF_INET_LOCAL_IN, NF_INET_FORWARD,
						       NF_INET_LOCAL_OUT};
	_Alignas(8) uint8_t bytes[sizeof(struct ipt_replace) + MAX_BLOB_SIZE] = {0};
	struct ipt_replace *replace = (struct ipt_replace *)bytes;
	const struct family *family = family_find(family_number);

	if (!family)
		return -EAFNOSUPPORT;

	strcpy(replace->name, "filter");
	replace->num_counters = 1;
	for (unsigned int i = 0; i < N_POLICIES; i++)
		add_policy(replace, family, hooks[i]);
	add_end(replace, family);
	return ruleset_decode(family_number, bytes, sizeof(*replace) + replace->size, ret_ruleset,
			      NULL);
}
