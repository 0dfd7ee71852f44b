// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * -m hbh and -m dst (net/ipv6/netfilter/ip6t_hbh.c hbh_mt6()): the options in the hop-by-hop or in
 * the destination options header.
 */
#include "ruleset/extensions/extensions.h"

#include <errno.h>
#include <linux/netfilter_ipv6/ip6t_opts.h>

static int check(const struct rule_context *context, const void *payload, struct message *message)
{
	const struct ip6t_opts *options = payload;
	int r = extension_check_inversion(options->invflags, IP6T_OPTS_INV_MASK, message);

	(void)context;
	if (r < 0)
		return r;
	if (options->optsnr > IP6T_OPTS_OPTSNR)
		return message_error(message, EINVAL, "%u options are more than %d",
				     options->optsnr, IP6T_OPTS_OPTSNR);
	if (options->flags & IP6T_OPTS_NSTRICT)
		return message_error(message, EINVAL, "options in any order are not implemented");
	return 0;
}

static void compile_hop_by_hop(const struct rule_context *context, const void *payload,
			       struct predicate *predicate)
{
	(void)context;
	predicate_residual(predicate, RESIDUAL_IPV6_HOP_OPTIONS, payload, sizeof(struct ip6t_opts));
}

static void compile_destination(const struct rule_context *context, const void *payload,
				struct predicate *predicate)
{
	(void)context;
	predicate_residual(predicate, RESIDUAL_IPV6_DESTINATION_OPTIONS, payload,
			   sizeof(struct ip6t_opts));
}

const struct extension extension_hbh = {
	.kind = EXTENSION_MATCH,
	.name = "hbh",
	.families = FAMILY_BIT(NFPROTO_IPV6),
	.size = sizeof(struct ip6t_opts),
	.check = check,
	.compile = compile_hop_by_hop,
};

const struct extension extension_dst = {
	.kind = EXTENSION_MATCH,
	.name = "dst",
	.families = FAMILY_BIT(NFPROTO_IPV6),
	.size = sizeof(struct ip6t_opts),
	.check = check,
	.compile = compile_destination,
};
