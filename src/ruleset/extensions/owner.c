// SPDX-License-Identifier: GPL-2.0-or-later
/* -m owner (net/netfilter/xt_owner.c): whose socket the packet comes from. */
#include "common/cleanup.h"
#include "ruleset/extensions/extensions.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/xt_owner.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

/*
 * Numbers of users mean the same to us and to the kernel: the network namespace belongs to our user
 * namespace (which is the first one, or no eBPF program could be loaded).
 */
static bool users_are_ours(void)
{
	_cleanup_close_ int network = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int users = network < 0 ? -1 : ioctl(network, NS_GET_USERNS);
	struct stat theirs, ours;

	return users >= 0 && !fstat(users, &theirs) && !stat("/proc/self/ns/user", &ours) &&
	       theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
}

/* The greatest number stands for "none" (include/linux/uidgid.h uid_valid()). */
static int check_range(uint32_t first, uint32_t last, const char *kind, struct message *message)
{
	if (first == UINT32_MAX || last == UINT32_MAX)
		return message_error(message, EINVAL, "%s %u does not exist", kind, UINT32_MAX);
	if (last < first)
		return message_error(message, EINVAL, "%ss from %u to %u are none", kind, first,
				     last);
	return 0;
}

static int check(const struct rule_context *context, const void *payload, struct message *message)
{
	const struct xt_owner_match_info *info = payload;
	int r = 0;

	(void)context;
	if (info->match & ~XT_OWNER_MASK)
		return message_error(message, EINVAL, "unknown conditions 0x%x", info->match);
	if (info->match & (XT_OWNER_UID | XT_OWNER_GID) && !users_are_ours())
		return message_error(message, EINVAL,
				     "users and groups can be asked for only where the network "
				     "namespace belongs to the daemon's user namespace");
	if (info->match & XT_OWNER_UID)
		r = check_range(info->uid_min, info->uid_max, "user", message);
	if (!r && info->match & XT_OWNER_GID)
		r = check_range(info->gid_min, info->gid_max, "group", message);
	return r;
}

static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	(void)context;
	predicate_residual(predicate, RESIDUAL_OWNER, payload, sizeof(struct xt_owner_match_info));
}

const struct extension extension_owner = {
	.kind = EXTENSION_MATCH,
	.name = "owner",
	.revision = 1,
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_owner_match_info),
	.hooks = HOOK_BIT(NF_INET_LOCAL_OUT) | HOOK_BIT(NF_INET_POST_ROUTING),
	.needs_skb = true,
	.check = check,
	.compile = compile,
};
