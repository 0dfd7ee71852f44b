// SPDX-License-Identifier: GPL-2.0-or-later
/* -m ipv6header (net/ipv6/netfilter/ip6t_ipv6header.c): which extension headers a packet has. */
#include "ruleset/extensions/extensions.h"

#include <errno.h>
#include <linux/netfilter_ipv6/ip6t_ipv6header.h>

static int check(const struct rule_context *context, const void *payload, struct message *message)
{
	const struct ip6t_ipv6header_info *headers = payload;

	(void)context;
	if (!headers->modeflag && headers->invflags != 0 && headers->invflags != 0xFF)
		return message_error(message, EINVAL,
				     "without --soft all headers are inverted or none, not 0x%x",
				     headers->invflags);
	return 0;
}

static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	(void)context;
	predicate_residual(predicate, RESIDUAL_IPV6_HEADERS, payload,
			   sizeof(struct ip6t_ipv6header_info));
}

const struct extension extension_ipv6header = {
	.kind = EXTENSION_MATCH,
	.name = "ipv6header",
	.families = FAMILY_BIT(NFPROTO_IPV6),
	.size = sizeof(struct ip6t_ipv6header_info),
	.check = check,
	.compile = compile,
};
