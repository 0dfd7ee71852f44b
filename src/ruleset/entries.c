// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The first walk over a blob that may hold anything: ip_tables.c check_entry_size_and_hooks() and
 * x_tables.c xt_check_entry_offsets(). After it, offsets and sizes can be trusted.
 */
#include "ruleset/internal.h"

#include <errno.h>
#include <stdlib.h>

#define ALIGNMENT XT_ALIGN(1)

static bool is_aligned(size_t number)
{
	return number % ALIGNMENT == 0;
}

static bool target_is_error(const struct xt_entry_target *target)
{
	return strncmp(target->u.user.name, XT_ERROR_TARGET, XT_EXTENSION_MAXNAMELEN) == 0;
}

/* The matches fill the room up to the target: x_tables.c xt_check_entry_match(). */
static int check_matches(const uint8_t *matches, size_t length, struct message *message)
{
	while (length > 0) {
		const struct xt_entry_match *match = (const struct xt_entry_match *)matches;
		size_t size;

		if (length < sizeof(*match))
			return message_error(message, EINVAL,
					     "%zu bytes before the target are no match", length);
		size = match->u.match_size;
		if (size < sizeof(*match) || size > length || !is_aligned(size))
			return message_error(message, EINVAL,
					     "a match of %zu bytes in %zu bytes of room", size,
					     length);
		matches += size;
		length -= size;
	}
	return 0;
}

static int check_standard_target(size_t target_offset, size_t next_offset, struct message *message)
{
	if (XT_ALIGN(target_offset + sizeof(struct xt_standard_target)) != next_offset)
		return message_error(message, EINVAL,
				     "a verdict at byte %zu does not end the entry of %zu bytes",
				     target_offset, next_offset);
	return 0;
}

static int check_error_target(const struct xt_entry_target *target, struct message *message)
{
	const struct xt_error_target *error = (const struct xt_error_target *)target;

	if (target->u.target_size != sizeof(*error))
		return message_error(message, EINVAL, "an ERROR target of %u bytes instead of %zu",
				     target->u.target_size, sizeof(*error));
	if (strnlen(error->errorname, CHAIN_NAME_SIZE) == CHAIN_NAME_SIZE)
		return message_error(message, EINVAL, "the chain's name has no end");
	return 0;
}

/* The target is inside of the entry, and it is the last thing in it. */
static int check_target(const uint8_t *entry, size_t target_offset, size_t next_offset,
			struct message *message)
{
	const struct xt_entry_target *target;
	size_t room = next_offset - target_offset;

	if (room < sizeof(*target))
		return message_error(message, EINVAL, "%zu bytes are no target", room);

	target = (const struct xt_entry_target *)(entry + target_offset);
	if (target->u.target_size < sizeof(*target) || target->u.target_size > room)
		return message_error(message, EINVAL, "a target of %u bytes in %zu bytes of room",
				     target->u.target_size, room);
	if (target_is_standard(target))
		return check_standard_target(target_offset, next_offset, message);
	if (target_is_error(target))
		return check_error_target(target, message);
	return 0;
}

static int check_entry(const struct family *family, const uint8_t *entry, size_t room,
		       struct message *message)
{
	size_t target_offset;
	size_t next_offset;
	int r;

	if (room <= family->entry_size)
		return message_error(message, EINVAL, "%zu bytes are no entry", room);

	target_offset = entry_target_offset(family, entry);
	next_offset = entry_next_offset(family, entry);
	if (next_offset > room)
		return message_error(message, EINVAL, "%zu bytes long, but only %zu are left",
				     next_offset, room);
	if (!is_aligned(next_offset))
		return message_error(message, EINVAL, "%zu bytes are not a multiple of %zu",
				     next_offset, (size_t)ALIGNMENT);
	if (target_offset < family->entry_size || target_offset > next_offset ||
	    !is_aligned(target_offset))
		return message_error(message, EINVAL, "a target at byte %zu of %zu", target_offset,
				     next_offset);

	r = check_target(entry, target_offset, next_offset, message);
	if (r < 0)
		return r;
	return check_matches(entry + family->entry_size, target_offset - family->entry_size,
			     message);
}

/* The kernel's check_entry_size_and_hooks() does the same: what the caller counted is not ours. */
static void clear_counters(const struct family *family, uint8_t *entry)
{
	memset(entry + family->comefrom, 0, sizeof(unsigned int));
	memset(entry + family->counters, 0, sizeof(struct xt_counters));
}

int ruleset_index_entries(struct ruleset *ruleset, uint32_t num_entries, struct message *message)
{
	const struct family *family = family_find(ruleset->family);
	uint32_t offset = 0;
	int r;

	if (num_entries > ruleset->size / (family->entry_size + sizeof(struct xt_entry_target)))
		return message_error(message, EINVAL, "filter: %u bytes cannot hold %u entries",
				     ruleset->size, num_entries);

	ruleset->entries = calloc((size_t)num_entries + 1, sizeof(*ruleset->entries));
	if (!ruleset->entries)
		return message_error(message, ENOMEM, "filter: no memory for %u entries",
				     num_entries);

	while (offset < ruleset->size) {
		uint8_t *entry = ruleset->blob + offset;

		if (ruleset->n_entries == num_entries)
			return message_error(message, EINVAL, "filter: more than %u entries",
					     num_entries);

		r = check_entry(family, entry, ruleset->size - offset, message);
		if (r < 0) {
			message_prefix(message, "filter entry %u (byte %u)", ruleset->n_entries,
				       offset);
			return r;
		}
		clear_counters(family, entry);
		if (family->complete)
			family->complete(entry);
		ruleset->entries[ruleset->n_entries++] = (struct entry){
			.offset = offset,
			.kind = target_is_error(entry_target(family, entry)) ? ENTRY_HEAD
									     : ENTRY_RULE,
		};
		offset += entry_next_offset(family, entry);
	}
	if (ruleset->n_entries != num_entries)
		return message_error(message, EINVAL, "filter: %u entries instead of %u",
				     ruleset->n_entries, num_entries);
	return 0;
}

bool entry_is_unconditional(const struct family *family, const uint8_t *entry)
{
	static const uint8_t zeroes[256];

	return entry_target_offset(family, entry) == family->entry_size &&
	       memcmp(entry, zeroes, family->header_size) == 0;
}

bool entry_is_plain(const struct family *family, const uint8_t *entry, int verdict)
{
	const struct xt_entry_target *target = entry_target(family, entry);

	return target_is_standard(target) && target_verdict(target) == verdict &&
	       entry_is_unconditional(family, entry);
}
