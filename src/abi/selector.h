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

/* Routes of type local, broadcast (IPv4) and anycast (IPv6), of all tables. */
#define SELECTOR_ADDRESSES 65536 /* of a family: routes to one address */
#define SELECTOR_PREFIXES  4096  /* of a family: all others, but 127.0.0.0/8 */

/* The value of an address in the table. A prefix has SELECTOR_LOCAL only. */
enum selector_address_flags {
	SELECTOR_LOCAL = 1 << 0,
	/*
	 * The kernel's table "local" says so, whatever a packet's type of service. As no other
	 * table is asked before it, unless there are rules for routing, nothing else counts.
	 */
	SELECTOR_CERTAIN = 1 << 1,
	SELECTOR_BROADCAST = 1 << 2,
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
};

#define SELECTOR_STAMP(number) (1ull << 32 | (__u32)(number))
