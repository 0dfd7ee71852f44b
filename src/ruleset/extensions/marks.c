// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Numbers that others give to a packet, its connection or its route: -m mark
 * (net/netfilter/xt_mark.c), -m connmark (xt_connmark.c) and -m realm (xt_realm.c).
 */
#include "ruleset/extensions/extensions.h"

#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_realm.h>

/* (value & mask) == number */
static void compare(struct predicate *predicate, enum residual_kind kind, uint32_t number,
		    uint32_t mask, bool invert)
{
	const struct residual_masked operand = {
		.number = number,
		.mask = mask,
		.invert = invert,
	};

	predicate_residual(predicate, kind, &operand, sizeof(operand));
}

static void compile_mark(const struct rule_context *context, const void *payload,
			 struct predicate *predicate)
{
	const struct xt_mark_mtinfo1 *info = payload;

	(void)context;
	compare(predicate, RESIDUAL_MARK, info->mark, info->mask, info->invert);
}

static void compile_connmark(const struct rule_context *context, const void *payload,
			     struct predicate *predicate)
{
	const struct xt_connmark_mtinfo1 *info = payload;

	(void)context;
	compare(predicate, RESIDUAL_CONNMARK, info->mark, info->mask, info->invert);
}

static void compile_realm(const struct rule_context *context, const void *payload,
			  struct predicate *predicate)
{
	const struct xt_realm_info *info = payload;

	(void)context;
	compare(predicate, RESIDUAL_REALM, info->id, info->mask, info->invert);
}

const struct extension extension_mark = {
	.kind = EXTENSION_MATCH,
	.name = "mark",
	.revision = 1,
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_mark_mtinfo1),
	.needs_skb = true,
	.observes = SUBJECT_BIT(SUBJECT_MARK),
	.compile = compile_mark,
};

const struct extension extension_connmark = {
	.kind = EXTENSION_MATCH,
	.name = "connmark",
	.revision = 1,
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_connmark_mtinfo1),
	.conntrack = true,
	.needs_skb = true,
	.observes = SUBJECT_BIT(SUBJECT_CONNECTION_MARK),
	.compile = compile_connmark,
};

const struct extension extension_realm = {
	.kind = EXTENSION_MATCH,
	.name = "realm",
	.families = FAMILY_BIT(NFPROTO_IPV4),
	.size = sizeof(struct xt_realm_info),
	.needs_skb = true,
	.compile = compile_realm,
};
