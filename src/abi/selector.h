/* SPDX-License-Identifier: GPL-2.0-only OR GPL-2.0-or-later */
/*
 * What the daemon tells the chain selector (bpf/selector.h): which addresses the namespace takes
 * for its own, and how fresh that knowledge is.
 */
#pragma once

#include <linux/types.h>

enum selector_family {
	SELECTOR_IPV4,
	SELECTOR_IPV6,
	SELECTOR_FAMILIES,
};

/* Routes of type local, broadcast (IPv4), anycast and throw (IPv6), of all tables. */
#define SELECTOR_ADDRESSES 65536 /* of a family: routes to one address */
#define SELECTOR_PREFIXES  4096  /* of a family: all others, but 127.0.0.0/8 */

/* The value of an address or prefix in the table. Those of the prefixes around it are included. */
enum selector_address_flags {
	SELECTOR_LOCAL = 1 << 0, /* some table says that it is delivered here */
	/*
	 * The kernel's table "local" says so, of this one address, whatever a packet's type of
	 * service. If that table is the first to be asked, nothing else counts.
	 */
	SELECTOR_CERTAIN = 1 << 1,
	SELECTOR_BROADCAST = 1 << 2,
	SELECTOR_THROW = 1 << 3, /* some table says that the next one is to be asked */
};

/* Key of an IPv6 address. The interface is 0 but for link-local addresses. */
struct selector_ipv6_address {
	__be32 address[4];
	__u32 ifindex;
};

/* Keys of the prefixes, as BPF_MAP_TYPE_LPM_TRIE has them. */
struct selector_ipv4_prefix {
	__u32 length;
	__be32 address;
};

struct selector_ipv6_prefix {
	__u32 length;
	__be32 address[4];
};

struct selector_state {
	/*
	 * SELECTOR_STAMP of the kernel's own number of changes to its routes
	 * (net.ipv4.rt_genid, net.ipv6.fib6_sernum) at a moment when the table was known to hold
	 * them all. As soon as the kernel's number is another one, the table may lack something; 0
	 * is nobody's stamp.
	 */
	__u64 stamp[SELECTOR_FAMILIES];
	/* The kernel's stamps, when bpf_iptables_stamps was run last. */
	__u64 kernel_stamp[SELECTOR_FAMILIES];
	__u32 n_prefixes[SELECTOR_FAMILIES];
	__u32 local_first[SELECTOR_FAMILIES]; /* no rule comes before: from all lookup local */
	__u32 ipv6_suppress; /* there are IPv6 rules with suppress_prefixlength or _ifgroup */
	/* Another one after each change to the table, before it is stamped; never 0 then. */
	__u32 version;
};

#define SELECTOR_STAMP(number) (1ull << 32 | (__u32)(number))
