// SPDX-License-Identifier: GPL-2.0-or-later
/* -m mac (net/netfilter/xt_mac.c): who has sent the frame. */
#include "ruleset/extensions/extensions.h"

#include <linux/netfilter/xt_mac.h>

static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	(void)context;
	predicate_residual(predicate, RESIDUAL_MAC, payload, sizeof(struct xt_mac_info));
}

const struct extension extension_mac = {
	.kind = EXTENSION_MATCH,
	.name = "mac",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_mac_info),
	.hooks = HOOK_BIT(NF_INET_PRE_ROUTING) | HOOK_BIT(NF_INET_LOCAL_IN) |
		 HOOK_BIT(NF_INET_FORWARD),
	.compile = compile,
};
