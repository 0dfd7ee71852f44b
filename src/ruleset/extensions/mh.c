// SPDX-License-Identifier: GPL-2.0-or-later
/* -p mh -m mh (net/ipv6/netfilter/ip6t_mh.c mh_mt6()): the type of a mobility header. */
#include "ruleset/extensions/extensions.h"

#include <linux/netfilter_ipv6/ip6t_mh.h>
#include <netinet/in.h>

static int check(const struct rule_context *context, const void *payload, struct message *message)
{
	const struct ip6t_mh *mobility = payload;

	(void)context;
	return extension_check_inversion(mobility->invflags, IP6T_MH_INV_MASK, message);
}

static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	(void)context;
	predicate_residual(predicate, RESIDUAL_IPV6_MOBILITY, payload, sizeof(struct ip6t_mh));
}

const struct extension extension_mh = {
	.kind = EXTENSION_MATCH,
	.name = "mh",
	.families = FAMILY_BIT(NFPROTO_IPV6),
	.size = sizeof(struct ip6t_mh),
	.protocol = IPPROTO_MH,
	.check = check,
	.compile = compile,
};
