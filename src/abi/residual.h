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
	/* The header and the frame. */
	RESIDUAL_TRAFFIC_CLASS, /* struct residual_traffic_class */
	RESIDUAL_LENGTH,        /* struct residual_length */
	RESIDUAL_PACKET_TYPE,   /* struct residual_packet_type */
	RESIDUAL_MAC,           /* struct xt_mac_info */
	RESIDUAL_TCP_BITS,      /* struct residual_tcp_bits */
	RESIDUAL_STRING,        /* struct residual_string */
	RESIDUAL_TIME,          /* struct xt_time_info */
	RESIDUAL_IPV6_SEGMENTS, /* struct residual_segments */
	/* What the kernel knows about a packet (bpf/metadata.h); the operand is its structure. */
	RESIDUAL_OWNER,        /* struct xt_owner_match_info */
	RESIDUAL_MARK,         /* struct residual_masked */
	RESIDUAL_REALM,        /* struct residual_masked */
	RESIDUAL_DEVGROUP,     /* struct xt_devgroup_info */
	RESIDUAL_CPU,          /* struct xt_cpu_info */
	RESIDUAL_PHYSDEV,      /* struct residual_physdev */
	RESIDUAL_POLICY,       /* struct residual_policy */
	RESIDUAL_CONNMARK,     /* struct residual_masked */
	RESIDUAL_CONNBYTES,    /* struct xt_connbytes_info */
	RESIDUAL_CONNLABEL,    /* struct xt_connlabel_mtinfo, XT_CONNLABEL_OP_INVERT only */
	RESIDUAL_HELPER,       /* struct xt_helper_info, whose name has an end */
	RESIDUAL_ADDRESS_TYPE, /* struct xt_addrtype_info_v1; IPv4 */
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
	/* Those below drop packets that are too short for the header that they ask for. */
	RESIDUAL_TRANSPORT_NUMBER, /* struct residual_transport_number */
	RESIDUAL_TCP_MSS,          /* struct residual_tcp_mss */
	RESIDUAL_TRANSPORT_SIZE,   /* struct residual_transport_size */
	RESIDUAL_SCTP_CHUNKS,      /* struct residual_sctp_chunks */
	RESIDUAL_DCCP,             /* struct xt_dccp_info, of which the ports are not looked at */
	RESIDUAL_U32,              /* struct xt_u32 */
	RESIDUAL_IPV6_AUTHENTICATION, /* struct ip6t_ah */
	/* From here on the argument is the position of what is kept: abi/match_state.h. */
	RESIDUAL_LIMIT,     /* struct match_limit */
	RESIDUAL_RANDOM,    /* struct match_random */
	RESIDUAL_NTH,       /* struct match_nth */
	RESIDUAL_QUOTA,     /* struct match_quota */
	RESIDUAL_RECENT,    /* struct match_recent; struct residual_recent */
	RESIDUAL_HASHLIMIT, /* struct hashlimit_table; struct residual_hashlimit */
	RESIDUAL_KINDS,
};

/*
 * Has the predicate an effect beyond saying yes or no, so that it has to be evaluated for exactly
 * the packets for which everything before it in the rule matches? Conditions behind it can then not
 * be looked at first, as fields are. Nor may it be evaluated again for another alternative of the
 * rule: where it differs the rule is over.
 */
#define RESIDUAL_HAS_EFFECT(kind) ((kind) >= RESIDUAL_IPV6_HEADERS)

#define RESIDUAL_HAS_STATE(kind) ((kind) >= RESIDUAL_LIMIT)

struct residual {
	__u8 kind;
	__u8 last_try;  /* it or one before it has an effect: where it differs the rule is over */
	__u16 size;     /* of the whole, header and padding included, in bytes */
	__u32 argument; /* RESIDUAL_HOTDROP: the shapes */
};

struct residual_value {
	__u64 high;
	__u64 low;
};

/*
 * A field that is constrained after a hotdrop or an effect: true when its value, or that of the
 * other field, is in one interval.
 */
struct residual_intervals {
	__u16 field; /* enum field */
	__u16 other; /* FIELD_COUNT: none */
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

/* xt_recent.c: what a rule asks a list of addresses, or does to it. */
struct residual_recent {
	__u64 ticks;     /* --seconds */
	__u32 hit_count; /* 0: once is enough */
	__u16 family;    /* NFPROTO_IPV4 ... */
	__u8 actions;    /* enum recent_actions */
	__u8 flags;      /* enum residual_recent_flags */
};

/* linux/netfilter/xt_recent.h: XT_RECENT_..., which eBPF programs cannot include. */
enum recent_actions {
	RECENT_CHECK = 1 << 0,
	RECENT_SET = 1 << 1,
	RECENT_UPDATE = 1 << 2,
	RECENT_REMOVE = 1 << 3,
	RECENT_TTL = 1 << 4,
	RECENT_REAP = 1 << 5,
};

enum residual_recent_flags {
	RESIDUAL_RECENT_INVERTED = 1 << 0,
	RESIDUAL_RECENT_DESTINATION = 1 << 1,
	RESIDUAL_RECENT_TIMED = 1 << 2, /* @ticks count */
};

/* xt_hashlimit.c: what a rule asks a table of limits; all else is the table's. */
struct residual_hashlimit {
	__u8 flags; /* enum residual_hashlimit_flags */
	__u8 is_ipv6;
};

enum residual_hashlimit_flags {
	RESIDUAL_HASHLIMIT_INVERTED = 1 << 0, /* what is above the limit matches */
	RESIDUAL_HASHLIMIT_BYTES = 1 << 1,
	RESIDUAL_HASHLIMIT_RATE = 1 << 2,
};

/* What the kernel's own match has found out in front of the hook (struct arena_docket). */
struct residual_delegated {
	__u32 condition;
	__u32 inverted; /* the predicate is true if the condition does not hold */
	__u32 action;   /* to be done if it does, or 0 */
	__u32 always;   /* to be done if it does not, too */
};

/* (value & mask) == number, != invert. */
struct residual_masked {
	__u32 number;
	__u32 mask;
	__u32 invert;
	__u32 unused;
};

/* struct xt_physdev_info, names as two words (linux/netfilter/xt_physdev.h). */
struct residual_physdev {
	__u64 in[2];
	__u64 in_mask[2];
	__u64 out[2];
	__u64 out_mask[2];
	__u8 invert; /* enum residual_physdev_options */
	__u8 bitmask;
};

/* XT_PHYSDEV_OP_... */
enum residual_physdev_options {
	RESIDUAL_PHYSDEV_IN = 1 << 0,
	RESIDUAL_PHYSDEV_OUT = 1 << 1,
	RESIDUAL_PHYSDEV_BRIDGED = 1 << 2,
	RESIDUAL_PHYSDEV_IS_IN = 1 << 3,
	RESIDUAL_PHYSDEV_IS_OUT = 1 << 4,
};

/* What a transformation of IPsec is compared with: struct xt_policy_elem. */
struct residual_policy_element {
	/* Network byte order; masks are 0 behind the end of an IPv4 address. */
	__be32 source[4];
	__be32 source_mask[4];
	__be32 destination[4];
	__be32 destination_mask[4];
	__be32 spi;
	__u32 reqid;
	__u8 protocol;
	__u8 mode;
	__u8 match; /* enum residual_policy_conditions */
	__u8 invert;
};

enum residual_policy_conditions {
	RESIDUAL_POLICY_SOURCE = 1 << 0,
	RESIDUAL_POLICY_DESTINATION = 1 << 1,
	RESIDUAL_POLICY_PROTOCOL = 1 << 2,
	RESIDUAL_POLICY_MODE = 1 << 3,
	RESIDUAL_POLICY_SPI = 1 << 4,
	RESIDUAL_POLICY_REQID = 1 << 5,
};

#define RESIDUAL_POLICY_ELEMENTS 4

/* struct xt_policy_info */
struct residual_policy {
	__u16 flags; /* enum residual_policy_flags */
	__u16 n_elements;
	struct residual_policy_element element[RESIDUAL_POLICY_ELEMENTS];
};

/* XT_POLICY_MATCH_... */
enum residual_policy_flags {
	RESIDUAL_POLICY_IN = 1 << 0,
	RESIDUAL_POLICY_NONE = 1 << 2,
	RESIDUAL_POLICY_STRICT = 1 << 3,
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

/* The type of service or traffic class: (class & mask) == value, != if inverted. */
struct residual_traffic_class {
	__u8 mask;
	__u8 value;
	__u8 invert;
	__u8 is_ipv6;
};

/* xt_length.c: the packet's length, as its header says it in IPv4. */
struct residual_length {
	__u16 minimum;
	__u16 maximum;
	__u8 invert;
	__u8 is_ipv6;
};

/* xt_pkttype.c: skb->pkt_type */
struct residual_packet_type {
	__s32 type;
	__u32 invert; /* the outcome is exclusive-ored with it, and is true if it is not 0 then */
	__u32 is_ipv6;
};

/* xt_ecn.c match_tcp(): (byte 13 of the TCP header & mask) == value. No if there is no header. */
struct residual_tcp_bits {
	__u8 mask;
	__u8 value;
};

/*
 * A number of 32 bits in the transport header, at @offset, is in [first, last], or is not if
 * @invert. A packet that has not got @needed bytes of the header is dropped.
 */
struct residual_transport_number {
	__u32 offset;
	__u32 needed;
	__u32 first;
	__u32 last;
	__u32 invert;
};

/* xt_tcpmss.c */
struct residual_tcp_mss {
	__u16 minimum;
	__u16 maximum;
	__u32 invert; /* as in residual_packet_type */
};

/* A packet that has not got so many bytes of the transport header is dropped. */
struct residual_transport_size {
	__u32 needed;
};

#define RESIDUAL_SCTP_FLAGS       4
#define RESIDUAL_SCTP_CHUNK_WORDS 8 /* of 32 bits: one for each type of chunk */

/* xt_sctp.c match_packet(); `match` is one of linux/netfilter/xt_sctp.h. */
struct residual_sctp_chunks {
	__u32 chunks[RESIDUAL_SCTP_CHUNK_WORDS];
	__u32 more_chunks; /* not 0: there are bits beyond, which no packet has */
	__u32 match;
	struct {
		__u8 type;
		__u8 value;
		__u8 mask;
		__u8 unused;
	} flags_of[RESIDUAL_SCTP_FLAGS];
	__u32 n_flags;
	__u32 invert;
};

#define RESIDUAL_STRING_MAX 128

enum residual_string_flags {
	RESIDUAL_STRING_INVERT = 1 << 0,
	RESIDUAL_STRING_FOLD = 1 << 1,        /* the text is folded to upper case, the pattern is */
	RESIDUAL_STRING_BOYER_MOORE = 1 << 2, /* else Knuth-Morris-Pratt */
};

/*
 * xt_string.c, and the kernel's lib/ts_bm.c and lib/ts_kmp.c: a pattern in the bytes of the packet
 * from @from on that ends at @to at the latest.
 */
struct residual_string {
	__u16 from;
	__u16 to;
	__u8 length;
	__u8 flags;
	__u8 unused[2];
	__u8 pattern[RESIDUAL_STRING_MAX];
	/* By the number of bytes that have matched: Boyer-Moore's shift, or KMP's next state. */
	__u8 shift[RESIDUAL_STRING_MAX];
	__u8 bad_shift[256]; /* Boyer-Moore: by the byte that did not match */
};

/* Which conditions, and in `inverted` which of them are inverted. */
enum residual_segments_flags {
	RESIDUAL_SEGMENTS_NEXT_HEADER = 1 << 0,
	RESIDUAL_SEGMENTS_LEN_EQ = 1 << 1,
	RESIDUAL_SEGMENTS_LEN_GT = 1 << 2,
	RESIDUAL_SEGMENTS_LEN_LT = 1 << 3,
	RESIDUAL_SEGMENTS_LEFT_EQ = 1 << 4,
	RESIDUAL_SEGMENTS_LEFT_GT = 1 << 5,
	RESIDUAL_SEGMENTS_LEFT_LT = 1 << 6,
	RESIDUAL_SEGMENTS_LAST_EQ = 1 << 7,
	RESIDUAL_SEGMENTS_LAST_GT = 1 << 8,
	RESIDUAL_SEGMENTS_LAST_LT = 1 << 9,
	RESIDUAL_SEGMENTS_TAG = 1 << 10,
	RESIDUAL_SEGMENTS_PREVIOUS = 1 << 11,
	RESIDUAL_SEGMENTS_NEXT = 1 << 12,
	RESIDUAL_SEGMENTS_LAST_SEGMENT = 1 << 13,
};

/*
 * ip6t_srh.c: struct ip6t_srh1 in another order; its header cannot be included beside the kernel's
 * structures. Addresses and the tag are as they stand in the packet.
 */
struct residual_segments {
	__u8 next_header;
	__u8 length;
	__u8 left;
	__u8 last_number;
	__u16 tag;
	__u16 flags;
	__u16 inverted;
	struct residual_segment {
		__u32 address[4];
		__u32 mask[4];
	} previous, next, last;
};
