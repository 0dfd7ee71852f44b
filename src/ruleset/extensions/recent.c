// SPDX-License-Identifier: GPL-2.0-or-later
/* -m recent (net/netfilter/xt_recent.c): a list of addresses and when they were seen. */
#include "ruleset/extensions/extensions.h"
#include "ruleset/extensions/file_name.h"

#include "common/tick_rate.h"

#include <errno.h>
#include <linux/netfilter/xt_recent.h>

#define COMMANDS   (XT_RECENT_SET | XT_RECENT_REMOVE | XT_RECENT_CHECK | XT_RECENT_UPDATE)
#define MAX_STAMPS 65536u /* XT_RECENT_MAX_NSTAMPS */

_Static_assert(RECENT_CHECK == (int)XT_RECENT_CHECK && RECENT_SET == (int)XT_RECENT_SET &&
		       RECENT_UPDATE == (int)XT_RECENT_UPDATE &&
		       RECENT_REMOVE == (int)XT_RECENT_REMOVE && RECENT_TTL == (int)XT_RECENT_TTL &&
		       RECENT_REAP == (int)XT_RECENT_REAP,
	       "the kernel's numbers");

static int check_options(const struct xt_recent_mtinfo_v1 *info, struct message *message)
{
	bool looks = info->check_set & (XT_RECENT_CHECK | XT_RECENT_UPDATE);

	if (info->check_set & ~XT_RECENT_VALID_FLAGS)
		return message_error(message, EINVAL, "unknown flags 0x%x", info->check_set);
	if (__builtin_popcount(info->check_set & COMMANDS) != 1)
		return message_error(message, EINVAL,
				     "one of --set, --rcheck, --update and --remove is needed");
	if (!looks && (info->seconds || info->hit_count || info->check_set & XT_RECENT_MODIFIERS))
		return message_error(
			message, EINVAL,
			"--seconds, --hitcount, --reap and --rttl go with --rcheck and "
			"--update only");
	if (info->check_set & XT_RECENT_REAP && !info->seconds)
		return message_error(message, EINVAL, "--reap needs --seconds");
	if (info->hit_count >= MAX_STAMPS)
		return message_error(message, EINVAL, "--hitcount %u is above %u", info->hit_count,
				     MAX_STAMPS - 1);
	return 0;
}

static int check(const struct rule_context *context, const void *payload, struct message *message)
{
	const struct xt_recent_mtinfo_v1 *info = payload;
	int r;

	(void)context;
	r = check_options(info, message);
	if (r < 0)
		return r;
	if (!tick_rate())
		return message_error(message, EOPNOTSUPP, "the kernel's tick rate is not known");
	return check_file_name(info->name, sizeof(info->name), "list", message);
}

static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	const struct xt_recent_mtinfo_v1 *info = payload;
	/* Multiplied in 32 bits, as in the kernel. */
	uint32_t ticks = info->seconds * tick_rate();
	const struct residual_recent operand = {
		.ticks = ticks,
		.hit_count = info->hit_count,
		.family = context->family,
		.actions = info->check_set,
		.flags =
			(uint8_t)((info->invert ? RESIDUAL_RECENT_INVERTED : 0) |
				  (info->side == XT_RECENT_DEST ? RESIDUAL_RECENT_DESTINATION : 0) |
				  (info->seconds ? RESIDUAL_RECENT_TIMED : 0)),
	};

	predicate_residual(predicate, RESIDUAL_RECENT, &operand, sizeof(operand));
}

const struct extension extension_recent = {
	.kind = EXTENSION_MATCH,
	.name = "recent",
	.revision = 1,
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_recent_mtinfo_v1),
	.state = STATE_RECENT,
	.check = check,
	.compile = compile,
};
