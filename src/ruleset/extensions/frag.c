// SPDX-License-Identifier: GPL-2.0-or-later
/* -m frag (net/ipv6/netfilter/ip6t_frag.c frag_mt6()): what is in the fragment header. */
#include "ruleset/extensions/extensions.h"

#include <linux/netfilter_ipv6/ip6t_frag.h>

static int check(const struct rule_context *context, const void *payload, struct message *message)
{
	const struct ip6t_frag *fragment = payload;

	(void)context;
	return extension_check_inversion(fragment->invflags, IP6T_FRAG_INV_MASK, message);
}

static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	(void)context;
	predicate_residual(predicate, RESIDUAL_IPV6_FRAGMENT, payload, sizeof(struct ip6t_frag));
}

const struct extension extension_frag = {
	.kind = EXTENSION_MATCH,
	.name = "frag",
	.families = FAMILY_BIT(NFPROTO_IPV6),
	.size = sizeof(struct ip6t_frag),
	.check = check,
	.compile = compile,
};
