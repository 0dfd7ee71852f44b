// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the kernel keeps about connections besides their state: -m connbytes
 * (net/netfilter/xt_connbytes.c), -m connlabel (xt_connlabel.c) and -m helper (xt_helper.c).
 */
#include "ruleset/extensions/extensions.h"

#include <errno.h>
#include <linux/netfilter/xt_connbytes.h>
#include <linux/netfilter/xt_connlabel.h>
#include <linux/netfilter/xt_helper.h>

static int check_bytes(const struct rule_context *context, const void *payload,
		       struct message *message)
{
	const struct xt_connbytes_info *info = payload;

	(void)context;
	if (info->what > XT_CONNBYTES_AVGPKT)
		return message_error(message, EINVAL, "unknown mode %u", info->what);
	if (info->direction > XT_CONNBYTES_DIR_BOTH)
		return message_error(message, EINVAL, "unknown direction %u", info->direction);
	return 0;
}

static void compile_bytes(const struct rule_context *context, const void *payload,
			  struct predicate *predicate)
{
	(void)context;
	predicate_residual(predicate, RESIDUAL_CONNBYTES, payload,
			   sizeof(struct xt_connbytes_info));
}

/* include/net/netfilter/nf_conntrack_labels.h: there are so many. */
#define LABELS 128

static int check_label(const struct rule_context *context, const void *payload,
		       struct message *message)
{
	const struct xt_connlabel_mtinfo *info = payload;
	unsigned int unknown = info->options & ~(XT_CONNLABEL_OP_INVERT | XT_CONNLABEL_OP_SET);

	(void)context;
	if (unknown)
		return message_error(message, EINVAL, "unknown options 0x%x", unknown);
	if (info->bit >= LABELS)
		return message_error(message, ERANGE, "label %u is above %d", info->bit,
				     LABELS - 1);
	if (info->options & XT_CONNLABEL_OP_SET)
		return message_error(message, EOPNOTSUPP,
				     "--set is not supported: an eBPF program cannot set labels; "
				     "a rule in table mangle can");
	return 0;
}

static void compile_label(const struct rule_context *context, const void *payload,
			  struct predicate *predicate)
{
	(void)context;
	predicate_residual(predicate, RESIDUAL_CONNLABEL, payload,
			   sizeof(struct xt_connlabel_mtinfo));
}

/* The kernel ends the name itself. */
static void compile_helper(const struct rule_context *context, const void *payload,
			   struct predicate *predicate)
{
	struct xt_helper_info info = *(const struct xt_helper_info *)payload;

	(void)context;
	info.name[sizeof(info.name) - 1] = '\0';
	predicate_residual(predicate, RESIDUAL_HELPER, &info, sizeof(info));
}

const struct extension extension_connbytes = {
	.kind = EXTENSION_MATCH,
	.name = "connbytes",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_connbytes_info),
	.conntrack = true,
	.services = SERVICE_ACCOUNTING,
	.needs_skb = true,
	.check = check_bytes,
	.compile = compile_bytes,
};

const struct extension extension_connlabel = {
	.kind = EXTENSION_MATCH,
	.name = "connlabel",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_connlabel_mtinfo),
	.conntrack = true,
	.services = SERVICE_LABELS,
	.needs_skb = true,
	.check = check_label,
	.compile = compile_label,
};

const struct extension extension_helper = {
	.kind = EXTENSION_MATCH,
	.name = "helper",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_helper_info),
	.conntrack = true,
	.needs_skb = true,
	.compile = compile_helper,
};
