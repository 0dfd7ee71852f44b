// SPDX-License-Identifier: GPL-2.0-or-later
/* -m iprange (net/netfilter/xt_iprange.c): addresses from one to another. */
#include "ruleset/extensions/extensions.h"

#include <linux/netfilter/xt_iprange.h>

static struct value address_value(uint8_t family, const union nf_inet_addr *address)
{
	uint32_t word[4];

	if (family == NFPROTO_IPV4)
		return VALUE(ntohl(address->ip));
	for (int i = 0; i < 4; i++)
		word[i] = ntohl(address->ip6[i]);
	return (struct value){(uint64_t)word[0] << 32 | word[1], (uint64_t)word[2] << 32 | word[3]};
}

/* iprange_mt4(), iprange_mt6(). Flags that it does not know it does not look at. */
static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	const struct xt_iprange_mtinfo *info = payload;

	if (info->flags & IPRANGE_SRC)
		predicate_require(predicate, FIELD_SOURCE,
				  address_value(context->family, &info->src_min),
				  address_value(context->family, &info->src_max),
				  info->flags & IPRANGE_SRC_INV);
	if (info->flags & IPRANGE_DST)
		predicate_require(predicate, FIELD_DESTINATION,
				  address_value(context->family, &info->dst_min),
				  address_value(context->family, &info->dst_max),
				  info->flags & IPRANGE_DST_INV);
}

const struct extension extension_iprange = {
	.kind = EXTENSION_MATCH,
	.name = "iprange",
	.revision = 1,
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_iprange_mtinfo),
	.compile = compile,
};
