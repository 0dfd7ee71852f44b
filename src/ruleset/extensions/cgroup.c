// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * -m cgroup (net/netfilter/xt_cgroup.c): the control group of the packet's socket. The kernel's own
 * match is asked: it holds on to the group that a path had when the rule was made.
 */
#include "ruleset/extensions/extensions.h"

#include <errno.h>
#include <linux/netfilter/xt_cgroup.h>
#include <string.h>

static int check_invert(uint32_t invert, struct message *message)
{
	if (invert & ~1u)
		return message_error(message, EINVAL, "the inversion is %u", invert);
	return 0;
}

static int check_0(const struct rule_context *context, const void *payload, struct message *message)
{
	const struct xt_cgroup_info_v0 *info = payload;

	(void)context;
	return check_invert(info->invert, message);
}

/* Revisions 1 and 2 begin with the same members, and then comes the path, if any. */
static int check_path(const struct xt_cgroup_info_v2 *info, const char *path, size_t size,
		      struct message *message)
{
	int r = check_invert(info->invert_path | info->invert_classid, message);

	if (r)
		return r;
	if (!info->has_path == !info->has_classid)
		return message_error(message, EINVAL, "either --path or --cgroup is needed");
	if (info->has_path && strnlen(path, size) == size)
		return message_error(message, ENAMETOOLONG, "the path has no end");
	return 0;
}

static int check_1(const struct rule_context *context, const void *payload, struct message *message)
{
	const struct xt_cgroup_info_v1 *info = payload;

	(void)context;
	return check_path(payload, info->path, sizeof(info->path), message);
}

static int check_2(const struct rule_context *context, const void *payload, struct message *message)
{
	const struct xt_cgroup_info_v2 *info = payload;

	(void)context;
	return check_path(payload, info->path, sizeof(info->path), message);
}

#define SOCKET_HOOKS \
	(HOOK_BIT(NF_INET_LOCAL_OUT) | HOOK_BIT(NF_INET_POST_ROUTING) | HOOK_BIT(NF_INET_LOCAL_IN))

const struct extension extension_cgroup_0 = {
	.kind = EXTENSION_MATCH,
	.name = "cgroup",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_cgroup_info_v0),
	.hooks = SOCKET_HOOKS,
	.delegation = DELEGATION_CONDITION,
	.check = check_0,
};

const struct extension extension_cgroup_1 = {
	.kind = EXTENSION_MATCH,
	.name = "cgroup",
	.revision = 1,
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_cgroup_info_v1),
	.hooks = SOCKET_HOOKS,
	.delegation = DELEGATION_CONDITION,
	.holds = true,
	.check = check_1,
};

const struct extension extension_cgroup_2 = {
	.kind = EXTENSION_MATCH,
	.name = "cgroup",
	.revision = 2,
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_cgroup_info_v2),
	.hooks = SOCKET_HOOKS,
	.delegation = DELEGATION_CONDITION,
	.holds = true,
	.check = check_2,
};
