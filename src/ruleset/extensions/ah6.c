// SPDX-License-Identifier: GPL-2.0-or-later
/* -m ah for IPv6 (net/ipv6/netfilter/ip6t_ah.c): the authentication header among the others. */
#include "ruleset/extensions/extensions.h"

#include <linux/netfilter_ipv6/ip6t_ah.h>

static int check(const struct rule_context *context, const void *payload, struct message *message)
{
	const struct ip6t_ah *info = payload;

	(void)context;
	return extension_check_inversion(info->invflags, IP6T_AH_INV_MASK, message);
}

static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	(void)context;
	predicate_residual(predicate, RESIDUAL_IPV6_AUTHENTICATION, payload,
			   sizeof(struct ip6t_ah));
}

const struct extension extension_ah6 = {
	.kind = EXTENSION_MATCH,
	.name = "ah",
	.families = FAMILY_BIT(NFPROTO_IPV6),
	.size = sizeof(struct ip6t_ah),
	.check = check,
	.compile = compile,
};
