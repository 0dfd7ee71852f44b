// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * -j REJECT (net/ipv4/netfilter/ipt_REJECT.c, net/ipv6/netfilter/ip6t_REJECT.c): the kernel's own
 * nf_send_unreach() and nf_send_reset() answer, called from nftables' expression of that name.
 */
#include "ruleset/extensions/extensions.h"

#include <errno.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4/ipt_REJECT.h>
#include <linux/netfilter_ipv6/ip6t_REJECT.h>

/* From linux/icmpv6.h of the kernel, which not all distributions' headers have. */
#define CODE_POLICY_FAIL  5
#define CODE_REJECT_ROUTE 6

/* A number that no --reject-with has: dropped, and not answered. */
#define SILENT 0xff

static int refuse_echo(struct message *message)
{
	return message_error(message, EINVAL, "--reject-with echo-reply does not exist any more");
}

static int check_reset(const struct rule_context *context, struct message *message)
{
	if (context->protocol != IPPROTO_TCP || context->protocol_inverted)
		return message_error(message, EINVAL,
				     "--reject-with tcp-reset is for rules with -p tcp only");
	return 0;
}

static int check_ipv4(const struct rule_context *context, const void *payload,
		      struct message *message)
{
	const struct ipt_reject_info *info = payload;

	if (info->with == IPT_ICMP_ECHOREPLY)
		return refuse_echo(message);
	return info->with == IPT_TCP_RESET ? check_reset(context, message) : 0;
}

static int check_ipv6(const struct rule_context *context, const void *payload,
		      struct message *message)
{
	const struct ip6t_reject_info *info = payload;

	if (info->with == IP6T_ICMP6_ECHOREPLY)
		return refuse_echo(message);
	return info->with == IP6T_TCP_RESET ? check_reset(context, message) : 0;
}

static void reject_with(uint32_t with, uint32_t reset, const uint8_t *codes, size_t n_codes,
			struct rejection *ret_rejection)
{
	*ret_rejection = (struct rejection){.type = NFT_REJECT_ICMP_UNREACH};
	if (with == reset)
		ret_rejection->type = NFT_REJECT_TCP_RST;
	else if (with < n_codes && codes[with] != SILENT)
		ret_rejection->icmp_code = codes[with];
	else
		ret_rejection->silent = true;
}

static void reject_ipv4(const struct rule_context *context, const void *payload,
			struct rejection *ret_rejection)
{
	static const uint8_t codes[] = {
		[IPT_ICMP_NET_UNREACHABLE] = ICMP_NET_UNREACH,
		[IPT_ICMP_HOST_UNREACHABLE] = ICMP_HOST_UNREACH,
		[IPT_ICMP_PROT_UNREACHABLE] = ICMP_PROT_UNREACH,
		[IPT_ICMP_PORT_UNREACHABLE] = ICMP_PORT_UNREACH,
		[IPT_ICMP_ECHOREPLY] = SILENT,
		[IPT_ICMP_NET_PROHIBITED] = ICMP_NET_ANO,
		[IPT_ICMP_HOST_PROHIBITED] = ICMP_HOST_ANO,
		[IPT_TCP_RESET] = SILENT,
		[IPT_ICMP_ADMIN_PROHIBITED] = ICMP_PKT_FILTERED,
	};
	const struct ipt_reject_info *info = payload;

	(void)context;
	reject_with(info->with, IPT_TCP_RESET, codes, sizeof(codes), ret_rejection);
}

static void reject_ipv6(const struct rule_context *context, const void *payload,
			struct rejection *ret_rejection)
{
	static const uint8_t codes[] = {
		[IP6T_ICMP6_NO_ROUTE] = ICMPV6_NOROUTE,
		[IP6T_ICMP6_ADM_PROHIBITED] = ICMPV6_ADM_PROHIBITED,
		[IP6T_ICMP6_NOT_NEIGHBOUR] = ICMPV6_NOT_NEIGHBOUR,
		[IP6T_ICMP6_ADDR_UNREACH] = ICMPV6_ADDR_UNREACH,
		[IP6T_ICMP6_PORT_UNREACH] = ICMPV6_PORT_UNREACH,
		[IP6T_ICMP6_ECHOREPLY] = SILENT,
		[IP6T_TCP_RESET] = SILENT,
		[IP6T_ICMP6_POLICY_FAIL] = CODE_POLICY_FAIL,
		[IP6T_ICMP6_REJECT_ROUTE] = CODE_REJECT_ROUTE,
	};
	const struct ip6t_reject_info *info = payload;

	(void)context;
	reject_with(info->with, IP6T_TCP_RESET, codes, sizeof(codes), ret_rejection);
}

const struct extension extension_reject = {
	.kind = EXTENSION_TARGET,
	.name = "REJECT",
	.families = FAMILY_BIT(NFPROTO_IPV4),
	.size = sizeof(struct ipt_reject_info),
	.delegation = DELEGATION_ENDS,
	.check = check_ipv4,
	.reject = reject_ipv4,
};

const struct extension extension_reject6 = {
	.kind = EXTENSION_TARGET,
	.name = "REJECT",
	.families = FAMILY_BIT(NFPROTO_IPV6),
	.size = sizeof(struct ip6t_reject_info),
	.delegation = DELEGATION_ENDS,
	.check = check_ipv6,
	.reject = reject_ipv6,
};
