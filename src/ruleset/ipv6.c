// SPDX-License-Identifier: GPL-2.0-or-later
/* The IPv6 header of a rule: struct ip6t_ip6, as ip6_tables.c ip6_packet_match() reads it. */
#include "ruleset/family.h"
#include "ruleset/header.h"

#include <endian.h>
#include <string.h>

#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

_Static_assert(sizeof(struct ipt_replace) == sizeof(struct ip6t_replace), "one for both families");

static int check(const void *header, struct message *message)
{
	const struct ip6t_ip6 *ip = header;
	int r;

	r = header_check_flags(ip->flags, IP6T_F_MASK, ip->invflags, IP6T_INV_MASK, message);
	if (r < 0)
		return r;
	return header_check_interfaces(ip->iniface_mask, ip->outiface_mask, message);
}

/*
 * ip6_tables.c check_entry_size_and_hooks(), as today's kernels have it: older ones took a protocol
 * without its flag, which ip6tables never writes, for none, and let matches read at offset 0.
 */
static void complete(void *header)
{
	struct ip6t_ip6 *ip = header;

	if (ip->proto)
		ip->flags |= IP6T_F_PROTO;
}

static bool is_goto(const void *header)
{
	const struct ip6t_ip6 *ip = header;

	return ip->flags & IP6T_F_GOTO;
}

static void describe(const void *header, struct rule_context *ret_context)
{
	const struct ip6t_ip6 *ip = header;

	*ret_context = (struct rule_context){
		.family = NFPROTO_IPV6,
		.protocol = ip->proto,
		.protocol_inverted = ip->invflags & IP6T_INV_PROTO,
	};
}

static struct value address_value(const struct in6_addr *address)
{
	uint64_t words[2];

	memcpy(words, address, sizeof(words));
	return (struct value){be64toh(words[0]), be64toh(words[1])};
}

/* ipv6_masked_addr_cmp(): bits outside of the mask are not looked at, unlike those in IPv4. */
static void compile_address(struct predicate *predicate, enum field field,
			    const struct in6_addr *address, const struct in6_addr *mask,
			    bool invert)
{
	struct value value = address_value(address);
	struct value bits = address_value(mask);

	value.high &= bits.high;
	value.low &= bits.low;
	predicate_require_masked(predicate, field, value, bits, invert);
}

/*
 * The header behind the extension headers is looked for even if any will do (-p all with
 * IP6T_F_PROTO): a packet in which it cannot be found is dropped. 0 is any protocol, inverted or
 * not; a number above 255 is no packet's.
 */
static void compile_protocol(const struct ip6t_ip6 *ip, struct predicate *predicate)
{
	if (!(ip->flags & IP6T_F_PROTO))
		return;

	predicate_hotdrop(predicate, SHAPE_BIT(SHAPE_BROKEN));
	if (ip->proto)
		predicate_require(predicate, FIELD_PROTOCOL, VALUE(ip->proto), VALUE(ip->proto),
				  ip->invflags & IP6T_INV_PROTO);
}

/* IP6T_F_TOS and IP6T_INV_FRAG are known to the kernel's check, and to nothing else there. */
static void compile(const void *header, struct predicate *predicate)
{
	const struct ip6t_ip6 *ip = header;

	compile_address(predicate, FIELD_SOURCE, &ip->src, &ip->smsk,
			ip->invflags & IP6T_INV_SRCIP);
	compile_address(predicate, FIELD_DESTINATION, &ip->dst, &ip->dmsk,
			ip->invflags & IP6T_INV_DSTIP);
	header_compile_interface(predicate, FIELD_IN_INTERFACE, ip->iniface, ip->iniface_mask,
				 ip->invflags & IP6T_INV_VIA_IN);
	header_compile_interface(predicate, FIELD_OUT_INTERFACE, ip->outiface, ip->outiface_mask,
				 ip->invflags & IP6T_INV_VIA_OUT);
	compile_protocol(ip, predicate);
}

const struct family family_ipv6 = {
	.number = NFPROTO_IPV6,
	.entry_size = sizeof(struct ip6t_entry),
	.header_size = sizeof(struct ip6t_ip6),
	.target_offset = offsetof(struct ip6t_entry, target_offset),
	.next_offset = offsetof(struct ip6t_entry, next_offset),
	.comefrom = offsetof(struct ip6t_entry, comefrom),
	.counters = offsetof(struct ip6t_entry, counters),
	.check = check,
	.complete = complete,
	.is_goto = is_goto,
	.describe = describe,
	.compile = compile,
};
