// SPDX-License-Identifier: GPL-2.0-or-later
/* -m rt (net/ipv6/netfilter/ip6t_rt.c rt_mt6()): what is in the routing header. */
#include "ruleset/extensions/extensions.h"

#include <errno.h>
#include <linux/netfilter_ipv6/ip6t_rt.h>

/* Only a header of type 0 has the reserved field and the addresses. */
static int check_type(const struct ip6t_rt *routing, struct message *message)
{
	if (!(routing->flags & (IP6T_RT_RES | IP6T_RT_FST_MASK)))
		return 0;
	if (!(routing->flags & IP6T_RT_TYP) || routing->rt_type != 0 ||
	    routing->invflags & IP6T_RT_INV_TYP)
		return message_error(message, EINVAL, "--rt-0-... needs --rt-type 0");
	return 0;
}

static int check(const struct rule_context *context, const void *payload, struct message *message)
{
	const struct ip6t_rt *routing = payload;
	int r = extension_check_inversion(routing->invflags, IP6T_RT_INV_MASK, message);

	(void)context;
	if (r < 0)
		return r;
	if (routing->addrnr > IP6T_RT_HOPS)
		return message_error(message, EINVAL, "%u addresses are more than %d",
				     routing->addrnr, IP6T_RT_HOPS);
	if (routing->flags & IP6T_RT_FST_MASK && !routing->addrnr)
		return message_error(message, EINVAL, "a list of addresses with none in it");
	return check_type(routing, message);
}

static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	(void)context;
	predicate_residual(predicate, RESIDUAL_IPV6_ROUTING, payload, sizeof(struct ip6t_rt));
}

const struct extension extension_rt = {
	.kind = EXTENSION_MATCH,
	.name = "rt",
	.families = FAMILY_BIT(NFPROTO_IPV6),
	.size = sizeof(struct ip6t_rt),
	.check = check,
	.compile = compile,
};
