// SPDX-License-Identifier: GPL-2.0-or-later
/* -m length (net/netfilter/xt_length.c): the length of the IP packet. */
#include "ruleset/extensions/extensions.h"

#include <linux/netfilter/xt_length.h>

static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	const struct xt_length_info *info = payload;
	struct residual_length operand = {
		.minimum = info->min,
		.maximum = info->max,
		.invert = info->invert & 1,
		.is_ipv6 = context->family == NFPROTO_IPV6,
	};

	/* The outcome is exclusive-ored with the byte, and true if that is not 0. */
	if (info->invert <= 1)
		predicate_residual(predicate, RESIDUAL_LENGTH, &operand, sizeof(operand));
}

const struct extension extension_length = {
	.kind = EXTENSION_MATCH,
	.name = "length",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_length_info),
	.compile = compile,
};
