// SPDX-License-Identifier: GPL-2.0-or-later
/* -m policy (net/netfilter/xt_policy.c): the transformations of IPsec that a packet goes through.
 */
#include "ruleset/extensions/extensions.h"

#include <errno.h>
#include <linux/netfilter/xt_policy.h>
#include <string.h>

_Static_assert(RESIDUAL_POLICY_IN == (int)XT_POLICY_MATCH_IN &&
		       RESIDUAL_POLICY_NONE == (int)XT_POLICY_MATCH_NONE &&
		       RESIDUAL_POLICY_STRICT == (int)XT_POLICY_MATCH_STRICT,
	       "the same flags");
_Static_assert(RESIDUAL_POLICY_ELEMENTS == XT_POLICY_MAX_ELEM, "as many elements");

static int check(const struct rule_context *context, const void *payload, struct message *message)
{
	const struct xt_policy_info *info = payload;

	if (!(info->flags & (XT_POLICY_MATCH_IN | XT_POLICY_MATCH_OUT)))
		return message_error(message, EINVAL, "neither --dir in nor --dir out");
	if (info->flags & XT_POLICY_MATCH_OUT && context->hooks & HOOK_BIT(NF_INET_LOCAL_IN))
		return message_error(message, EINVAL,
				     "--dir out is not for INPUT, from which this rule is reached");
	if (info->flags & XT_POLICY_MATCH_IN && context->hooks & HOOK_BIT(NF_INET_LOCAL_OUT))
		return message_error(message, EINVAL,
				     "--dir in is not for OUTPUT, from which this rule is reached");
	if (info->len > XT_POLICY_MAX_ELEM)
		return message_error(message, EINVAL, "%u elements are more than %d", info->len,
				     XT_POLICY_MAX_ELEM);
	return 0;
}

static uint8_t conditions_of(const struct xt_policy_spec *spec)
{
	return (uint8_t)((spec->saddr ? RESIDUAL_POLICY_SOURCE : 0) |
			 (spec->daddr ? RESIDUAL_POLICY_DESTINATION : 0) |
			 (spec->proto ? RESIDUAL_POLICY_PROTOCOL : 0) |
			 (spec->mode ? RESIDUAL_POLICY_MODE : 0) |
			 (spec->spi ? RESIDUAL_POLICY_SPI : 0) |
			 (spec->reqid ? RESIDUAL_POLICY_REQID : 0));
}

/* The words of an address that the family has. */
static void copy_address(const struct rule_context *context, __be32 *to,
			 const union xt_policy_addr *from)
{
	memcpy(to, from, context->family == NFPROTO_IPV6 ? sizeof(from->a6) : sizeof(from->a4));
}

static void convert_element(const struct rule_context *context, const struct xt_policy_elem *from,
			    struct residual_policy_element *to)
{
	copy_address(context, to->source, &from->saddr);
	copy_address(context, to->source_mask, &from->smask);
	copy_address(context, to->destination, &from->daddr);
	copy_address(context, to->destination_mask, &from->dmask);
	to->spi = from->spi;
	to->reqid = from->reqid;
	to->protocol = from->proto;
	to->mode = from->mode;
	to->match = conditions_of(&from->match);
	to->invert = conditions_of(&from->invert);
}

static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	const struct xt_policy_info *info = payload;
	struct residual_policy operand = {
		.flags = info->flags &
			 (XT_POLICY_MATCH_IN | XT_POLICY_MATCH_NONE | XT_POLICY_MATCH_STRICT),
		.n_elements = info->len,
	};

	for (unsigned int i = 0; i < info->len; i++)
		convert_element(context, &info->pol[i], &operand.element[i]);
	predicate_residual(predicate, RESIDUAL_POLICY, &operand, sizeof(operand));
}

const struct extension extension_policy = {
	.kind = EXTENSION_MATCH,
	.name = "policy",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_policy_info),
	.needs_skb = true,
	.check = check,
	.compile = compile,
};
