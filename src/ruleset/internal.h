/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stages of ruleset_decode(), in their order, and what they share. Each returns 0 or a negative
 * errno with the reason in @message, and relies on all that the stages before it have checked.
 */
#pragma once

#include "ruleset/family.h"

#include <string.h>

/* Entries of the blob: every offset and size, and the kind ENTRY_HEAD or (for now) ENTRY_RULE. */
int ruleset_index_entries(struct ruleset *ruleset, uint32_t num_entries, struct message *message);

/* The chains, each entry's chain and kind. */
int ruleset_index_chains(struct ruleset *ruleset, struct message *message);

/* Each entry's verdict and the chain it jumps to. */
int ruleset_read_verdicts(struct ruleset *ruleset, struct message *message);

/* No circle of jumps; each chain's hooks. */
int ruleset_trace_chains(struct ruleset *ruleset, struct message *message);

/* Each rule's header, matches and target. */
int ruleset_check_rules(struct ruleset *ruleset, struct message *message);

/* What its matches keep from packet to packet. */
int ruleset_list_states(struct ruleset *ruleset, struct message *message);

static inline uint16_t read_u16(const uint8_t *bytes)
{
	uint16_t number;

	memcpy(&number, bytes, sizeof(number));
	return number;
}

static inline const uint8_t *entry_bytes(const struct ruleset *ruleset, uint32_t index)
{
	return ruleset->blob + ruleset->entries[index].offset;
}

static inline uint16_t entry_target_offset(const struct family *family, const uint8_t *entry)
{
	return read_u16(entry + family->target_offset);
}

static inline uint16_t entry_next_offset(const struct family *family, const uint8_t *entry)
{
	return read_u16(entry + family->next_offset);
}

static inline const struct xt_entry_target *entry_target(const struct family *family,
							 const uint8_t *entry)
{
	return (const struct xt_entry_target *)(entry + entry_target_offset(family, entry));
}

static inline const struct xt_entry_match *first_match(const struct family *family,
						       const uint8_t *entry)
{
	return (const struct xt_entry_match *)(entry + family->entry_size);
}

static inline const struct xt_entry_match *next_match(const struct xt_entry_match *match)
{
	return (const struct xt_entry_match *)((const uint8_t *)match + match->u.match_size);
}

static inline bool target_is_standard(const struct xt_entry_target *target)
{
	return target->u.user.name[0] == '\0';
}

/* The number in a standard target: a jump's offset in the blob, or a negative verdict. */
static inline int target_verdict(const struct xt_entry_target *target)
{
	return ((const struct xt_standard_target *)target)->verdict;
}

/* ip_tables.c unconditional(): matches every packet, and says so by having nothing set. */
bool entry_is_unconditional(const struct family *family, const uint8_t *entry);

/* Unconditional with this verdict: XT_RETURN, -NF_ACCEPT - 1 ... */
bool entry_is_plain(const struct family *family, const uint8_t *entry, int verdict);

/*
 * Does the kernel's mark_source_chains() turn back here? Behind an unconditional verdict no entry
 * of the chain can be reached. Needs the entry's verdict.
 */
bool entry_ends_chain(const struct ruleset *ruleset, uint32_t index);

/* INPUT, FORWARD, OUTPUT; only for the hooks that the table is on. */
const char *ruleset_hook_name(unsigned int hook);

/* "filter INPUT rule 3: " in front of the message; policies, heads and tails by their names. */
void ruleset_locate(const struct ruleset *ruleset, uint32_t index, struct message *message);
