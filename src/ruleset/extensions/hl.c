// SPDX-License-Identifier: GPL-2.0-or-later
/* -m ttl and -m hl (net/netfilter/xt_hl.c): time to live and hop limit, compared with a number. */
#include "ruleset/extensions/extensions.h"

#include <errno.h>
#include <linux/netfilter_ipv4/ipt_ttl.h>
#include <linux/netfilter_ipv6/ip6t_hl.h>
#include <stddef.h>

_Static_assert(sizeof(struct ipt_ttl_info) == sizeof(struct ip6t_hl_info) &&
		       offsetof(struct ipt_ttl_info, ttl) ==
			       offsetof(struct ip6t_hl_info, hop_limit),
	       "one structure for both families");
_Static_assert(IPT_TTL_EQ == (int)IP6T_HL_EQ && IPT_TTL_NE == (int)IP6T_HL_NE &&
		       IPT_TTL_LT == (int)IP6T_HL_LT && IPT_TTL_GT == (int)IP6T_HL_GT,
	       "one set of modes for both families");

static int check(const struct rule_context *context, const void *payload, struct message *message)
{
	const struct ip6t_hl_info *info = payload;

	(void)context;
	if (info->mode > IP6T_HL_GT)
		return message_error(message, EINVAL, "unknown mode %u", info->mode);
	return 0;
}

/* Less than a number is what is not from it on: so is nothing less than 0. */
static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	const struct ip6t_hl_info *info = payload;
	struct value limit = VALUE(info->hop_limit);
	struct value maximum = field_maximum(context->family, FIELD_HOP_LIMIT);

	switch (info->mode) {
	case IP6T_HL_EQ:
		predicate_require(predicate, FIELD_HOP_LIMIT, limit, limit, false);
		break;
	case IP6T_HL_NE:
		predicate_require(predicate, FIELD_HOP_LIMIT, limit, limit, true);
		break;
	case IP6T_HL_LT:
		predicate_require(predicate, FIELD_HOP_LIMIT, limit, maximum, true);
		break;
	default:
		predicate_require(predicate, FIELD_HOP_LIMIT, VALUE(0), limit, true);
		break;
	}
}

const struct extension extension_ttl = {
	.kind = EXTENSION_MATCH,
	.name = "ttl",
	.families = FAMILY_BIT(NFPROTO_IPV4),
	.size = sizeof(struct ipt_ttl_info),
	.check = check,
	.compile = compile,
};

const struct extension extension_hl = {
	.kind = EXTENSION_MATCH,
	.name = "hl",
	.families = FAMILY_BIT(NFPROTO_IPV6),
	.size = sizeof(struct ip6t_hl_info),
	.check = check,
	.compile = compile,
};
