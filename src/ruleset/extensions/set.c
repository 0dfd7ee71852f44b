// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * -m set (net/netfilter/xt_set.c): the kernel's own match asks the kernel's own set, in front of
 * the hook. What it finds is counted in the set only if a packet gets to the match: then it asks
 * once more, behind the hook.
 */
#include "ruleset/extensions/extensions.h"

#include <errno.h>
#include <linux/netfilter/xt_set.h>

#define SKIP_COUNTERS (IPSET_FLAG_SKIP_COUNTER_UPDATE | IPSET_FLAG_SKIP_SUBCOUNTER_UPDATE)

static bool counts(const struct xt_set_info_match_v4 *info)
{
	return (info->flags & SKIP_COUNTERS) != SKIP_COUNTERS;
}

static int check(const struct rule_context *context, const void *payload, struct message *message)
{
	const struct xt_set_info_match_v4 *info = payload;

	(void)context;
	if (info->match_set.dim > IPSET_DIM_MAX)
		return message_error(message, ERANGE, "%u dimensions are more than %d",
				     info->match_set.dim, IPSET_DIM_MAX);
	/* ip_set_match_extensions() counts first, and compares then. */
	if ((info->packets.op != IPSET_COUNTER_NONE || info->bytes.op != IPSET_COUNTER_NONE) &&
	    counts(info))
		return message_error(message, EOPNOTSUPP,
				     "the counters of a set can be compared only by a rule that "
				     "does not count itself (! --update-counters "
				     "! --update-subcounters)");
	return 0;
}

/* With --return-nomatch ip_set_test() counts before it says no. */
static void observe(void *payload, enum match_effect *ret_effect, bool *ret_inverted)
{
	struct xt_set_info_match_v4 *info = payload;

	*ret_effect = !counts(info)                             ? MATCH_NO_EFFECT
		      : info->flags & IPSET_FLAG_RETURN_NOMATCH ? MATCH_EFFECT_ALWAYS
								: MATCH_EFFECT_IF_TRUE;
	*ret_inverted = info->match_set.flags & IPSET_INV_MATCH;
	info->flags |= SKIP_COUNTERS;
	info->match_set.flags &= (uint8_t)~IPSET_INV_MATCH;
}

const struct extension extension_set = {
	.kind = EXTENSION_MATCH,
	.name = "set",
	.revision = 4,
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_set_info_match_v4),
	.delegation = DELEGATION_CONDITION,
	.holds = true,
	.observes = SUBJECT_BIT(SUBJECT_SETS),
	.check = check,
	.observe = observe,
};
