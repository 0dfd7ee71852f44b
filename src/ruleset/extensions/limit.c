// SPDX-License-Identifier: GPL-2.0-or-later
/* -m limit (net/netfilter/xt_limit.c): a bucket of credits for each rule. */
#include "ruleset/extensions/extensions.h"

#include "abi/match_state.h"
#include "common/tick_rate.h"

#include <errno.h>
#include <linux/netfilter/xt_limit.h>

#define SECONDS_PER_DAY (60u * 60 * 24)

/*
 * CREDITS_PER_JIFFY: the greatest power of two by which a day's jiffies can be multiplied without
 * overflow.
 */
static uint32_t credits_per_tick(void)
{
	return 1u << (31 - __builtin_clz(UINT32_MAX / (tick_rate() * SECONDS_PER_DAY)));
}

/* user2credits(): overflows where that does. */
static uint32_t credits_of(uint32_t user)
{
	uint32_t credits_per_second = tick_rate() * credits_per_tick();

	if (user > UINT32_MAX / credits_per_second)
		return user / XT_LIMIT_SCALE * credits_per_second;
	return user * credits_per_second / XT_LIMIT_SCALE;
}

static int check(const struct rule_context *context, const void *payload, struct message *message)
{
	const struct xt_rateinfo *info = payload;

	(void)context;
	if (!tick_rate())
		return message_error(message, EOPNOTSUPP, "the kernel's tick rate is not known");
	if (!info->burst || credits_of(info->avg * info->burst) < credits_of(info->avg))
		return message_error(message, ERANGE, "overflow, try lower: %u/%u", info->avg,
				     info->burst);
	return 0;
}

static void begin(const void *payload, uint64_t now, void *cell)
{
	const struct xt_rateinfo *info = payload;
	struct match_limit *limit = cell;

	limit->previous = now;
	limit->credit = credits_of(info->avg * info->burst);
	limit->credit_cap = info->cost ? info->credit_cap : limit->credit;
	limit->cost = info->cost ? info->cost : credits_of(info->avg);
	limit->credits_per_tick = credits_per_tick();
}

static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	(void)context;
	(void)payload;
	predicate_residual(predicate, RESIDUAL_LIMIT, NULL, 0);
}

const struct extension extension_limit = {
	.kind = EXTENSION_MATCH,
	.name = "limit",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_rateinfo),
	.state = STATE_CELL,
	.check = check,
	.compile = compile,
	.begin = begin,
};
