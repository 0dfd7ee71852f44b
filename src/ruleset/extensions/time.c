// SPDX-License-Identifier: GPL-2.0-or-later
/* -m time (net/netfilter/xt_time.c): the date and the time of day. */
#include "ruleset/extensions/extensions.h"

#include <errno.h>
#include <linux/netfilter/xt_time.h>

static int check(const struct rule_context *context, const void *payload, struct message *message)
{
	const struct xt_time_info *info = payload;

	(void)context;
	if (info->daytime_start > XT_TIME_MAX_DAYTIME || info->daytime_stop > XT_TIME_MAX_DAYTIME)
		return message_error(message, EDOM, "a time of day later than 23:59:59");
	if (info->flags & ~XT_TIME_ALL_FLAGS)
		return message_error(message, EINVAL, "unknown flags 0x%x",
				     (unsigned int)(info->flags & ~XT_TIME_ALL_FLAGS));
	if (info->flags & XT_TIME_CONTIGUOUS && info->daytime_start < info->daytime_stop)
		return message_error(message, EINVAL,
				     "--contiguous is for times that reach over midnight");
	return 0;
}

static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	(void)context;
	predicate_residual(predicate, RESIDUAL_TIME, payload, sizeof(struct xt_time_info));
}

const struct extension extension_time = {
	.kind = EXTENSION_MATCH,
	.name = "time",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_time_info),
	.clock = true,
	.check = check,
	.compile = compile,
};
