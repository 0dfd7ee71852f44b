// SPDX-License-Identifier: GPL-2.0-or-later
/* -m quota (net/netfilter/xt_quota.c): so many bytes, for each rule. */
#include "ruleset/extensions/extensions.h"

#include "abi/match_state.h"

#include <errno.h>
#include <linux/netfilter/xt_quota.h>

static int check(const struct rule_context *context, const void *payload, struct message *message)
{
	const struct xt_quota_info *info = payload;
	unsigned int unknown = info->flags & ~(unsigned int)XT_QUOTA_MASK;

	(void)context;
	if (unknown)
		return message_error(message, EINVAL, "unknown flags 0x%x", unknown);
	return 0;
}

static void begin(const void *payload, uint64_t now, void *cell)
{
	const struct xt_quota_info *info = payload;
	struct match_quota *quota = cell;

	(void)now;
	quota->left = info->quota;
	quota->inverted = info->flags & XT_QUOTA_INVERT;
}

static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	(void)context;
	(void)payload;
	predicate_residual(predicate, RESIDUAL_QUOTA, NULL, 0);
}

const struct extension extension_quota = {
	.kind = EXTENSION_MATCH,
	.name = "quota",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_quota_info),
	.state = STATE_CELL,
	.check = check,
	.compile = compile,
	.begin = begin,
};
