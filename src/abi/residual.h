/* SPDX-License-Identifier: GPL-2.0-only OR GPL-2.0-or-later */
/*
 * Residual predicates: the conditions of a rule that are not bit-vector fields. They are evaluated
 * one after the other, in the order of the rule's matches, only for rules whose fields all match.
 * Each is a header followed by its operand, padded to 8 bytes; a RESIDUAL_END closes the list.
 */
#pragma once

#include <linux/types.h>

enum residual_kind {
	RESIDUAL_END,
	/* From here on a packet whose shape is in hotdrop_shapes of the rule is dropped. */
	RESIDUAL_HOTDROP,
	RESIDUAL_INTERVALS,  /* struct residual_intervals */
	RESIDUAL_TCP_OPTION, /* struct residual_tcp_option */
	RESIDUAL_CONNTRACK,  /* struct residual_conntrack */
	/*
	 * IPv6 extension headers: the operand is the kernel's structure. Each of these drops a
	 * packet whose chain of headers is cut short (net/ipv6/netfilter/ip6t_*.c).
	 */
	RESIDUAL_IPV6_HEADERS,     /* struct ip6t_ipv6header_info */
	RESIDUAL_IPV6_FRAGMENT,    /* struct ip6t_frag */
	RESIDUAL_IPV6_ROUTING,     /* struct ip6t_rt */
	RESIDUAL_IPV6_HOP_OPTIONS, /* struct ip6t_opts */
	RESIDUAL_IPV6_DESTINATION_OPTIONS,
	RESIDUAL_IPV6_MOBILITY, /* struct ip6t_mh */
	RESIDUAL_IPV6_EUI64,    /* no operand */
	RESIDUAL_DELEGATED,     /* struct residual_delegated */
	RESIDUAL_KINDS,
};

/*
 * Has the predicate an effect beyond saying yes or no, so that it has to be evaluated for exactly
 * the packets for which everything before it in the rule matches? Conditions behind it can then not
 * be looked at first, as fields are.
 */
#define RESIDUAL_HAS_EFFECT(kind) ((kind) >= RESIDUAL_IPV6_HEADERS)

struct residual {
	__u16 kind;
	__u16 size;     /* of the whole, header and padding included, in bytes */
	__u32 argument; /* RESIDUAL_HOTDROP: the shapes */
};

struct residual_value {
	__u64 high;
	__u64 low;
};

/* A field that is constrained again after a hotdrop: true when its value is in one interval. */
struct residual_intervals {
	__u32 field; /* enum field */
	__u32 count;
	struct residual_value mask; /* applied to the packet's value first */
	struct {
		struct residual_value first;
		struct residual_value last;
	} interval[];
};

/* xt_tcpudp.c tcp_find_option(): true when the option is there, != invert. */
struct residual_tcp_option {
	__u32 option;
	__u32 invert;
};

/* What the kernel's own match has found out in front of the hook (struct arena_docket). */
struct residual_delegated {
	__u32 condition;
	__u32 inverted; /* the predicate is true if the condition does not hold */
	__u32 action;   /* to be done if it does, or 0 */
	__u32 always;   /* to be done if it does not, too */
};

/* Flags of residual_conntrack: which conditions, and which of them are inverted. */
enum residual_conntrack_flags {
	RESIDUAL_CT_PROTOCOL = 1 << 0,
	RESIDUAL_CT_ORIGINAL_SOURCE = 1 << 1,
	RESIDUAL_CT_ORIGINAL_DESTINATION = 1 << 2,
	RESIDUAL_CT_REPLY_SOURCE = 1 << 3,
	RESIDUAL_CT_REPLY_DESTINATION = 1 << 4,
	RESIDUAL_CT_STATUS = 1 << 5,
	RESIDUAL_CT_EXPIRES = 1 << 6,
	RESIDUAL_CT_ORIGINAL_SOURCE_PORT = 1 << 7,
	RESIDUAL_CT_ORIGINAL_DESTINATION_PORT = 1 << 8,
	RESIDUAL_CT_REPLY_SOURCE_PORT = 1 << 9,
	RESIDUAL_CT_REPLY_DESTINATION_PORT = 1 << 10,
};

enum {
	RESIDUAL_CT_TUPLE_ORIGINAL_SOURCE,
	RESIDUAL_CT_TUPLE_ORIGINAL_DESTINATION,
	RESIDUAL_CT_TUPLE_REPLY_SOURCE,
	RESIDUAL_CT_TUPLE_REPLY_DESTINATION,
	RESIDUAL_CT_TUPLES,
};

/*
 * xt_conntrack.c conntrack_mt(), without state and direction, which are in FIELD_CONNTRACK. A
 * packet without a connection passes: FIELD_CONNTRACK has judged it. Addresses are in network byte
 * order as in union nf_inet_addr, ports in host byte order.
 */
struct residual_conntrack {
	__u16 flags;
	__u16 inverted;
	__u16 protocol;
	__u16 status;
	__u32 expires_minimum; /* seconds */
	__u32 expires_maximum;
	struct {
		__be32 address[4];
		__be32 mask[4];
		__u16 port_first;
		__u16 port_last;
		__u32 unused;
	} tuple[RESIDUAL_CT_TUPLES];
};
