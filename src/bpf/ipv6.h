/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * IPv6 extension headers: the search through their chain (net/ipv6/exthdrs_core.c ipv6_find_hdr()),
 * and the matches on them (net/ipv6/netfilter/ip6t_*.c). The matches drop a packet whose chain is
 * cut short, in the same cases as the kernel's.
 */
#pragma once

#include "abi/packet.h"
#include "bpf/generation.h"
#include "bpf/kernel.h"
#include "bpf/portable.h"
#include "bpf/walk.h"

#include <linux/netfilter_ipv6/ip6t_frag.h>
#include <linux/netfilter_ipv6/ip6t_ipv6header.h>
#include <linux/netfilter_ipv6/ip6t_mh.h>
#include <linux/netfilter_ipv6/ip6t_opts.h>
#include <linux/netfilter_ipv6/ip6t_rt.h>

/* Numbers of extension headers (include/net/ipv6.h). */
#define NEXTHDR_HOP      0
#define NEXTHDR_ROUTING  43
#define NEXTHDR_FRAGMENT 44
#define NEXTHDR_ESP      50
#define NEXTHDR_AUTH     51
#define NEXTHDR_NONE     59
#define NEXTHDR_DEST     60

#define NEXTHDR_ANY (-1) /* the first that is no extension header */

#define IPV6_HEADER_SIZE     40
#define IPV6_FRAGMENT_SIZE   8
#define IPV6_FRAGMENT_OFFSET 0xfff8 /* in bytes */
#define IPV6_FRAGMENT_MORE   1
#define IPV6_FRAGMENT_ZERO   6

/* What find_ipv6_header() returns instead of the number of the header. */
enum find_failure {
	FIND_ABSENT = -1, /* -ENOENT */
	FIND_BROKEN = -2, /* -EBADMSG: the chain is cut short */
	FIND_BOUND = -3,  /* the kernel's bound on loops was reached: unknown */
};

struct ipv6_header {
	__u32 offset;   /* from the start of the packet; 0 if it is not in this fragment */
	__u32 fragment; /* offset of the fragment, in bytes */
};

/* The first bytes of an extension header. */
struct extension_bytes {
	__u8 next;
	__u8 length;
	__u8 third;
	__u8 fourth;
};

INLINE bool is_extension_header(__u32 number)
{
	return number == NEXTHDR_HOP || number == NEXTHDR_ROUTING || number == NEXTHDR_FRAGMENT ||
	       number == NEXTHDR_AUTH || number == NEXTHDR_NONE || number == NEXTHDR_DEST;
}

INLINE __u32 extension_size(__u32 number, __u8 length)
{
	if (number == NEXTHDR_FRAGMENT)
		return IPV6_FRAGMENT_SIZE;
	return number == NEXTHDR_AUTH ? (length + 2) * 4u : (length + 1) * 8u;
}

/*
 * Position of the header with number @target, or of the first that is no extension header; returns
 * its number, or an enum find_failure.
 */
GLOBAL int find_ipv6_header(SOURCE *ctx, int target, struct ipv6_header *ret_header NONNULL_ARG)
{
	__u32 number = kernel_bytes(source_header(ctx))->in6_u.u6_addr8[6];
	__u32 offset = IPV6_HEADER_SIZE;
	__u32 length = source_length(ctx);
	struct bpf_dynptr dynptr;

	ret_header->offset = 0;
	ret_header->fragment = 0;
	if (source_dynptr(ctx, &dynptr))
		return FIND_BOUND;
	for (;;) {
		bool found = (int)number == target;
		struct extension_bytes bytes = {};
		__u32 size;

		if (!is_extension_header(number) || number == NEXTHDR_NONE) {
			if (target >= 0 && !found)
				return FIND_ABSENT;
			ret_header->offset = offset;
			return (int)number;
		}
		size = number == NEXTHDR_ROUTING || number == NEXTHDR_FRAGMENT ? 4 : 2;
		if (bpf_dynptr_read(&bytes, size, &dynptr, offset, 0))
			return FIND_BROKEN;
		size = extension_size(number, bytes.length);
		if (number == NEXTHDR_FRAGMENT) {
			__u32 fragment = (bytes.third << 8 | bytes.fourth) & IPV6_FRAGMENT_OFFSET;

			if (fragment && target < 0 &&
			    (!is_extension_header(bytes.next) || bytes.next == NEXTHDR_NONE)) {
				ret_header->fragment = fragment;
				return bytes.next;
			}
			if (fragment && !found)
				return target < 0 ? FIND_BROKEN : FIND_ABSENT;
			if (fragment)
				ret_header->fragment = fragment;
		}
		if (found) {
			ret_header->offset = offset;
			return (int)number;
		}
		if (length - offset < size && arena_root()->ipv6_checks_length)
			return FIND_BROKEN;
		number = bytes.next;
		offset += size;
		LOOP_BOUND;
	}
	return FIND_BOUND;
}

/* What a match says when the header that it asks for was not found. */
INLINE int not_found_result(int found)
{
	if (found == FIND_ABSENT)
		return RESIDUALS_DIFFER;
	return found == FIND_BROKEN ? RESIDUALS_DROP : RESIDUALS_BOUND;
}

/*
 * The position of the header with number @target, and its first bytes. Returns RESIDUALS_MATCH, or
 * what a match says for want of them.
 */
INLINE int read_ipv6_header(SOURCE *ctx, int target, struct ipv6_header *ret_header,
			    struct bpf_dynptr *ret_dynptr, void *ret_bytes, __u32 size)
{
	int number = find_ipv6_header(ctx, target, ret_header);

	if (number < 0)
		return not_found_result(number);
	if (source_dynptr(ctx, ret_dynptr))
		return RESIDUALS_BOUND;
	return bpf_dynptr_read(ret_bytes, size, ret_dynptr, ret_header->offset, 0)
		       ? RESIDUALS_DROP
		       : RESIDUALS_MATCH;
}

/* A match that drops a packet and is inverted says yes to it all the same. */
INLINE int inverted_result(int result)
{
	switch (result) {
	case RESIDUALS_MATCH:
		return RESIDUALS_DIFFER;
	case RESIDUALS_DIFFER:
		return RESIDUALS_MATCH;
	case RESIDUALS_DROP:
		return RESIDUALS_DOOMED;
	default:
		return result;
	}
}

/* The bit of an extension header in ip6t_ipv6header_info. */
INLINE __u32 header_bit(__u32 number)
{
	switch (number) {
	case NEXTHDR_HOP:
		return MASK_HOPOPTS;
	case NEXTHDR_ROUTING:
		return MASK_ROUTING;
	case NEXTHDR_FRAGMENT:
		return MASK_FRAGMENT;
	case NEXTHDR_AUTH:
		return MASK_AH;
	default:
		return MASK_DSTOPTS;
	}
}

INLINE bool headers_match(const struct ip6t_ipv6header_info ARENA *info, __u32 headers)
{
	if (info->modeflag)
		return !((headers ^ info->matchflags ^ info->invflags) & info->matchflags);
	return (headers == info->matchflags) != !!info->invflags;
}

/* ip6t_ipv6header.c ipv6header_mt6() */
GLOBAL int ipv6_headers_result(SOURCE *ctx, const struct ip6t_ipv6header_info ARENA *info ARENA_ARG)
{
	__u32 number = kernel_bytes(source_header(ctx))->in6_u.u6_addr8[6];
	__u32 offset = IPV6_HEADER_SIZE;
	__u32 length = source_length(ctx);
	struct bpf_dynptr dynptr;
	__u32 headers = 0;
	bool ended = false;

	if (source_dynptr(ctx, &dynptr))
		return RESIDUALS_BOUND;
	for (;;) {
		struct extension_bytes bytes = {};

		ended = true;
		if (number == NEXTHDR_NONE)
			headers |= MASK_NONE;
		if (number == NEXTHDR_NONE ||
		    !(is_extension_header(number) || number == NEXTHDR_ESP))
			break;
		if (length < offset + 2)
			return RESIDUALS_DIFFER;
		if (number == NEXTHDR_ESP) {
			headers |= MASK_ESP;
			break;
		}
		if (bpf_dynptr_read(&bytes, 2, &dynptr, offset, 0))
			return RESIDUALS_DROP;
		headers |= header_bit(number);
		offset += extension_size(number, bytes.length);
		number = bytes.next;
		if (offset > length)
			break;
		ended = false;
		LOOP_BOUND;
	}
	if (!ended)
		return RESIDUALS_BOUND;
	if (number != NEXTHDR_NONE && number != NEXTHDR_ESP)
		headers |= MASK_PROTO;
	return result_of(headers_match(info, headers));
}

/* ip6t_frag.c frag_mt6() */
GLOBAL int ipv6_fragment_result(SOURCE *ctx, const struct ip6t_frag ARENA *condition ARENA_ARG)
{
	struct {
		__u8 next;
		__u8 reserved;
		__be16 offset;
		__be32 identification;
	} header = {};
	struct ipv6_header found = {};
	struct bpf_dynptr dynptr;
	int result =
		read_ipv6_header(ctx, NEXTHDR_FRAGMENT, &found, &dynptr, &header, sizeof(header));
	__u32 identification, offset;
	__u8 flags = condition->flags;

	if (result != RESIDUALS_MATCH)
		return result;
	identification = bpf_ntohl(header.identification);
	offset = bpf_ntohs(header.offset);
	if ((identification >= condition->ids[0] && identification <= condition->ids[1]) ==
	    !!(condition->invflags & IP6T_FRAG_INV_IDS))
		return RESIDUALS_DIFFER;
	if ((flags & IP6T_FRAG_RES) && (header.reserved || (offset & IPV6_FRAGMENT_ZERO)))
		return RESIDUALS_DIFFER;
	if ((flags & IP6T_FRAG_FST) && (offset & IPV6_FRAGMENT_OFFSET))
		return RESIDUALS_DIFFER;
	if ((flags & IP6T_FRAG_MF) && !(offset & IPV6_FRAGMENT_MORE))
		return RESIDUALS_DIFFER;
	return result_of(!((flags & IP6T_FRAG_NMF) && (offset & IPV6_FRAGMENT_MORE)));
}

#define ROUTING_ADDRESSES_OFFSET 8 /* of a type 0 routing header */
#define ADDRESS_SIZE             16

INLINE bool same_address(const struct in6_addr *address, const struct in6_addr ARENA *other)
{
	__u32 differs = 0;

	for (int i = 0; i < 4; i++)
		differs |= address->in6_u.u6_addr32[i] ^ other->in6_u.u6_addr32[i];
	return !differs;
}

/*
 * The addresses of the routing header at @offset, @count of them: do those of the rule stand at its
 * start and end it, or (not strict) stand there in this order?
 */
GLOBAL int ipv6_routing_addresses_result(SOURCE *ctx,
					 const struct ip6t_rt ARENA *condition ARENA_ARG,
					 __u32 offset, __u32 count)
{
	bool strict = !(condition->flags & IP6T_RT_FST_NSTRICT);
	__u32 wanted = condition->addrnr;
	__u32 matched = 0, i = 0;
	struct bpf_dynptr dynptr;

	if (wanted > count || wanted > IP6T_RT_HOPS)
		return RESIDUALS_DIFFER;
	if (source_dynptr(ctx, &dynptr))
		return RESIDUALS_BOUND;
	offset += ROUTING_ADDRESSES_OFFSET;
	while (i < count && matched < wanted) {
		struct in6_addr address = {};

		if (bpf_dynptr_read(&address, sizeof(address), &dynptr, offset + i * ADDRESS_SIZE,
				    0))
			return RESIDUALS_DROP;
		if (same_address(&address, &condition->addrs[matched]))
			matched++;
		else if (strict)
			return RESIDUALS_DIFFER;
		i++;
		LOOP_BOUND;
	}
	if (i < count && matched < wanted)
		return RESIDUALS_BOUND;
	return result_of(matched == wanted && (!strict || wanted == count));
}

INLINE bool routing_header_matches(const struct ip6t_rt ARENA *condition,
				   const struct extension_bytes *bytes, __u32 size)
{
	__u8 flags = condition->flags;
	__u8 inverted = condition->invflags;

	if ((bytes->fourth >= condition->segsleft[0] && bytes->fourth <= condition->segsleft[1]) ==
	    !!(inverted & IP6T_RT_INV_SGS))
		return false;
	if ((flags & IP6T_RT_LEN) && (condition->hdrlen == size) == !!(inverted & IP6T_RT_INV_LEN))
		return false;
	return !(flags & IP6T_RT_TYP) ||
	       (condition->rt_type == bytes->third) != !!(inverted & IP6T_RT_INV_TYP);
}

/* ip6t_rt.c rt_mt6() */
GLOBAL int ipv6_routing_result(SOURCE *ctx, const struct ip6t_rt ARENA *condition ARENA_ARG)
{
	struct ipv6_header found = {};
	struct extension_bytes bytes = {};
	struct bpf_dynptr dynptr;
	int result = read_ipv6_header(ctx, NEXTHDR_ROUTING, &found, &dynptr, &bytes, sizeof(bytes));
	__u32 reserved = 0;
	__u32 size;
	bool matches;

	if (result != RESIDUALS_MATCH)
		return result;
	size = extension_size(NEXTHDR_ROUTING, bytes.length);
	if (source_length(ctx) - found.offset < size)
		return RESIDUALS_DROP;
	matches = routing_header_matches(condition, &bytes, size);
	if (matches && (condition->flags & IP6T_RT_RES)) {
		if (bpf_dynptr_read(&reserved, sizeof(reserved), &dynptr, found.offset + 4, 0))
			return RESIDUALS_DROP;
		matches = !reserved;
	}
	if (!(condition->flags & IP6T_RT_FST))
		return result_of(matches);
	result = ipv6_routing_addresses_result(ctx, condition, found.offset,
					       (size - ROUTING_ADDRESSES_OFFSET) / ADDRESS_SIZE);
	return result == RESIDUALS_MATCH ? result_of(matches) : result;
}

#define OPTION_PAD1       0
#define OPTION_ANY_LENGTH 0xff

/*
 * The options of the header, from @offset on, @left bytes of them, against the rule's list. It
 * counts down because the verifier, which follows the counter, then sees ever smaller ranges and is
 * done.
 */
GLOBAL int ipv6_option_list_result(SOURCE *ctx, const struct ip6t_opts ARENA *condition ARENA_ARG,
				   __u32 offset, __u32 left)
{
	__u32 length = source_length(ctx);
	__u32 count = condition->optsnr;
	__u32 to_do = count;
	struct bpf_dynptr dynptr;

	if (source_dynptr(ctx, &dynptr))
		return RESIDUALS_BOUND;
	while (to_do) {
		__u8 type = 0, option_length = 0;
		__u32 wanted = condition->opts[count - to_do];
		__u32 size = 1;

		if (left < 1 || bpf_dynptr_read(&type, 1, &dynptr, offset, 0))
			return RESIDUALS_DIFFER;
		if (type != wanted >> 8)
			return RESIDUALS_DIFFER;
		if (type != OPTION_PAD1) {
			if (left < 2 || bpf_dynptr_read(&option_length, 1, &dynptr, offset + 1, 0))
				return RESIDUALS_DIFFER;
			wanted &= 0xff;
			if (wanted != OPTION_ANY_LENGTH && wanted != option_length)
				return RESIDUALS_DIFFER;
			size = option_length + 2;
		}
		/* Only the last option may reach past the end. Unsigned, as in the kernel. */
		if ((offset > length - size || left < size) && to_do > 1)
			return RESIDUALS_DIFFER;
		offset += size;
		left -= size;
		to_do--;
		LOOP_BOUND;
	}
	return to_do ? RESIDUALS_BOUND : RESIDUALS_MATCH;
}

/* ip6t_hbh.c hbh_mt6(), for hop-by-hop and destination options (@target) */
GLOBAL int ipv6_options_result(SOURCE *ctx, const struct ip6t_opts ARENA *condition ARENA_ARG,
			       int target)
{
	struct ipv6_header found = {};
	struct extension_bytes bytes = {};
	struct bpf_dynptr dynptr;
	int result = read_ipv6_header(ctx, target, &found, &dynptr, &bytes, 2);
	bool matches;
	__u32 size;

	if (result != RESIDUALS_MATCH)
		return result;
	size = extension_size(NEXTHDR_DEST, bytes.length);
	if (source_length(ctx) - found.offset < size)
		return RESIDUALS_DROP;
	matches = !(condition->flags & IP6T_OPTS_LEN) ||
		  (condition->hdrlen == size) != !!(condition->invflags & IP6T_OPTS_INV_LEN);
	if (!(condition->flags & IP6T_OPTS_OPTS))
		return result_of(matches);
	result = ipv6_option_list_result(ctx, condition, found.offset + 2, size - 2);
	return result == RESIDUALS_MATCH ? result_of(matches) : result;
}

#define MOBILITY_HEADER_SIZE 6

/* ip6t_mh.c mh_mt6(), in a rule with this protocol: @transport and @shape are the packet's. */
GLOBAL int ipv6_mobility_result(SOURCE *ctx, const struct ip6t_mh ARENA *condition ARENA_ARG,
				__u32 transport, __u32 shape)
{
	__u8 bytes[MOBILITY_HEADER_SIZE] = {};
	struct bpf_dynptr dynptr;

	if (SHAPES_FRAGMENT >> (shape & 7) & 1)
		return RESIDUALS_DIFFER;
	if (source_dynptr(ctx, &dynptr))
		return RESIDUALS_BOUND;
	if (bpf_dynptr_read(bytes, sizeof(bytes), &dynptr, transport, 0))
		return RESIDUALS_DROP;
	if (bytes[0] != NEXTHDR_NONE)
		return RESIDUALS_DROP;
	return result_of((bytes[2] >= condition->types[0] && bytes[2] <= condition->types[1]) !=
			 !!(condition->invflags & IP6T_MH_INV_TYPE));
}

/* ip6t_eui64.c eui64_mt6(): was the source's interface identifier made from the MAC address? */
GLOBAL int ipv6_eui64_result(SOURCE *ctx)
{
	const struct in6_addr *mac, *source = kernel_bytes(source_header(ctx) + 8);
	const unsigned char *ethernet = NULL;
	enum source_ethernet found;
	__be16 type = 0;
	__u32 differs;

	found = source_ethernet(ctx, &ethernet, &type);
	if (found != SOURCE_ETHERNET)
		return found == SOURCE_OTHER_DEVICE ? RESIDUALS_DIFFER : RESIDUALS_DROP;
	if (type != bpf_htons(ETHERTYPE_IPV6))
		return RESIDUALS_DIFFER;
	mac = kernel_bytes(ethernet);
	/* The sender's address is in bytes 6 to 11 of the Ethernet header. */
	differs = source->in6_u.u6_addr8[8] ^ mac->in6_u.u6_addr8[6] ^ 2;
	differs |= source->in6_u.u6_addr8[9] ^ mac->in6_u.u6_addr8[7];
	differs |= source->in6_u.u6_addr8[10] ^ mac->in6_u.u6_addr8[8];
	differs |= source->in6_u.u6_addr8[11] ^ 0xff;
	differs |= source->in6_u.u6_addr8[12] ^ 0xfe;
	differs |= source->in6_u.u6_addr8[13] ^ mac->in6_u.u6_addr8[9];
	differs |= source->in6_u.u6_addr8[14] ^ mac->in6_u.u6_addr8[10];
	differs |= source->in6_u.u6_addr8[15] ^ mac->in6_u.u6_addr8[11];
	return result_of(!differs);
}
