// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * -p icmp -m icmp, -p icmpv6 -m icmp6 (net/netfilter/xt_tcpudp.c icmp_match(), icmp6_match()): a
 * type and a range of codes.
 */
#include "ruleset/extensions/extensions.h"

#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <netinet/in.h>

/* Only in IPv4; IPv6 has no such type. */
#define TYPE_ANY 0xFF

_Static_assert(sizeof(struct ipt_icmp) == sizeof(struct ip6t_icmp) && IPT_ICMP_INV == IP6T_ICMP_INV,
	       "one structure for both families");

static int check(const struct rule_context *context, const void *payload, struct message *message)
{
	const struct ipt_icmp *icmp = payload;

	(void)context;
	return extension_check_inversion(icmp->invflags, IPT_ICMP_INV, message);
}

static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	const struct ipt_icmp *icmp = payload;
	struct value first = VALUE((unsigned int)icmp->type << 8 | icmp->code[0]);
	struct value last = VALUE((unsigned int)icmp->type << 8 | icmp->code[1]);

	if (icmp->type == TYPE_ANY && context->family == NFPROTO_IPV4) {
		first = VALUE(0);
		last = field_maximum(context->family, FIELD_ICMP);
	}
	predicate_require_shapes(predicate, SHAPES_ALL & ~SHAPES_FRAGMENT);
	predicate_hotdrop(predicate, SHAPE_BIT(SHAPE_4_BYTES) | SHAPE_BIT(SHAPE_TINY));
	predicate_require(predicate, FIELD_ICMP, first, last, icmp->invflags & IPT_ICMP_INV);
}

const struct extension extension_icmp = {
	.kind = EXTENSION_MATCH,
	.name = "icmp",
	.families = FAMILY_BIT(NFPROTO_IPV4),
	.size = sizeof(struct ipt_icmp),
	.protocol = IPPROTO_ICMP,
	.check = check,
	.compile = compile,
};

const struct extension extension_icmp6 = {
	.kind = EXTENSION_MATCH,
	.name = "icmp6",
	.families = FAMILY_BIT(NFPROTO_IPV6),
	.size = sizeof(struct ip6t_icmp),
	.protocol = IPPROTO_ICMPV6,
	.check = check,
	.compile = compile,
};
