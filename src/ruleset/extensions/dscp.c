// SPDX-License-Identifier: GPL-2.0-or-later
/* -m dscp and -m tos (net/netfilter/xt_dscp.c): bits of the type of service or traffic class. */
#include "ruleset/extensions/extensions.h"

#include <errno.h>
#include <linux/netfilter/xt_dscp.h>

static int check_dscp(const struct rule_context *context, const void *payload,
		      struct message *message)
{
	const struct xt_dscp_info *info = payload;

	(void)context;
	if (info->dscp > XT_DSCP_MAX)
		return message_error(message, EDOM, "the code point %u is above %d", info->dscp,
				     XT_DSCP_MAX);
	return 0;
}

static void compile_dscp(const struct rule_context *context, const void *payload,
			 struct predicate *predicate)
{
	const struct xt_dscp_info *info = payload;
	struct residual_traffic_class operand = {
		.mask = XT_DSCP_MASK,
		.value = (uint8_t)(info->dscp << XT_DSCP_SHIFT),
		.invert = info->invert != 0,
		.is_ipv6 = context->family == NFPROTO_IPV6,
	};

	predicate_residual(predicate, RESIDUAL_TRAFFIC_CLASS, &operand, sizeof(operand));
}

static void compile_tos(const struct rule_context *context, const void *payload,
			struct predicate *predicate)
{
	const struct xt_tos_match_info *info = payload;
	struct residual_traffic_class operand = {
		.mask = info->tos_mask,
		.value = info->tos_value,
		.invert = info->invert != 0,
		.is_ipv6 = context->family == NFPROTO_IPV6,
	};

	predicate_residual(predicate, RESIDUAL_TRAFFIC_CLASS, &operand, sizeof(operand));
}

const struct extension extension_dscp = {
	.kind = EXTENSION_MATCH,
	.name = "dscp",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_dscp_info),
	.check = check_dscp,
	.compile = compile_dscp,
};

const struct extension extension_tos = {
	.kind = EXTENSION_MATCH,
	.name = "tos",
	.revision = 1,
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_tos_match_info),
	.compile = compile_tos,
};
