// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * -m addrtype (net/netfilter/xt_addrtype.c): what kind of address the source or destination is. In
 * IPv4 the local routing table says that, so that it is a residual; in IPv6 the address itself
 * does, but for some types, which are left to the kernel's own match (docs/delegation.md).
 */
#include "ruleset/extensions/extensions.h"

#include <errno.h>
#include <linux/netfilter/xt_addrtype.h>

/* What only routing can tell in IPv6. */
#define ROUTED_TYPES (XT_ADDRTYPE_LOCAL | XT_ADDRTYPE_ANYCAST | XT_ADDRTYPE_UNREACHABLE)

static int check_ipv6(const struct xt_addrtype_info_v1 *info, struct message *message)
{
	unsigned int types = info->source | info->dest;

	if (types & (XT_ADDRTYPE_BROADCAST | XT_ADDRTYPE_BLACKHOLE) ||
	    types >= XT_ADDRTYPE_PROHIBIT)
		return message_error(message, EINVAL,
				     "IPv6 has no BROADCAST, BLACKHOLE, PROHIBIT, THROW, NAT and "
				     "XRESOLVE");
	return 0;
}

static int check(const struct rule_context *context, const void *payload, struct message *message)
{
	const struct xt_addrtype_info_v1 *info = payload;
	bool in = info->flags & XT_ADDRTYPE_LIMIT_IFACE_IN;
	bool out = info->flags & XT_ADDRTYPE_LIMIT_IFACE_OUT;

	if (in && out)
		return message_error(message, EINVAL,
				     "--limit-iface-in and --limit-iface-out exclude each other");
	if (out && context->hooks & HOOK_BIT(NF_INET_LOCAL_IN))
		return message_error(message, EINVAL,
				     "--limit-iface-out is not for INPUT, from which this rule is "
				     "reached");
	if (in && context->hooks & HOOK_BIT(NF_INET_LOCAL_OUT))
		return message_error(message, EINVAL,
				     "--limit-iface-in is not for OUTPUT, from which this rule is "
				     "reached");
	return context->family == NFPROTO_IPV6 ? check_ipv6(info, message) : 0;
}

/* Routing in IPv6 follows rules, too: the kernel's own match asks it. */
static bool delegates(const struct rule_context *context, const void *payload)
{
	const struct xt_addrtype_info_v1 *info = payload;

	return context->family == NFPROTO_IPV6 && (info->source | info->dest) & ROUTED_TYPES;
}

static struct interval address_range(uint64_t first_high, uint64_t first_low, uint64_t last_high,
				     uint64_t last_low)
{
	return (struct interval){{first_high, first_low}, {last_high, last_low}};
}

/* ipv6_addr_type() (net/ipv6/addrconf_core.c): an address is at most one of these. */
static void require_ipv6_type(struct predicate *predicate, enum field field, unsigned int types,
			      bool invert)
{
	const struct interval unspecified = address_range(0, 0, 0, 0);
	const struct interval multicast = address_range(0xffull << 56, 0, UINT64_MAX, UINT64_MAX);
	/* Mapped IPv4 addresses are neither. */
	const struct interval no_unicast[] = {
		unspecified,
		multicast,
		address_range(0, 0xffffull << 32, 0, 0xffffffffffffull),
	};

	if (types == XT_ADDRTYPE_UNICAST)
		predicate_require_set(predicate, field, no_unicast, 3, !invert);
	else if (types == XT_ADDRTYPE_MULTICAST)
		predicate_require_set(predicate, field, &multicast, 1, invert);
	else if (types == XT_ADDRTYPE_UNSPEC)
		predicate_require_set(predicate, field, &unspecified, 1, invert);
	else
		predicate_require_set(predicate, field, NULL, 0, invert);
}

static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	const struct xt_addrtype_info_v1 *info = payload;

	if (context->family == NFPROTO_IPV4) {
		if (info->source || info->dest)
			predicate_residual(predicate, RESIDUAL_ADDRESS_TYPE, info, sizeof(*info));
		return;
	}
	if (info->source)
		require_ipv6_type(predicate, FIELD_SOURCE, info->source,
				  info->flags & XT_ADDRTYPE_INVERT_SOURCE);
	if (info->dest)
		require_ipv6_type(predicate, FIELD_DESTINATION, info->dest,
				  info->flags & XT_ADDRTYPE_INVERT_DEST);
}

/* Of the inversions, which are numbers here, the kernel looks at the lowest bit alone. */
static void compile_0(const struct rule_context *context, const void *payload,
		      struct predicate *predicate)
{
	const struct xt_addrtype_info *old = payload;
	const struct xt_addrtype_info_v1 info = {
		.source = old->source,
		.dest = old->dest,
		.flags = (old->invert_source & 1 ? XT_ADDRTYPE_INVERT_SOURCE : 0) |
			 (old->invert_dest & 1 ? XT_ADDRTYPE_INVERT_DEST : 0),
	};

	compile(context, &info, predicate);
}

const struct extension extension_addrtype_0 = {
	.kind = EXTENSION_MATCH,
	.name = "addrtype",
	.families = FAMILY_BIT(NFPROTO_IPV4),
	.size = sizeof(struct xt_addrtype_info),
	.compile = compile_0,
};

const struct extension extension_addrtype_1 = {
	.kind = EXTENSION_MATCH,
	.name = "addrtype",
	.revision = 1,
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_addrtype_info_v1),
	.delegation = DELEGATION_CONDITION,
	.check = check,
	.compile = compile,
	.delegates = delegates,
};
