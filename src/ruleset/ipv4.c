// SPDX-License-Identifier: GPL-2.0-or-later
/* The IPv4 header of a rule: struct ipt_ip, as ip_tables.c ip_packet_match() reads it. */
#include "ruleset/family.h"
#include "ruleset/header.h"

#include <arpa/inet.h>

#include <linux/netfilter_ipv4/ip_tables.h>

static int check(const void *header, struct message *message)
{
	const struct ipt_ip *ip = header;
	int r;

	r = header_check_flags(ip->flags, IPT_F_MASK, ip->invflags, IPT_INV_MASK, message);
	if (r < 0)
		return r;
	return header_check_interfaces(ip->iniface_mask, ip->outiface_mask, message);
}

static bool is_goto(const void *header)
{
	const struct ipt_ip *ip = header;

	return ip->flags & IPT_F_GOTO;
}

static void describe(const void *header, struct rule_context *ret_context)
{
	const struct ipt_ip *ip = header;

	*ret_context = (struct rule_context){
		.family = NFPROTO_IPV4,
		.protocol = ip->proto,
		.protocol_inverted = ip->invflags & IPT_INV_PROTO,
	};
}

static void compile_address(struct predicate *predicate, enum field field, struct in_addr address,
			    struct in_addr mask, bool invert)
{
	predicate_require_masked(predicate, field, VALUE(ntohl(address.s_addr)),
				 VALUE(ntohl(mask.s_addr)), invert);
}

/* An inversion without -f cannot be written with iptables; the kernel never matches then. */
static void compile_fragment(const struct ipt_ip *ip, struct predicate *predicate)
{
	bool invert = ip->invflags & IPT_INV_FRAG;

	if (ip->flags & IPT_F_FRAG)
		predicate_require_shapes(predicate,
					 invert ? SHAPES_ALL & ~SHAPES_FRAGMENT : SHAPES_FRAGMENT);
	else if (invert)
		predicate_never(predicate);
}

static void compile(const void *header, struct predicate *predicate)
{
	const struct ipt_ip *ip = header;

	compile_address(predicate, FIELD_SOURCE, ip->src, ip->smsk, ip->invflags & IPT_INV_SRCIP);
	compile_address(predicate, FIELD_DESTINATION, ip->dst, ip->dmsk,
			ip->invflags & IPT_INV_DSTIP);
	header_compile_interface(predicate, FIELD_IN_INTERFACE, ip->iniface, ip->iniface_mask,
				 ip->invflags & IPT_INV_VIA_IN);
	header_compile_interface(predicate, FIELD_OUT_INTERFACE, ip->outiface, ip->outiface_mask,
				 ip->invflags & IPT_INV_VIA_OUT);
	/* A number above 255 is no packet's; 0 is any protocol, inverted or not. */
	if (ip->proto)
		predicate_require(predicate, FIELD_PROTOCOL, VALUE(ip->proto), VALUE(ip->proto),
				  ip->invflags & IPT_INV_PROTO);
	compile_fragment(ip, predicate);
}

const struct family family_ipv4 = {
	.number = NFPROTO_IPV4,
	.entry_size = sizeof(struct ipt_entry),
	.header_size = sizeof(struct ipt_ip),
	.target_offset = offsetof(struct ipt_entry, target_offset),
	.next_offset = offsetof(struct ipt_entry, next_offset),
	.comefrom = offsetof(struct ipt_entry, comefrom),
	.counters = offsetof(struct ipt_entry, counters),
	.check = check,
	.is_goto = is_goto,
	.describe = describe,
	.compile = compile,
};
