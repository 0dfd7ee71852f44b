/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What programs on a device (XDP, tcx) read of the kernel's structures about devices and their
 * configuration. Those programs run under rcu_read_lock(), as the kernel's own code that follows
 * these pointers does. Reads are relocated to the running kernel (CO-RE); one that faults returns
 * 0.
 */
#pragma once

#include "bpf/kernel.h"
#include "bpf/portable.h"

#include <linux/ip.h>

/* "___" and what follows it is nothing to the loader: names here must not clash with kernel.h. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head___network {
	struct list_head___network *next;
};

struct hlist_node___network {
	struct hlist_node___network *next;
};

struct hlist_head___network {
	struct hlist_node___network *first;
};

typedef struct {
	int counter;
} atomic_t___network;

struct ipv4_devconf___network {
	int data[IPV4_DEVCONF_MAX]; /* of IPV4_DEVCONF_... - 1 */
};

struct ip_mc_list___network {
	__be32 multiaddr;
	struct ip_mc_list___network *next_rcu;
};

struct in_device___network {
	struct ip_mc_list___network *mc_list;
	struct ipv4_devconf___network cnf;
};

struct ipv6_devconf___network {
	__s32 disable_ipv6;
	__s32 forwarding;
	__s32 force_forwarding; /* since Linux 6.17 */
	atomic_t___network mc_forwarding;
};

struct ifmcaddr6___network {
	struct in6_addr mca_addr;
	struct ifmcaddr6___network *next;
};

struct inet6_dev___network {
	struct ifmcaddr6___network *mc_list;
	struct ipv6_devconf___network cnf;
};

struct netns_ipv4___network {
	_Bool fib_has_custom_rules;
	struct fib_table *fib_main; /* with CONFIG_IP_MULTIPLE_TABLES */
	struct hlist_head___network *fib_table_hash;
	struct ipv4_devconf___network *devconf_all;
	atomic_t___network rt_genid;
};

struct netns_ipv6___network {
	struct ipv6_devconf___network *devconf_all;
	_Bool fib6_has_custom_rules;
	atomic_t___network fib6_sernum;
};

struct nf_hook_entry___network {
	void *hook;
	void *priv;
};

enum nf_hook_ops_type___network {
	HOOK_TYPE_PLAIN,
	HOOK_TYPE_BPF = 2,
};

struct nf_hook_ops___network {
	int priority;
	enum nf_hook_ops_type___network hook_ops_type : 8;
};

/* Pointers to the struct nf_hook_ops follow. */
struct nf_hook_entries___network {
	__u16 num_hook_entries;
	struct nf_hook_entry___network hooks[];
};

struct netns_nf___network {
	struct nf_hook_entries___network *hooks_ipv4[1]; /* of NF_INET_PRE_ROUTING, which is 0 */
	struct nf_hook_entries___network *hooks_ipv6[1];
};

struct net___network {
	struct hlist_head___network *dev_index_head;
	struct netns_ipv4___network ipv4;
	struct netns_ipv6___network ipv6;
	struct netns_nf___network nf;
};

typedef struct {
	struct net___network *net;
} possible_net_t___network;

struct net_device___network {
	unsigned short type; /* ARPHRD_... */
	unsigned int flags;
	struct inet6_dev___network *ip6_ptr;
	int ifindex;
	possible_net_t___network nd_net;
	struct in_device___network *ip_ptr;
	const unsigned char *dev_addr;
	struct hlist_node___network index_hlist;
	struct {
		struct list_head___network upper;
		struct list_head___network lower;
	} adj_list;
	__u64 priv_flags : 32; /* a plain number before Linux 6.10: device_private_flags() */
};

struct netdev_adjacent___network {
	struct net_device___network *dev;
	_Bool master;
	struct list_head___network list;
};

struct xdp_rxq_info___network {
	struct net_device___network *dev;
};

struct xdp_buff___network {
	struct xdp_rxq_info___network *rxq;
};

struct sk_buff___network {
	struct net_device___network *dev;
};

#pragma clang attribute pop

extern void *bpf_cast_to_kern_ctx(void *context) __ksym;

/* include/linux/netdevice.h, enum netdev_priv_flags; include/uapi/linux/if.h */
#define DEVICE_FLAG_LOOPBACK      (1u << 3)
#define DEVICE_FLAG_SLAVE         (1u << 11)
#define DEVICE_PRIVATE_BONDING    (1u << 2)
#define DEVICE_PRIVATE_BRIDGED    (1u << 9)
#define DEVICE_PRIVATE_OVS_PORT   (1u << 10)
#define DEVICE_PRIVATE_TEAM_PORT  (1u << 13)
#define DEVICE_PRIVATE_VRF        (1u << 18)
#define DEVICE_PRIVATE_VRF_MEMBER (1u << 21)

typedef const struct net_device___network *device_t;

INLINE device_t device_of_xdp(struct xdp_md *context)
{
	return ((struct xdp_buff___network *)bpf_cast_to_kern_ctx(context))->rxq->dev;
}

INLINE device_t device_of_skb(struct __sk_buff *context)
{
	return ((struct sk_buff___network *)bpf_cast_to_kern_ctx(context))->dev;
}

#define DEVICE_TYPE_ETHERNET 1
#define DEVICE_TYPE_LOOPBACK 772

/* Do frames at the device begin with an Ethernet header? As in tun devices, for one, they do not.
 */
INLINE bool device_has_ethernet(device_t device)
{
	return device->type == DEVICE_TYPE_ETHERNET || device->type == DEVICE_TYPE_LOOPBACK;
}

/* As headers.h knows it, for its name. */
INLINE const struct net_device *device_plain(device_t device)
{
	return (const struct net_device *)device;
}

INLINE __u32 device_private_flags(device_t device)
{
	return (__u32)BPF_CORE_READ_BITFIELD(device, priv_flags);
}

/* The device whose member @member is at @address. */
#define DEVICE_AROUND(address, member)              \
	KERNEL_POINTER(struct net_device___network, \
		       (const char *)(address) -    \
			       bpf_core_field_offset(struct net_device___network, member))

#define DEVICE_INDEX_BUCKETS 256 /* include/net/net_namespace.h: NETDEV_HASHENTRIES */

/*
 * A device of the namespace, NULL if there is none (any more). The walk of dev_get_by_index_rcu()
 * (net/core/dev.c), so that its name is what it is now, as for iptables.
 */
INLINE device_t device_of_namespace(const struct net___network *net, __u32 ifindex)
{
	const struct hlist_head___network *head = net->dev_index_head;
	const struct hlist_node___network *node;

	head = KERNEL_POINTER(struct hlist_head___network,
			      (const char *)head +
				      (ifindex & (DEVICE_INDEX_BUCKETS - 1)) *
					      bpf_core_type_size(struct hlist_head___network));
	node = head->first;
	while (node) {
		device_t found = DEVICE_AROUND(node, index_hlist);

		if (found->ifindex == (int)ifindex)
			return found;
		node = found->index_hlist.next;
		LOOP_BOUND;
	}
	return NULL;
}

/* The same, of the namespace of @device. */
INLINE device_t device_by_index(device_t device, __u32 ifindex)
{
	return device_of_namespace(device->nd_net.net, ifindex);
}

/* The device that @device is a member of (a bridge, a VRF ...), or NULL. */
INLINE device_t device_master(device_t device)
{
	const struct list_head___network *first = device->adj_list.upper.next;
	const struct netdev_adjacent___network *adjacent;

	/* netdev_master_upper_dev_get_rcu() (net/core/dev.c): the first, if any. */
	if ((__u64)first ==
	    (__u64)device + bpf_core_field_offset(struct net_device___network, adj_list.upper))
		return NULL;
	adjacent = KERNEL_POINTER(
		struct netdev_adjacent___network,
		(const char *)first -
			bpf_core_field_offset(struct netdev_adjacent___network, list));
	return adjacent->master ? adjacent->dev : NULL;
}

/* Does the device get packets from others below it, as a bridge or a VLAN does? */
INLINE bool device_is_stacked(device_t device)
{
	return (__u64)device->adj_list.lower.next !=
	       (__u64)device + bpf_core_field_offset(struct net_device___network, adj_list.lower);
}

/* IN_DEV_CONF_GET() (include/linux/inetdevice.h); @attribute is IPV4_DEVCONF_... */
INLINE bool device_ipv4_conf(const struct in_device___network *in_device, __u32 attribute)
{
	return in_device->cnf.data[attribute - 1] != 0;
}
