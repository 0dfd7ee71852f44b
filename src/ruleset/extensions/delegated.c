// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Targets that the kernel's own code carries out behind the hook, with the payload that they have
 * in the rule (docs/delegation.md). It checks that itself; what is checked here gets a better
 * message.
 */
#include "ruleset/extensions/extensions.h"

#include <errno.h>
#include <linux/netfilter/xt_AUDIT.h>
#include <linux/netfilter/xt_CLASSIFY.h>
#include <linux/netfilter/xt_CONNMARK.h>
#include <linux/netfilter/xt_HMARK.h>
#include <linux/netfilter/xt_IDLETIMER.h>
#include <linux/netfilter/xt_LOG.h>
#include <linux/netfilter/xt_MARK.h>
#include <linux/netfilter/xt_NFLOG.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <linux/netfilter/xt_RATEEST.h>
#include <linux/netfilter/xt_TEE.h>
#include <linux/netfilter/xt_bpf.h>
#include <linux/netfilter/xt_rateest.h>
#include <linux/netfilter/xt_set.h>
#include <linux/netfilter/xt_socket.h>

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

/* A program that others have loaded can do anything, and would do it for every packet. */
static int check_bpf(const struct rule_context *context, const void *payload,
		     struct message *message)
{
	const struct xt_bpf_info_v1 *info = payload;

	(void)context;
	if (info->mode != XT_BPF_MODE_BYTECODE)
		return message_error(
			message, EOPNOTSUPP,
			"a pinned eBPF program is called for every packet here, not "
			"only for those that get to the rule, and it may have effects; "
			"--bytecode is supported");
	if (info->bpf_program_num_elem > XT_BPF_MAX_NUM_INSTR)
		return message_error(message, EINVAL, "%u instructions are more than %d",
				     info->bpf_program_num_elem, XT_BPF_MAX_NUM_INSTR);
	return 0;
}

/* xt_socket.c socket_mt_v3_check() */
static int check_socket(const struct rule_context *context, const void *payload,
			struct message *message)
{
	const struct xt_socket_mtinfo3 *info = payload;

	(void)context;
	if (info->flags & XT_SOCKET_RESTORESKMARK)
		return message_error(message, EOPNOTSUPP,
				     "--restore-skmark changes the packet for later rules");
	if (info->flags & ~XT_SOCKET_FLAGS_V3)
		return message_error(message, EINVAL, "unknown flags 0x%x", info->flags);
	return 0;
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

const struct extension extension_mark_2 = {
	.kind = EXTENSION_TARGET,
	.name = "MARK",
	.revision = 2,
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_mark_tginfo2),
	.delegation = DELEGATION_CONTINUES,
	.changes = SUBJECT_BIT(SUBJECT_MARK),
};

/* @mode as net/netfilter/xt_connmark.c has it: restoring changes the packet, all else the
 * connection. */
static uint32_t changed_by_mode(uint8_t mode)
{
	return SUBJECT_BIT(mode == XT_CONNMARK_RESTORE ? SUBJECT_MARK : SUBJECT_CONNECTION_MARK);
}

static uint32_t changed_by_connmark_1(const void *payload)
{
	return changed_by_mode(((const struct xt_connmark_tginfo1 *)payload)->mode);
}

static uint32_t changed_by_connmark_2(const void *payload)
{
	return changed_by_mode(((const struct xt_connmark_tginfo2 *)payload)->mode);
}

const struct extension extension_connmark_target_1 = {
	.kind = EXTENSION_TARGET,
	.name = "CONNMARK",
	.revision = 1,
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_connmark_tginfo1),
	.delegation = DELEGATION_CONTINUES,
	.conntrack = true,
	.changes = SUBJECT_BIT(SUBJECT_MARK) | SUBJECT_BIT(SUBJECT_CONNECTION_MARK),
	.changed = changed_by_connmark_1,
};

const struct extension extension_connmark_target_2 = {
	.kind = EXTENSION_TARGET,
	.name = "CONNMARK",
	.revision = 2,
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_connmark_tginfo2),
	.delegation = DELEGATION_CONTINUES,
	.conntrack = true,
	.changes = SUBJECT_BIT(SUBJECT_MARK) | SUBJECT_BIT(SUBJECT_CONNECTION_MARK),
	.changed = changed_by_connmark_2,
};

const struct extension extension_hmark = {
	.kind = EXTENSION_TARGET,
	.name = "HMARK",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_hmark_info),
	.delegation = DELEGATION_CONTINUES,
	.changes = SUBJECT_BIT(SUBJECT_MARK),
};

const struct extension extension_classify = {
	.kind = EXTENSION_TARGET,
	.name = "CLASSIFY",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_classify_target_info),
	.delegation = DELEGATION_CONTINUES,
	.hooks = HOOK_BIT(NF_INET_FORWARD) | HOOK_BIT(NF_INET_LOCAL_OUT),
};

const struct extension extension_idletimer_0 = {
	.kind = EXTENSION_TARGET,
	.name = "IDLETIMER",
	.families = FAMILIES_ALL,
	.size = sizeof(struct idletimer_tg_info),
	.delegation = DELEGATION_CONTINUES,
	.holds = true,
};

const struct extension extension_idletimer_1 = {
	.kind = EXTENSION_TARGET,
	.name = "IDLETIMER",
	.revision = 1,
	.families = FAMILIES_ALL,
	.size = sizeof(struct idletimer_tg_info_v1),
	.delegation = DELEGATION_CONTINUES,
	.holds = true,
};

const struct extension extension_rateest_target = {
	.kind = EXTENSION_TARGET,
	.name = "RATEEST",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_rateest_target_info),
	.delegation = DELEGATION_CONTINUES,
	.holds = true,
};

const struct extension extension_tee = {
	.kind = EXTENSION_TARGET,
	.name = "TEE",
	.revision = 1,
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_tee_tginfo),
	.delegation = DELEGATION_CONTINUES,
};

static uint32_t changed_by_set(const void *payload)
{
	const struct xt_set_info_target_v3 *info = payload;
	bool maps = info->map_set.index != IPSET_INVALID_ID &&
		    (info->flags & (uint32_t)IPSET_FLAG_MAP_SKBMARK);

	return SUBJECT_BIT(SUBJECT_SETS) | (maps ? SUBJECT_BIT(SUBJECT_MARK) : 0);
}

const struct extension extension_set_target_3 = {
	.kind = EXTENSION_TARGET,
	.name = "SET",
	.revision = 3,
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_set_info_target_v3),
	.delegation = DELEGATION_CONTINUES,
	.holds = true,
	.changes = SUBJECT_BIT(SUBJECT_MARK) | SUBJECT_BIT(SUBJECT_SETS),
	.changed = changed_by_set,
};

const struct extension extension_bpf = {
	.kind = EXTENSION_MATCH,
	.name = "bpf",
	.revision = 1,
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_bpf_info_v1),
	.delegation = DELEGATION_CONDITION,
	.observes = SUBJECT_BIT(SUBJECT_MARK),
	.check = check_bpf,
};

const struct extension extension_rateest = {
	.kind = EXTENSION_MATCH,
	.name = "rateest",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_rateest_match_info),
	.delegation = DELEGATION_CONDITION,
	.holds = true,
};

const struct extension extension_socket_3 = {
	.kind = EXTENSION_MATCH,
	.name = "socket",
	.revision = 3,
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_socket_mtinfo3),
	.delegation = DELEGATION_CONDITION,
	.holds = true,
	.hooks = HOOK_BIT(NF_INET_LOCAL_IN),
	.check = check_socket,
};
