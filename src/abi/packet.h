/* SPDX-License-Identifier: GPL-2.0-only OR GPL-2.0-or-later */
/*
 * A packet as the classifier sees it: the values of its header fields, and its shape. Shared by the
 * eBPF programs and the daemon, so only plain integer types.
 */
#pragma once

#include <linux/types.h>

/*
 * The header fields that rules constrain. Values are numbers in host byte order; interface names
 * are the 16 bytes of net_device.name read as two big-endian numbers (high, low), so that a name
 * prefix is an interval, as an address prefix is.
 */
enum field {
	FIELD_SOURCE, /* 32 bits wide, in IPv6 128 */
	FIELD_DESTINATION,
	FIELD_IN_INTERFACE, /* all zero when there is none (ip_tables.c: nulldevname) */
	FIELD_OUT_INTERFACE,
	FIELD_PROTOCOL, /* IPv6: what ipv6_find_hdr() finds behind the extension headers */
	FIELD_SHAPE,
	FIELD_CONNTRACK, /* enum conntrack_bits */
	FIELD_HOP_LIMIT, /* IPv4: time to live */
	/* Those below are read from the transport header: a fragment has none of them. */
	FIELD_SOURCE_PORT,
	FIELD_DESTINATION_PORT,
	FIELD_TCP_FLAGS, /* byte 13 of the TCP header */
	FIELD_ICMP,      /* type << 8 | code */
	FIELD_COUNT,
};

#define FIELD_FIRST_NARROW    FIELD_PROTOCOL
#define FIELD_FIRST_TRANSPORT FIELD_SOURCE_PORT

/*
 * What can be read behind the IP header. x_tables' matches drop a packet on the spot ("hotdrop")
 * when the header that they ask for is cut short (net/netfilter/xt_tcpudp.c, xt_multiport.c).
 */
enum shape {
	SHAPE_WHOLE,       /* 20 bytes or more; if TCP, with all the options that doff announces */
	SHAPE_BAD_OPTIONS, /* TCP, 20 bytes or more, but doff is below 5 or reaches past the end */
	SHAPE_8_BYTES,     /* 8 to 19 bytes */
	SHAPE_4_BYTES,     /* 4 to 7 bytes */
	SHAPE_TINY,        /* 0 to 3 bytes */
	SHAPE_BROKEN,      /* IPv6: the chain of extension headers is cut short */
	SHAPE_FRAGMENT_1,  /* IPv4: fragment offset 1, that is 8 bytes */
	SHAPE_FRAGMENT,    /* any other fragment but the first */
	SHAPE_COUNT,
};

#define SHAPE_BIT(shape) (1u << (shape))
#define SHAPES_ALL       (SHAPE_BIT(SHAPE_COUNT) - 1)
#define SHAPES_FRAGMENT  (SHAPE_BIT(SHAPE_FRAGMENT_1) | SHAPE_BIT(SHAPE_FRAGMENT))

/*
 * Value of FIELD_CONNTRACK: a state in two bits, and what goes with a connection. Without one only
 * CONNTRACK_INVALID and CONNTRACK_UNTRACKED occur, so that five bits are enough: see
 * conntrack_state().
 */
enum conntrack_bits {
	CONNTRACK_INVALID = 0,
	CONNTRACK_ESTABLISHED = 1,
	CONNTRACK_RELATED = 2,
	CONNTRACK_NEW = 3,
	CONNTRACK_UNTRACKED = 4,
	CONNTRACK_CONNECTION_MASK = 3, /* 0: there is no connection */
	CONNTRACK_SNAT = 1 << 2,
	CONNTRACK_DNAT = 1 << 3,
	CONNTRACK_REPLY = 1 << 4, /* the packet goes in the reply direction */
	CONNTRACK_VALUES = 1 << 5,
};

/* CONNTRACK_INVALID to CONNTRACK_UNTRACKED, of a value that packets have. */
static inline enum conntrack_bits conntrack_state(__u32 value)
{
	return (enum conntrack_bits)(value & CONNTRACK_CONNECTION_MASK
					     ? value & CONNTRACK_CONNECTION_MASK
					     : value & CONNTRACK_UNTRACKED);
}

/*
 * The fields behind the interfaces have 64 bits together, and a packet carries them as one number.
 * An ICMP type and code stand where ports would.
 */
static inline __u32 field_shift(enum field field)
{
	switch (field) {
	case FIELD_SOURCE_PORT:
	case FIELD_ICMP:
		return 48;
	case FIELD_DESTINATION_PORT:
		return 32;
	case FIELD_TCP_FLAGS:
		return 24;
	case FIELD_PROTOCOL:
		return 16;
	case FIELD_HOP_LIMIT:
		return 8;
	case FIELD_SHAPE:
		return 5;
	default:
		return 0; /* FIELD_CONNTRACK */
	}
}

/* All ones, as many as the field has bits; not of those up to the interfaces. */
static inline __u64 field_ones(enum field field)
{
	switch (field) {
	case FIELD_SOURCE_PORT:
	case FIELD_ICMP:
	case FIELD_DESTINATION_PORT:
		return 0xffff;
	case FIELD_SHAPE:
		return 7;
	case FIELD_CONNTRACK:
		return CONNTRACK_VALUES - 1;
	default:
		return 0xff;
	}
}

/* A transport field is there if enough of the header is (the hotdrop limits of its matches). */
static inline int field_is_readable(__u32 field, __u32 shape)
{
	if (field < FIELD_FIRST_TRANSPORT)
		return 1;
	if (field == FIELD_TCP_FLAGS)
		return shape <= SHAPE_BAD_OPTIONS;
	return shape <= (field == FIELD_ICMP ? SHAPE_8_BYTES : SHAPE_4_BYTES);
}
