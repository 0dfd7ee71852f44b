// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * -m eui64 (net/ipv6/netfilter/ip6t_eui64.c eui64_mt6()): the source address ends in what the
 * frame's source address makes of it.
 */
#include "ruleset/extensions/extensions.h"

static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	(void)context;
	(void)payload;
	predicate_residual(predicate, RESIDUAL_IPV6_EUI64, NULL, 0);
}

const struct extension extension_eui64 = {
	.kind = EXTENSION_MATCH,
	.name = "eui64",
	.families = FAMILY_BIT(NFPROTO_IPV6),
	.size = sizeof(int), /* of which nobody reads anything */
	.hooks = HOOK_BIT(NF_INET_PRE_ROUTING) | HOOK_BIT(NF_INET_LOCAL_IN) |
		 HOOK_BIT(NF_INET_FORWARD),
	.compile = compile,
};
