// SPDX-License-Identifier: GPL-2.0-or-later
/* -m ecn (net/netfilter/xt_ecn.c): congestion notification, in the IP header and in TCP's. */
#include "ruleset/extensions/extensions.h"

#include <errno.h>
#include <linux/netfilter/xt_ecn.h>

#define TCP_ECHO    0x40 /* bits of byte 13 of the TCP header */
#define TCP_REDUCED 0x80

#define OPERATIONS_TCP (XT_ECN_OP_MATCH_ECE | XT_ECN_OP_MATCH_CWR)

/* ecn_mt_check4(), ecn_mt_check6() */
static int check(const struct rule_context *context, const void *payload, struct message *message)
{
	const struct xt_ecn_info *info = payload;
	unsigned int unknown = (info->operation | info->invert) & XT_ECN_OP_MATCH_MASK;

	if (unknown)
		return message_error(message, EINVAL, "unknown operations 0x%x", unknown);
	if (info->operation & OPERATIONS_TCP &&
	    (context->protocol != IPPROTO_TCP || context->protocol_inverted))
		return message_error(message, EINVAL, "TCP's bits need -p tcp");
	return 0;
}

static void compile_ip(const struct rule_context *context, const struct xt_ecn_info *info,
		       struct predicate *predicate)
{
	struct residual_traffic_class operand = {
		.mask = (uint8_t)XT_ECN_IP_MASK,
		.value = info->ip_ect,
		.invert = !!(info->invert & XT_ECN_OP_MATCH_IP),
		.is_ipv6 = context->family == NFPROTO_IPV6,
	};

	predicate_residual(predicate, RESIDUAL_TRAFFIC_CLASS, &operand, sizeof(operand));
}

/* match_tcp(), which does not ask whether the packet is a fragment: so no field does. */
static void compile_tcp(const struct xt_ecn_info *info, struct predicate *predicate)
{
	struct residual_tcp_bits operand = {0};

	if (info->operation & XT_ECN_OP_MATCH_ECE)
		operand.mask |= TCP_ECHO;
	if (info->operation & XT_ECN_OP_MATCH_CWR)
		operand.mask |= TCP_REDUCED;
	operand.value = operand.mask;
	if (info->invert & XT_ECN_OP_MATCH_ECE)
		operand.value &= (uint8_t)~TCP_ECHO;
	if (info->invert & XT_ECN_OP_MATCH_CWR)
		operand.value &= (uint8_t)~TCP_REDUCED;
	predicate_residual(predicate, RESIDUAL_TCP_BITS, &operand, sizeof(operand));
}

static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	const struct xt_ecn_info *info = payload;

	if (info->operation & XT_ECN_OP_MATCH_IP)
		compile_ip(context, info, predicate);
	if (info->operation & OPERATIONS_TCP)
		compile_tcp(info, predicate);
}

const struct extension extension_ecn = {
	.kind = EXTENSION_MATCH,
	.name = "ecn",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_ecn_info),
	.check = check,
	.compile = compile,
};
