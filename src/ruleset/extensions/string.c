// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * -m string (net/netfilter/xt_string.c): text in the packet. The tables with which the kernel
 * searches are made here, as its lib/ts_bm.c and lib/ts_kmp.c make theirs: not only what they find
 * is to be the same, but also what they overlook.
 */
#include "ruleset/extensions/extensions.h"

#include <errno.h>
#include <linux/netfilter/xt_string.h>
#include <string.h>

_Static_assert(RESIDUAL_STRING_MAX == XT_STRING_MAX_PATTERN_SIZE, "room for the pattern");

#define KNOWN_FLAGS (XT_STRING_FLAG_IGNORECASE | XT_STRING_FLAG_INVERT)

/* From linux/textsearch_fsm.h, which the kernel keeps for itself. */
struct fsm_token {
	uint16_t type;
	uint8_t recur;
	uint8_t value;
};

#define FSM_TYPE_MAX    13
#define FSM_HEAD_IGNORE 4 /* the greatest value of recur */

/* Would ts_fsm.c fsm_init() take the pattern? Hardly any text. */
static bool is_state_machine(const struct xt_string_info *info)
{
	uint32_t n = info->patlen / sizeof(struct fsm_token);

	if (info->patlen % sizeof(struct fsm_token) || info->u.v1.flags & XT_STRING_FLAG_IGNORECASE)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		struct fsm_token token;

		memcpy(&token, info->pattern + i * sizeof(token), sizeof(token));
		if (token.type > FSM_TYPE_MAX || token.recur > FSM_HEAD_IGNORE ||
		    (token.recur == FSM_HEAD_IGNORE && (i || n == 1)))
			return false;
	}
	return n > 0;
}

static int check(const struct rule_context *context, const void *payload, struct message *message)
{
	const struct xt_string_info *info = payload;

	(void)context;
	if (info->from_offset > info->to_offset)
		return message_error(message, EINVAL, "from %u to %u: the end is before the start",
				     info->from_offset, info->to_offset);
	if (info->algo[sizeof(info->algo) - 1])
		return message_error(message, EINVAL, "the name of the algorithm has no end");
	if (info->patlen > sizeof(info->pattern))
		return message_error(message, EINVAL, "a pattern of %u bytes", info->patlen);
	if (info->u.v1.flags & ~KNOWN_FLAGS)
		return message_error(message, EINVAL, "unknown flags 0x%x", info->u.v1.flags);
	if (!info->patlen)
		return message_error(message, EINVAL, "the pattern is empty");
	if (strcmp(info->algo, "fsm") == 0 && !is_state_machine(info))
		return message_error(message, EINVAL,
				     "the pattern is no program for the algorithm fsm: use bm or "
				     "kmp");
	if (strcmp(info->algo, "fsm") == 0)
		return message_error(message, EOPNOTSUPP,
				     "the algorithm fsm, which takes a program in place of a "
				     "pattern, is not supported: use bm or kmp");
	if (strcmp(info->algo, "bm") != 0 && strcmp(info->algo, "kmp") != 0)
		return message_error(message, ENOENT, "there is no algorithm \"%s\": bm or kmp",
				     info->algo);
	return 0;
}

/* toupper() and tolower() of the kernel: of Latin-1, in which two letters have no counterpart. */
static uint8_t upper(uint8_t byte)
{
	bool lower = (byte >= 'a' && byte <= 'z') || (byte >= 0xdf && byte != 0xf7);

	return lower ? byte - 0x20 : byte;
}

static uint8_t lower(uint8_t byte)
{
	bool upper = (byte >= 'A' && byte <= 'Z') || (byte >= 0xc0 && byte <= 0xde && byte != 0xd7);

	return upper ? byte + 0x20 : byte;
}

/*
 * Does what stands before @end and has @size bytes occur also before @other, @other + @size being
 * less than the length? What hangs over the pattern's start counts as equal; else the byte in front
 * has to be another one.
 */
static bool occurs_again(const uint8_t *pattern, int end, int other, int size)
{
	for (int i = size - 1; i >= 0; i--) {
		if (other + i < 0)
			return true;
		if (pattern[end + i] != pattern[other + i])
			return false;
	}
	return other <= 0 || pattern[end - 1] != pattern[other - 1];
}

/* How far to go on when @size bytes at the end have matched, and the one in front has not. */
static uint8_t good_shift(const struct residual_string *string, int size)
{
	int length = string->length;
	int suffix = length - size;

	if (!size)
		return 1;
	for (int other = suffix - 1; other > -size; other--)
		if (occurs_again(string->pattern, suffix, other, size))
			return (uint8_t)(suffix - other);
	return (uint8_t)length;
}

/* ts_bm.c compute_prefix_tbl() */
static void prepare_boyer_moore(struct residual_string *string)
{
	memset(string->bad_shift, string->length, sizeof(string->bad_shift));
	for (unsigned int i = 0; i + 1u < string->length; i++) {
		uint8_t shift = (uint8_t)(string->length - 1 - i);

		string->bad_shift[string->pattern[i]] = shift;
		if (string->flags & RESIDUAL_STRING_FOLD)
			string->bad_shift[lower(string->pattern[i])] = shift;
	}
	for (int size = 0; size < string->length; size++)
		string->shift[size] = good_shift(string, size);
}

/*
 * ts_kmp.c compute_prefix_tbl(): where to go on in the pattern when so many bytes have matched, and
 * the next has not.
 */
static void prepare_knuth_morris_pratt(struct residual_string *string)
{
	uint8_t border = 0;

	for (unsigned int i = 1; i < string->length; i++) {
		string->shift[i] = border;
		while (border && string->pattern[border] != string->pattern[i])
			border = string->shift[border];
		if (string->pattern[border] == string->pattern[i])
			border++;
	}
}

static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	const struct xt_string_info *info = payload;
	bool fold = info->u.v1.flags & XT_STRING_FLAG_IGNORECASE;
	struct residual_string operand = {
		.from = info->from_offset,
		.to = info->to_offset,
		.length = info->patlen,
	};

	(void)context;
	for (unsigned int i = 0; i < info->patlen; i++)
		operand.pattern[i] =
			fold ? upper((uint8_t)info->pattern[i]) : (uint8_t)info->pattern[i];
	if (fold)
		operand.flags |= RESIDUAL_STRING_FOLD;
	if (info->u.v1.flags & XT_STRING_FLAG_INVERT)
		operand.flags |= RESIDUAL_STRING_INVERT;
	if (info->algo[0] == 'b') {
		operand.flags |= RESIDUAL_STRING_BOYER_MOORE;
		prepare_boyer_moore(&operand);
	} else {
		prepare_knuth_morris_pratt(&operand);
	}
	predicate_residual(predicate, RESIDUAL_STRING, &operand, sizeof(operand));
}

const struct extension extension_string = {
	.kind = EXTENSION_MATCH,
	.name = "string",
	.revision = 1,
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_string_info),
	.check = check,
	.compile = compile,
};
