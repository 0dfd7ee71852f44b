// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where a packet is: -m devgroup (net/netfilter/xt_devgroup.c), -m physdev (xt_physdev.c) and
 * -m cpu (xt_cpu.c).
 */
#include "ruleset/extensions/extensions.h"

#include <errno.h>
#include <linux/netfilter/xt_cpu.h>
#include <linux/netfilter/xt_devgroup.h>
#include <linux/netfilter/xt_physdev.h>
#include <string.h>

#define DEVGROUP_FLAGS                                                            \
	(XT_DEVGROUP_MATCH_SRC | XT_DEVGROUP_INVERT_SRC | XT_DEVGROUP_MATCH_DST | \
	 XT_DEVGROUP_INVERT_DST)

static int check_devgroup(const struct rule_context *context, const void *payload,
			  struct message *message)
{
	const struct xt_devgroup_info *info = payload;
	uint32_t unknown = info->flags & ~(uint32_t)DEVGROUP_FLAGS;

	if (unknown)
		return message_error(message, EINVAL, "unknown flags 0x%x", unknown);
	if (info->flags & XT_DEVGROUP_MATCH_SRC && context->hooks & HOOK_BIT(NF_INET_LOCAL_OUT))
		return message_error(message, EINVAL,
				     "--src-group is not for OUTPUT, from which this rule is "
				     "reached");
	if (info->flags & XT_DEVGROUP_MATCH_DST && context->hooks & HOOK_BIT(NF_INET_LOCAL_IN))
		return message_error(message, EINVAL,
				     "--dst-group is not for INPUT, from which this rule is "
				     "reached");
	return 0;
}

static void compile_devgroup(const struct rule_context *context, const void *payload,
			     struct predicate *predicate)
{
	(void)context;
	predicate_residual(predicate, RESIDUAL_DEVGROUP, payload, sizeof(struct xt_devgroup_info));
}

static int check_physdev(const struct rule_context *context, const void *payload,
			 struct message *message)
{
	const struct xt_physdev_info *info = payload;
	bool only_bridged = info->bitmask & ~info->invert & XT_PHYSDEV_OP_BRIDGED;

	if (!info->bitmask || info->bitmask & ~XT_PHYSDEV_OP_MASK)
		return message_error(message, EINVAL, "no conditions, or unknown ones: 0x%x",
				     info->bitmask);
	if (info->bitmask & (XT_PHYSDEV_OP_OUT | XT_PHYSDEV_OP_ISOUT) && !only_bridged &&
	    context->hooks & HOOK_BIT(NF_INET_LOCAL_OUT))
		return message_error(message, EINVAL,
				     "--physdev-out and --physdev-is-out are for bridged packets "
				     "in FORWARD, and OUTPUT reaches this rule");
	return 0;
}

_Static_assert(RESIDUAL_PHYSDEV_IN == (int)XT_PHYSDEV_OP_IN &&
		       RESIDUAL_PHYSDEV_OUT == (int)XT_PHYSDEV_OP_OUT &&
		       RESIDUAL_PHYSDEV_BRIDGED == (int)XT_PHYSDEV_OP_BRIDGED &&
		       RESIDUAL_PHYSDEV_IS_IN == (int)XT_PHYSDEV_OP_ISIN &&
		       RESIDUAL_PHYSDEV_IS_OUT == (int)XT_PHYSDEV_OP_ISOUT,
	       "the same options");

static void compile_physdev(const struct rule_context *context, const void *payload,
			    struct predicate *predicate)
{
	const struct xt_physdev_info *info = payload;
	struct residual_physdev operand = {.invert = info->invert, .bitmask = info->bitmask};

	(void)context;
	memcpy(operand.in, info->physindev, sizeof(operand.in));
	memcpy(operand.in_mask, info->in_mask, sizeof(operand.in_mask));
	memcpy(operand.out, info->physoutdev, sizeof(operand.out));
	memcpy(operand.out_mask, info->out_mask, sizeof(operand.out_mask));
	predicate_residual(predicate, RESIDUAL_PHYSDEV, &operand, sizeof(operand));
}

static int check_cpu(const struct rule_context *context, const void *payload,
		     struct message *message)
{
	const struct xt_cpu_info *info = payload;

	(void)context;
	if (info->invert & ~1u)
		return message_error(message, EINVAL, "the inversion is %u", info->invert);
	return 0;
}

static void compile_cpu(const struct rule_context *context, const void *payload,
			struct predicate *predicate)
{
	(void)context;
	predicate_residual(predicate, RESIDUAL_CPU, payload, sizeof(struct xt_cpu_info));
}

const struct extension extension_devgroup = {
	.kind = EXTENSION_MATCH,
	.name = "devgroup",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_devgroup_info),
	.needs_skb = true,
	.check = check_devgroup,
	.compile = compile_devgroup,
};

const struct extension extension_physdev = {
	.kind = EXTENSION_MATCH,
	.name = "physdev",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_physdev_info),
	.services = SERVICE_BRIDGES,
	.needs_skb = true,
	.check = check_physdev,
	.compile = compile_physdev,
};

const struct extension extension_cpu = {
	.kind = EXTENSION_MATCH,
	.name = "cpu",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_cpu_info),
	.needs_skb = true,
	.check = check_cpu,
	.compile = compile_cpu,
};
