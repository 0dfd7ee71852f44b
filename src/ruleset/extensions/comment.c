// SPDX-License-Identifier: GPL-2.0-or-later
/* -m comment (net/netfilter/xt_comment.c): text beside a rule, which matches everything. */
#include "ruleset/extensions/extensions.h"

#include <linux/netfilter/xt_comment.h>

const struct extension extension_comment = {
	.kind = EXTENSION_MATCH,
	.name = "comment",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_comment_info),
};
