// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * -m state, revision 0 (net/netfilter/xt_state.c state_mt()). Today's iptables sends a conntrack
 * match instead when that is there.
 */
#include "ruleset/extensions/extensions.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/xt_state.h>

static unsigned int state_bit(uint32_t value)
{
	switch (conntrack_state(value)) {
	case CONNTRACK_ESTABLISHED:
		return XT_STATE_BIT(IP_CT_ESTABLISHED);
	case CONNTRACK_RELATED:
		return XT_STATE_BIT(IP_CT_RELATED);
	case CONNTRACK_NEW:
		return XT_STATE_BIT(IP_CT_NEW);
	case CONNTRACK_UNTRACKED:
		return XT_STATE_UNTRACKED;
	default:
		return XT_STATE_INVALID;
	}
}

static bool is_accepted(uint32_t value, const void *payload)
{
	const struct xt_state_info *state = payload;

	return state->statemask & state_bit(value);
}

static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	(void)context;
	predicate_require_values(predicate, FIELD_CONNTRACK, is_accepted, payload);
}

const struct extension extension_state = {
	.kind = EXTENSION_MATCH,
	.name = "state",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_state_info),
	.conntrack = true,
	.compile = compile,
};
