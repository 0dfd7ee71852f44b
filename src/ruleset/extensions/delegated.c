// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Targets that the kernel's own code carries out behind the hook, with the payload that they have
 * in the rule (docs/delegation.md). It checks that itself; what is checked here gets a better
 * message.
 */
#include "ruleset/extensions/extensions.h"

#include <errno.h>
#include <linux/netfilter/xt_AUDIT.h>
#include <linux/netfilter/xt_LOG.h>
#include <linux/netfilter/xt_NFLOG.h>
#include <linux/netfilter/xt_NFQUEUE.h>

/* xt_LOG.c log_tg_check() */
static int check_log(const struct rule_context *context, const void *payload,
		     struct message *message)
{
	const struct xt_log_info *info = payload;

	(void)context;
	if (info->level >= 8)
		return message_error(message, EINVAL, "level %u is above 7", info->level);
	if (info->prefix[sizeof(info->prefix) - 1])
		return message_error(message, EINVAL, "the prefix has no end");
	return 0;
}

/* xt_NFLOG.c nflog_tg_check() */
static int check_nflog(const struct rule_context *context, const void *payload,
		       struct message *message)
{
	const struct xt_nflog_info *info = payload;

	(void)context;
	if (info->flags & ~(uint32_t)XT_NFLOG_MASK)
		return message_error(message, EINVAL, "unknown flags 0x%x", info->flags);
	if (info->prefix[sizeof(info->prefix) - 1])
		return message_error(message, EINVAL, "the prefix has no end");
	return 0;
}

/* xt_AUDIT.c audit_tg_check() */
static int check_audit(const struct rule_context *context, const void *payload,
		       struct message *message)
{
	const struct xt_audit_info *info = payload;

	(void)context;
	if (info->type > XT_AUDIT_TYPE_MAX)
		return message_error(message, EINVAL, "unknown type %u", info->type);
	return 0;
}

/* xt_NFQUEUE.c nfqueue_tg_check() */
static int check_queues(const struct rule_context *context, const void *payload,
			struct message *message)
{
	const struct xt_NFQ_info_v3 *info = payload;

	(void)context;
	if (!info->queues_total)
		return message_error(message, EINVAL, "no queue at all");
	if ((uint32_t)info->queuenum + info->queues_total - 1 > UINT16_MAX)
		return message_error(message, EINVAL, "queues %u to %u: the last is above %u",
				     info->queuenum, info->queuenum + info->queues_total - 1,
				     UINT16_MAX);
	return 0;
}

static int check_queues_2(const struct rule_context *context, const void *payload,
			  struct message *message)
{
	const struct xt_NFQ_info_v2 *info = payload;

	if (info->bypass > 1)
		return message_error(message, EINVAL, "bypass is %u", info->bypass);
	return check_queues(context, payload, message);
}

static int check_queues_3(const struct rule_context *context, const void *payload,
			  struct message *message)
{
	const struct xt_NFQ_info_v3 *info = payload;

	if (info->flags & ~(uint32_t)NFQ_FLAG_MASK)
		return message_error(message, EINVAL, "unknown flags 0x%x", info->flags);
	return check_queues(context, payload, message);
}

const struct extension extension_log = {
	.kind = EXTENSION_TARGET,
	.name = "LOG",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_log_info),
	.delegation = DELEGATION_CONTINUES,
	.check = check_log,
};

const struct extension extension_nflog = {
	.kind = EXTENSION_TARGET,
	.name = "NFLOG",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_nflog_info),
	.delegation = DELEGATION_CONTINUES,
	.check = check_nflog,
};

const struct extension extension_audit = {
	.kind = EXTENSION_TARGET,
	.name = "AUDIT",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_audit_info),
	.delegation = DELEGATION_CONTINUES,
	.check = check_audit,
};

const struct extension extension_nfqueue_0 = {
	.kind = EXTENSION_TARGET,
	.name = "NFQUEUE",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_NFQ_info),
	.delegation = DELEGATION_ENDS,
};

const struct extension extension_nfqueue_1 = {
	.kind = EXTENSION_TARGET,
	.name = "NFQUEUE",
	.revision = 1,
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_NFQ_info_v1),
	.delegation = DELEGATION_ENDS,
	.check = check_queues,
};

const struct extension extension_nfqueue_2 = {
	.kind = EXTENSION_TARGET,
	.name = "NFQUEUE",
	.revision = 2,
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_NFQ_info_v2),
	.delegation = DELEGATION_ENDS,
	.check = check_queues_2,
};

const struct extension extension_nfqueue_3 = {
	.kind = EXTENSION_TARGET,
	.name = "NFQUEUE",
	.revision = 3,
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_NFQ_info_v3),
	.delegation = DELEGATION_ENDS,
	.check = check_queues_3,
};
