/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The type that an IPv4 address has by the local routing table: xt_addrtype.c match_type(), that is
 * inet_dev_addr_type() (net/ipv4/fib_frontend.c). The table is read where the kernel has it, as
 * fib_table_lookup() (net/ipv4/fib_trie.c) does, under rcu_read_lock() as there: the answer is the
 * kernel's at every moment. Kernel addresses are passed as numbers, to GLOBAL functions.
 */
#pragma once

#include "abi/residual.h"
#include "bpf/kernel.h"
#include "bpf/kernel_network.h"
#include "bpf/residual_result.h"

#include <linux/ip.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/rtnetlink.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct fib_table {
	struct hlist_node___network tb_hlist;
	__u32 tb_id;
	unsigned long *tb_data; /* struct key_vector */
};

/* A node of the trie: a leaf if it has no bits. */
struct key_vector {
	__u32 key;
	unsigned char pos;
	unsigned char bits;
	unsigned char slen;
	struct hlist_head___network leaf; /* or pointers to 1 << bits children, from here on */
};

struct tnode {
	struct key_vector *parent;
	struct key_vector kv[1];
};

struct fib_alias {
	struct hlist_node___network fa_list;
	struct fib_info *fa_info;
	__u8 fa_dscp;
	__u8 fa_type; /* RTN_... */
	__u8 fa_slen;
};

struct fib_nh_common {
	struct net_device *nhc_dev;
	unsigned char nhc_flags;
};

struct fib_nh {
	struct fib_nh_common nh_common;
};

struct fib_info {
	unsigned int fib_flags;
	unsigned char fib_dead;
	int fib_nhs;
	struct nexthop *nh;
	struct fib_nh fib_nh[1];
};

struct nexthop {
	_Bool is_group;
	struct nh_info *nh_info; /* or struct nh_group */
};

struct nh_info {
	_Bool reject_nh;
	struct fib_nh_common fib_nhc;
};

struct nh_group {
	__u16 num_nh;
	struct nh_grp_entry {
		struct nexthop *nh;
	} nh_entries[1];
};

#pragma clang attribute pop

#define KEY_BITS 32u

/* What comes of a leaf, if not a type (RTN_...). */
#define ROUTE_MISSED   ~0u
#define ROUTE_REJECTED ~1u /* by a type that lets nothing pass: there is no route */
#define ROUTE_BOUND    ~2u /* the bound on loops was reached */

/* The way through the trie. */
struct trie_walk {
	__u64 node;   /* that is to be looked at; 0: there is none on this way */
	__u64 parent; /* the last node below which another child may be right, too ... */
	__u64 index;  /* ... and which one was taken there */
	bool exact;   /* all bits of the way so far are the key's */
};

#define TRIE_NODE(address) KERNEL_POINTER(struct key_vector, address)

INLINE __u64 trie_child(__u64 node, __u64 index)
{
	return kernel_word(
		(const void *)(node + bpf_core_field_offset(struct key_vector, leaf) + index * 8));
}

INLINE __u64 trie_index(__u32 key, __u64 node)
{
	return (__u64)(key ^ TRIE_NODE(node)->key) >> (TRIE_NODE(node)->pos & 63);
}

/*
 * One step back, to the child whose number has one bit less than the one that was taken, or one
 * level up, where such a child may be. Returns false if there is no other way.
 */
INLINE bool trie_step_back(struct trie_walk *walk)
{
	__u32 key = TRIE_NODE(walk->parent)->key;
	__u64 node;

	walk->exact = false;
	if (walk->index) {
		walk->index &= walk->index - 1;
		walk->node = trie_child(walk->parent, walk->index);
		return true;
	}
	if (TRIE_NODE(walk->parent)->pos >= KEY_BITS)
		return false;
	node = walk->parent - bpf_core_field_offset(struct tnode, kv);
	walk->parent = KERNEL_ADDRESS(KERNEL_POINTER(struct tnode, node)->parent);
	walk->index = trie_index(key, walk->parent);
	return true;
}

/* Can what is looked for be at the node, or below it? */
INLINE bool trie_node_fits(struct trie_walk *walk, __u32 key)
{
	const struct key_vector *node = TRIE_NODE(walk->node);
	__u32 prefix = node->key;

	if (walk->exact && trie_index(key, walk->node) >> (node->bits & 63))
		walk->exact = false;
	if (walk->exact)
		return true;
	return !((key ^ prefix) & (prefix | -prefix)) && node->slen != node->pos;
}

INLINE void trie_step_down(struct trie_walk *walk, __u32 key)
{
	const struct key_vector *node = TRIE_NODE(walk->node);
	__u64 index = walk->exact ? trie_index(key, walk->node) : 0;

	if (walk->exact && node->slen > node->pos) {
		walk->parent = walk->node;
		walk->index = index;
	}
	walk->node = trie_child(walk->node, index);
}

/* The struct nh_info of the nexthop object, or of number @index of the group that it is. */
INLINE __u64 nexthop_info(__u64 nexthop, __u32 index)
{
	const struct nexthop *object = KERNEL_POINTER(struct nexthop, nexthop);
	__u64 info = KERNEL_ADDRESS(object->nh_info);

	if (!object->is_group)
		return info;
	info += bpf_core_field_offset(struct nh_group, nh_entries) +
		index * bpf_core_type_size(struct nh_grp_entry);
	nexthop = KERNEL_ADDRESS(KERNEL_POINTER(struct nh_grp_entry, info)->nh);
	return KERNEL_ADDRESS(KERNEL_POINTER(struct nexthop, nexthop)->nh_info);
}

INLINE __u32 nexthop_count(__u64 nexthop)
{
	const struct nexthop *object = KERNEL_POINTER(struct nexthop, nexthop);

	if (!object->is_group)
		return 1;
	return KERNEL_POINTER(struct nh_group, KERNEL_ADDRESS(object->nh_info))->num_nh;
}

/* The nexthop object of the route; 0 if it has paths of its own. */
INLINE __u64 route_nexthop(__u64 route)
{
	return KERNEL_ADDRESS(KERNEL_POINTER(struct fib_info, route)->nh);
}

INLINE __u32 route_paths(__u64 route)
{
	__u64 nexthop = route_nexthop(route);

	return nexthop ? nexthop_count(nexthop)
		       : (__u32)KERNEL_POINTER(struct fib_info, route)->fib_nhs;
}

/* fib_info_nhc() (include/net/nexthop.h) */
INLINE const struct fib_nh_common *route_path(__u64 route, __u32 index)
{
	__u64 nexthop = route_nexthop(route);
	__u64 path;

	if (nexthop)
		path = nexthop_info(nexthop, index) +
		       bpf_core_field_offset(struct nh_info, fib_nhc);
	else
		path = route + bpf_core_field_offset(struct fib_info, fib_nh) +
		       index * bpf_core_type_size(struct fib_nh);
	return KERNEL_POINTER(struct fib_nh_common, path);
}

/* ip_ignore_linkdown() (include/linux/inetdevice.h) */
INLINE bool ignores_dead_links(device_t device)
{
	const struct in_device___network *in_device = device->ip_ptr;

	return in_device &&
	       (device_ipv4_conf(in_device, IPV4_DEVCONF_IGNORE_ROUTES_WITH_LINKDOWN) ||
		device->nd_net.net->ipv4.devconf_all
			->data[IPV4_DEVCONF_IGNORE_ROUTES_WITH_LINKDOWN - 1]);
}

/* fib_lookup_good_nhc() */
INLINE bool path_is_good(const struct fib_nh_common *path)
{
	__u8 flags = path->nhc_flags;

	if (flags & RTNH_F_DEAD)
		return false;
	return !(flags & RTNH_F_LINKDOWN) || !ignores_dead_links((device_t)path->nhc_dev);
}

INLINE bool route_is_blackhole(__u64 route)
{
	__u64 nexthop = route_nexthop(route);

	return nexthop && nexthop_count(nexthop) <= 1 &&
	       KERNEL_POINTER(struct nh_info, nexthop_info(nexthop, 0))->reject_nh;
}

/*
 * The type that the route says, or ROUTE_...: fib_table_lookup(), and __inet_dev_addr_type() behind
 * it, which looks at the first path only.
 */
GLOBAL __u32 route_type(__u64 route, __u32 type, __u64 device)
{
	__u32 count, i = 0;

	if (type >= RTN_BLACKHOLE) /* fib_semantics.c, fib_props: these are errors */
		return ROUTE_REJECTED;
	if (KERNEL_POINTER(struct fib_info, route)->fib_flags & RTNH_F_DEAD)
		return ROUTE_MISSED;
	if (route_is_blackhole(route))
		return ROUTE_REJECTED;
	count = route_paths(route);
	while (i < count && !path_is_good(route_path(route, i))) {
		i++;
		LOOP_BOUND;
	}
	if (i >= count)
		return ROUTE_MISSED;
	if (!path_is_good(route_path(route, i)))
		return ROUTE_BOUND;
	if (device && KERNEL_ADDRESS(route_path(route, 0)->nhc_dev) != device)
		return RTN_UNICAST;
	return type;
}

/* What the routes at a leaf say. */
INLINE __u32 leaf_type(__u64 leaf, __u32 key, __u64 device)
{
	__u64 index = key ^ TRIE_NODE(leaf)->key;
	__u64 node = KERNEL_ADDRESS(TRIE_NODE(leaf)->leaf.first);

	while (node) {
		const struct fib_alias *alias = KERNEL_POINTER(
			struct fib_alias, node - bpf_core_field_offset(struct fib_alias, fa_list));
		__u64 route = KERNEL_ADDRESS(alias->fa_info);

		if (!(index >> (alias->fa_slen & 63)) && !alias->fa_dscp &&
		    !KERNEL_POINTER(struct fib_info, route)->fib_dead) {
			__u32 type = route_type(route, alias->fa_type, device);

			/* With nexthop objects the kernel does not look at the leaf's others. */
			if (type != ROUTE_MISSED || route_nexthop(route))
				return type;
		}
		node = KERNEL_ADDRESS(alias->fa_list.next);
		LOOP_BOUND;
	}
	return node ? ROUTE_BOUND : ROUTE_MISSED;
}

/*
 * The type of @key, an address in host byte order, by the trie at @trie. @device: as in
 * inet_dev_addr_type(), 0 for any. RTN_UNICAST if there is no route; or ROUTE_BOUND.
 */
GLOBAL __u32 trie_type(__u64 trie, __u32 key, __u64 device)
{
	struct trie_walk walk = {.node = trie_child(trie, 0), .parent = trie, .exact = true};

	for (;;) {
		LOOP_BOUND;
		if (!walk.node) {
			if (!trie_step_back(&walk))
				return RTN_UNICAST;
		} else if (!trie_node_fits(&walk, key)) {
			walk.node = 0;
		} else if (TRIE_NODE(walk.node)->bits) {
			trie_step_down(&walk, key);
		} else {
			__u32 type = leaf_type(walk.node, key, device);

			if (type != ROUTE_MISSED)
				return type == ROUTE_REJECTED ? RTN_UNICAST : type;
			walk.node = 0;
		}
	}
	return ROUTE_BOUND;
}

/* fib_get_table(): its trie, or 0. */
INLINE __u64 local_table(__u64 net)
{
	/* Without CONFIG_IP_MULTIPLE_TABLES there are two. */
	__u32 buckets = bpf_core_field_exists(struct netns_ipv4___network, fib_main) ? 256 : 2;
	__u64 bucket =
		KERNEL_ADDRESS(KERNEL_POINTER(struct net___network, net)->ipv4.fib_table_hash);
	__u64 node;

	bucket +=
		(RT_TABLE_LOCAL & (buckets - 1)) * bpf_core_type_size(struct hlist_head___network);
	node = KERNEL_ADDRESS(KERNEL_POINTER(struct hlist_head___network, bucket)->first);
	while (node) {
		const struct fib_table *table = KERNEL_POINTER(
			struct fib_table, node - bpf_core_field_offset(struct fib_table, tb_hlist));

		if (table->tb_id == RT_TABLE_LOCAL)
			return KERNEL_ADDRESS(table->tb_data);
		node = KERNEL_ADDRESS(table->tb_hlist.next);
		LOOP_BOUND;
	}
	return 0;
}

/* Is what a VRF's devices have for addresses in a table of its own? */
INLINE bool has_own_table(__u64 device)
{
	return device &&
	       device_private_flags((device_t)KERNEL_POINTER(struct net_device___network, device)) &
		       (DEVICE_PRIVATE_VRF | DEVICE_PRIVATE_VRF_MEMBER);
}

/* inet_dev_addr_type(): the type of the address, or ROUTE_BOUND. */
INLINE __u32 address_type(__u64 net, __u64 device, __be32 address)
{
	__u32 key = bpf_ntohl(address);
	__u64 trie;

	if (!(key >> 24) || key == 0xffffffff)
		return RTN_BROADCAST;
	if (key >> 28 == 0xe)
		return RTN_MULTICAST;
	if (has_own_table(device))
		return ROUTE_BOUND;
	trie = local_table(net);
	return trie ? trie_type(trie, key, device) : RTN_BROADCAST;
}

INLINE int address_type_result(__u64 net, __u64 device, __be32 address, __u32 types, bool inverted)
{
	__u32 type = address_type(net, device, address);

	if (type > RTN_MAX)
		return RESIDUALS_BOUND;
	return (types >> type & 1) != inverted ? RESIDUALS_MATCH : RESIDUALS_DIFFER;
}

/*
 * xt_addrtype.c addrtype_mt_v1() of the packet with this IPv4 header; the devices are those that it
 * comes from and goes to.
 */
INLINE int address_types_result(__u64 net, __u64 in, __u64 out, const unsigned char *header,
				const struct xt_addrtype_info_v1 ARENA *condition)
{
	__u32 flags = condition->flags;
	__u64 device = flags & XT_ADDRTYPE_LIMIT_IFACE_IN    ? in
		       : flags & XT_ADDRTYPE_LIMIT_IFACE_OUT ? out
							     : 0;
	int result = RESIDUALS_MATCH;

	if (condition->source)
		result = address_type_result(net, device, kernel_number(header + 12),
					     condition->source, flags & XT_ADDRTYPE_INVERT_SOURCE);
	if (result == RESIDUALS_MATCH && condition->dest)
		result = address_type_result(net, device, kernel_number(header + 16),
					     condition->dest, flags & XT_ADDRTYPE_INVERT_DEST);
	return result;
}
