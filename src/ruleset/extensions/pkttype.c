// SPDX-License-Identifier: GPL-2.0-or-later
/* -m pkttype (net/netfilter/xt_pkttype.c): to whom the frame was sent. */
#include "ruleset/extensions/extensions.h"

#include <linux/netfilter/xt_pkttype.h>

static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	const struct xt_pkttype_info *info = payload;
	struct residual_packet_type operand = {
		.type = info->pkttype,
		.invert = (uint32_t)info->invert,
		.is_ipv6 = context->family == NFPROTO_IPV6,
	};

	predicate_residual(predicate, RESIDUAL_PACKET_TYPE, &operand, sizeof(operand));
}

const struct extension extension_pkttype = {
	.kind = EXTENSION_MATCH,
	.name = "pkttype",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_pkttype_info),
	.compile = compile,
};
