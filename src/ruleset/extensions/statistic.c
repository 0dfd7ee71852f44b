// SPDX-License-Identifier: GPL-2.0-or-later
/* -m statistic (net/netfilter/xt_statistic.c): some packets at random, or every so many of a rule.
 */
#include "ruleset/extensions/extensions.h"

#include "abi/match_state.h"

#include <errno.h>
#include <linux/netfilter/xt_statistic.h>

static int check(const struct rule_context *context, const void *payload, struct message *message)
{
	const struct xt_statistic_info *info = payload;
	unsigned int unknown = info->flags & ~(unsigned int)XT_STATISTIC_MASK;

	(void)context;
	if (info->mode > XT_STATISTIC_MODE_MAX)
		return message_error(message, EINVAL, "unknown mode %u", info->mode);
	if (unknown)
		return message_error(message, EINVAL, "unknown flags 0x%x", unknown);
	return 0;
}

static void begin(const void *payload, uint64_t now, void *cell)
{
	const struct xt_statistic_info *info = payload;
	struct match_random *random = cell;
	struct match_nth *nth = cell;

	(void)now;
	if (info->mode == XT_STATISTIC_MODE_RANDOM) {
		random->probability = info->u.random.probability;
		random->inverted = info->flags & XT_STATISTIC_INVERT;
		return;
	}
	nth->count = info->u.nth.count;
	nth->every = info->u.nth.every;
	nth->inverted = info->flags & XT_STATISTIC_INVERT;
}

static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	const struct xt_statistic_info *info = payload;

	(void)context;
	predicate_residual(predicate,
			   info->mode == XT_STATISTIC_MODE_NTH ? RESIDUAL_NTH : RESIDUAL_RANDOM,
			   NULL, 0);
}

const struct extension extension_statistic = {
	.kind = EXTENSION_MATCH,
	.name = "statistic",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_statistic_info),
	.state = STATE_CELL,
	.check = check,
	.compile = compile,
	.begin = begin,
};
