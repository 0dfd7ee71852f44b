// SPDX-License-Identifier: GPL-2.0-or-later
/* What each entry does with a packet: x_tables.c verdict_ok(), ip_tables.c ipt_do_table(). */
#include "ruleset/internal.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <string.h>

/* Chains stand in the blob in the order of their indices: the one whose first entry is there. */
static uint32_t find_chain(const struct ruleset *ruleset, uint32_t offset)
{
	uint32_t low = 0;
	uint32_t high = ruleset->n_chains;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (ruleset->entries[ruleset->chains[middle].first].offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < ruleset->n_chains &&
	    ruleset->entries[ruleset->chains[low].first].offset != offset)
		return ruleset->n_chains;
	return low;
}

/* libiptc writes "no target" as a jump to the next entry, and the kernel does not push for it. */
static int read_jump(const struct ruleset *ruleset, const struct family *family,
		     const uint8_t *bytes, uint32_t offset, struct entry *entry,
		     struct message *message)
{
	uint32_t target;

	if (offset == entry->offset + entry_next_offset(family, bytes)) {
		entry->verdict = VERDICT_CONTINUE;
		return 0;
	}
	target = find_chain(ruleset, offset);
	if (target == ruleset->n_chains)
		return message_error(message, EINVAL, "jumps to byte %u, where no chain begins",
				     offset);
	if (ruleset->chains[target].hook != CHAIN_NO_HOOK)
		return message_error(message, EINVAL, "jumps to the built-in chain \"%s\"",
				     ruleset->chains[target].name);
	entry->verdict = family->is_goto(bytes) ? VERDICT_GOTO : VERDICT_JUMP;
	entry->target = target;
	return 0;
}

/* Whether the target is known, and may stand here, is checked later. */
static enum verdict extension_verdict(const struct family *family,
				      const struct xt_entry_target *target)
{
	const struct extension *extension =
		strnlen(target->u.user.name, XT_EXTENSION_MAXNAMELEN) < XT_EXTENSION_MAXNAMELEN
			? extension_find(EXTENSION_TARGET, target->u.user.name,
					 target->u.user.revision, family->number)
			: NULL;

	return extension && extension->delegation == DELEGATION_ENDS ? VERDICT_DROP
								     : VERDICT_CONTINUE;
}

static int read_verdict(const struct ruleset *ruleset, const struct family *family,
			struct entry *entry, struct message *message)
{
	const uint8_t *bytes = ruleset->blob + entry->offset;
	const struct xt_entry_target *target = entry_target(family, bytes);
	int verdict;

	if (!target_is_standard(target)) {
		entry->verdict = extension_verdict(family, target);
		return 0;
	}
	verdict = target_verdict(target);
	if (verdict > 0)
		return read_jump(ruleset, family, bytes, (uint32_t)verdict, entry, message);

	switch (verdict) {
	case -NF_ACCEPT - 1:
		entry->verdict = VERDICT_ACCEPT;
		return 0;
	case -NF_DROP - 1:
		entry->verdict = VERDICT_DROP;
		return 0;
	case XT_RETURN:
		entry->verdict = VERDICT_RETURN;
		return 0;
	case -NF_QUEUE - 1:
		return message_error(message, EOPNOTSUPP, "target \"QUEUE\" is not supported");
	default:
		return message_error(message, EINVAL, "unknown verdict %d", verdict);
	}
}

int ruleset_read_verdicts(struct ruleset *ruleset, struct message *message)
{
	const struct family *family = family_find(ruleset->family);
	int r;

	for (uint32_t i = 0; i < ruleset->n_entries; i++) {
		r = read_verdict(ruleset, family, &ruleset->entries[i], message);
		if (r < 0) {
			ruleset_locate(ruleset, i, message);
			return r;
		}
	}
	return 0;
}

bool entry_ends_chain(const struct ruleset *ruleset, uint32_t index)
{
	const struct family *family = family_find(ruleset->family);
	const uint8_t *bytes = entry_bytes(ruleset, index);

	if (!target_is_standard(entry_target(family, bytes)))
		return false;
	switch (ruleset->entries[index].verdict) {
	case VERDICT_ACCEPT:
	case VERDICT_DROP:
	case VERDICT_RETURN:
		return entry_is_unconditional(family, bytes);
	default:
		return false;
	}
}
