// SPDX-License-Identifier: GPL-2.0-or-later
/* -p tcp -m tcpmss (net/netfilter/xt_tcpmss.c): the value of TCP's option. */
#include "ruleset/extensions/extensions.h"

#include <linux/netfilter/xt_tcpmss.h>
#include <netinet/in.h>

static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	const struct xt_tcpmss_match_info *info = payload;
	struct residual_tcp_mss operand = {
		.minimum = info->mss_min,
		.maximum = info->mss_max,
		.invert = info->invert,
	};

	(void)context;
	predicate_residual(predicate, RESIDUAL_TCP_MSS, &operand, sizeof(operand));
}

const struct extension extension_tcpmss = {
	.kind = EXTENSION_MATCH,
	.name = "tcpmss",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_tcpmss_match_info),
	.protocol = IPPROTO_TCP,
	.compile = compile,
};
