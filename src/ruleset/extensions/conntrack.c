// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * -m conntrack, and -m state of today's iptables (net/netfilter/xt_conntrack.c conntrack_mt()).
 * State and direction are a field; what has to be read from the connection is a residual predicate.
 */
#include "ruleset/extensions/extensions.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/xt_conntrack.h>
#include <string.h>

/* The three revisions share everything up to their masks. */
#define SAME_PLACE(member)                                                              \
	_Static_assert(offsetof(struct xt_conntrack_mtinfo1, member) ==                 \
				       offsetof(struct xt_conntrack_mtinfo3, member) && \
			       offsetof(struct xt_conntrack_mtinfo2, member) ==         \
				       offsetof(struct xt_conntrack_mtinfo3, member),   \
		       #member)
SAME_PLACE(repldst_mask);
SAME_PLACE(expires_max);
SAME_PLACE(l4proto);
SAME_PLACE(repldst_port);
SAME_PLACE(invert_flags);

static const struct {
	uint16_t match_flag;
	uint16_t residual_flag;
} residual_flags[] = {
	{XT_CONNTRACK_PROTO, RESIDUAL_CT_PROTOCOL},
	{XT_CONNTRACK_ORIGSRC, RESIDUAL_CT_ORIGINAL_SOURCE},
	{XT_CONNTRACK_ORIGDST, RESIDUAL_CT_ORIGINAL_DESTINATION},
	{XT_CONNTRACK_REPLSRC, RESIDUAL_CT_REPLY_SOURCE},
	{XT_CONNTRACK_REPLDST, RESIDUAL_CT_REPLY_DESTINATION},
	{XT_CONNTRACK_STATUS, RESIDUAL_CT_STATUS},
	{XT_CONNTRACK_EXPIRES, RESIDUAL_CT_EXPIRES},
	{XT_CONNTRACK_ORIGSRC_PORT, RESIDUAL_CT_ORIGINAL_SOURCE_PORT},
	{XT_CONNTRACK_ORIGDST_PORT, RESIDUAL_CT_ORIGINAL_DESTINATION_PORT},
	{XT_CONNTRACK_REPLSRC_PORT, RESIDUAL_CT_REPLY_SOURCE_PORT},
	{XT_CONNTRACK_REPLDST_PORT, RESIDUAL_CT_REPLY_DESTINATION_PORT},
};

static uint16_t residual_flags_of(uint16_t match_flags)
{
	uint16_t flags = 0;

	for (size_t i = 0; i < sizeof(residual_flags) / sizeof(residual_flags[0]); i++) {
		if (match_flags & residual_flags[i].match_flag)
			flags |= residual_flags[i].residual_flag;
	}
	return flags;
}

static bool has_connection(uint32_t value)
{
	return value & CONNTRACK_CONNECTION_MASK;
}

static unsigned int state_bits(uint32_t value)
{
	unsigned int bits;

	if (!has_connection(value))
		return conntrack_state(value) == CONNTRACK_UNTRACKED ? XT_CONNTRACK_STATE_UNTRACKED
								     : XT_CONNTRACK_STATE_INVALID;

	switch (conntrack_state(value)) {
	case CONNTRACK_ESTABLISHED:
		bits = XT_CONNTRACK_STATE_BIT(IP_CT_ESTABLISHED);
		break;
	case CONNTRACK_RELATED:
		bits = XT_CONNTRACK_STATE_BIT(IP_CT_RELATED);
		break;
	default:
		bits = XT_CONNTRACK_STATE_BIT(IP_CT_NEW);
		break;
	}
	if (value & CONNTRACK_SNAT)
		bits |= XT_CONNTRACK_STATE_SNAT;
	if (value & CONNTRACK_DNAT)
		bits |= XT_CONNTRACK_STATE_DNAT;
	return bits;
}

static bool is_accepted(uint32_t value, const void *payload)
{
	const struct xt_conntrack_mtinfo3 *info = payload;
	bool original = !(value & CONNTRACK_REPLY);

	if (info->match_flags & XT_CONNTRACK_STATE &&
	    !!(info->state_mask & state_bits(value)) == !!(info->invert_flags & XT_CONNTRACK_STATE))
		return false;

	/* Without a connection nothing but the state counts, and no state is no match. */
	if (!has_connection(value))
		return info->match_flags & XT_CONNTRACK_STATE;

	if (info->match_flags & XT_CONNTRACK_DIRECTION &&
	    original == !!(info->invert_flags & XT_CONNTRACK_DIRECTION))
		return false;
	return true;
}

/* The words of an address that the family has; for IPv4 the kernel looks at the first alone. */
static void copy_address(const struct rule_context *context, __be32 *to,
			 const union nf_inet_addr *from)
{
	size_t n_words = context->family == NFPROTO_IPV6 ? 4 : 1;

	memcpy(to, from->all, n_words * sizeof(*to));
}

static void compile_connection(const struct rule_context *context,
			       const struct xt_conntrack_mtinfo3 *info, struct predicate *predicate)
{
	const struct {
		const union nf_inet_addr *address;
		const union nf_inet_addr *mask;
		uint16_t port_first;
		uint16_t port_last;
	} tuple[RESIDUAL_CT_TUPLES] = {
		[RESIDUAL_CT_TUPLE_ORIGINAL_SOURCE] = {&info->origsrc_addr, &info->origsrc_mask,
						       info->origsrc_port, info->origsrc_port_high},
		[RESIDUAL_CT_TUPLE_ORIGINAL_DESTINATION] = {&info->origdst_addr,
							    &info->origdst_mask, info->origdst_port,
							    info->origdst_port_high},
		[RESIDUAL_CT_TUPLE_REPLY_SOURCE] = {&info->replsrc_addr, &info->replsrc_mask,
						    info->replsrc_port, info->replsrc_port_high},
		[RESIDUAL_CT_TUPLE_REPLY_DESTINATION] = {&info->repldst_addr, &info->repldst_mask,
							 info->repldst_port,
							 info->repldst_port_high},
	};
	struct residual_conntrack operand = {
		.flags = residual_flags_of(info->match_flags),
		.inverted = residual_flags_of(info->match_flags & info->invert_flags),
		.protocol = info->l4proto,
		.status = info->status_mask,
		.expires_minimum = info->expires_min,
		.expires_maximum = info->expires_max,
	};

	if (!operand.flags)
		return;

	for (size_t i = 0; i < RESIDUAL_CT_TUPLES; i++) {
		copy_address(context, operand.tuple[i].address, tuple[i].address);
		copy_address(context, operand.tuple[i].mask, tuple[i].mask);
		operand.tuple[i].port_first = tuple[i].port_first;
		operand.tuple[i].port_last = tuple[i].port_last;
	}
	predicate_residual(predicate, RESIDUAL_CONNTRACK, &operand, sizeof(operand));
}

static void compile_3(const struct rule_context *context, const void *payload,
		      struct predicate *predicate)
{
	predicate_require_values(predicate, FIELD_CONNTRACK, is_accepted, payload);
	compile_connection(context, payload, predicate);
}

/* Revisions 1 and 2 have single ports, and those in network byte order. */
static void convert_ports(struct xt_conntrack_mtinfo3 *info)
{
	info->origsrc_port = info->origsrc_port_high = ntohs(info->origsrc_port);
	info->origdst_port = info->origdst_port_high = ntohs(info->origdst_port);
	info->replsrc_port = info->replsrc_port_high = ntohs(info->replsrc_port);
	info->repldst_port = info->repldst_port_high = ntohs(info->repldst_port);
}

static void compile_2(const struct rule_context *context, const void *payload,
		      struct predicate *predicate)
{
	struct xt_conntrack_mtinfo3 info = {0};

	memcpy(&info, payload, sizeof(struct xt_conntrack_mtinfo2));
	convert_ports(&info);
	compile_3(context, &info, predicate);
}

static void compile_1(const struct rule_context *context, const void *payload,
		      struct predicate *predicate)
{
	const struct xt_conntrack_mtinfo1 *old = payload;
	struct xt_conntrack_mtinfo3 info = {0};

	memcpy(&info, payload, offsetof(struct xt_conntrack_mtinfo1, state_mask));
	info.state_mask = old->state_mask;
	info.status_mask = old->status_mask;
	convert_ports(&info);
	compile_3(context, &info, predicate);
}

const struct extension extension_conntrack_1 = {
	.kind = EXTENSION_MATCH,
	.name = "conntrack",
	.revision = 1,
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_conntrack_mtinfo1),
	.conntrack = true,
	.compile = compile_1,
};

const struct extension extension_conntrack_2 = {
	.kind = EXTENSION_MATCH,
	.name = "conntrack",
	.revision = 2,
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_conntrack_mtinfo2),
	.conntrack = true,
	.compile = compile_2,
};

const struct extension extension_conntrack_3 = {
	.kind = EXTENSION_MATCH,
	.name = "conntrack",
	.revision = 3,
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_conntrack_mtinfo3),
	.conntrack = true,
	.compile = compile_3,
};
