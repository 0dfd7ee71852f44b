/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's structures, as far as the programs read them. The loader relocates the accesses to
 * the running kernel (CO-RE), so that only names and types must be right, not offsets.
 */
#pragma once

#include "bpf/portable.h"

#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/in6.h>
#include <linux/types.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define NF_DROP   0
#define NF_ACCEPT 1

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct net;

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct sock *skc_listener; /* of a request: the socket that listens */
};

struct sock {
	struct sock_common __sk_common;
	struct socket *sk_socket;
};

struct sk_buff {
	struct sk_buff *next;
	struct net_device *dev;
	unsigned int len;
	unsigned int data_len;
	unsigned long _nfct;  /* struct nf_conn and, in the lowest bits, enum ip_conntrack_info */
	__u16 network_header; /* offsets from head */
	__u16 mac_header;
	__u16 tc_index;
	__u8 pkt_type : 3;
	unsigned int end; /* where struct skb_shared_info is, from head */
	unsigned char *head;
	unsigned char *data;
	unsigned long _skb_refdst; /* struct dst_entry, and flags in the lowest bits */
	struct sock *sk;
	__u32 mark;
	__u8 active_extensions; /* bits of enum skb_ext_id */
	struct skb_ext *extensions;
	char cb[48];
};

/* The extension with a number lies offset[number] * 8 bytes behind the start. */
struct skb_ext {
	__u8 offset[1];
};

/* In skb->cb of a packet that comes in (include/net/ip.h, include/linux/ipv6.h). */
struct inet_skb_parm {
	__u16 frag_max_size; /* not 0: it has been put together of fragments */
};

struct inet6_skb_parm {
	__u16 frag_max_size;
};

struct skb_frag {
	unsigned long netmem;
	unsigned int len;
};

struct skb_shared_info {
	__u8 meta_len; /* bytes in front of the MAC header that XDP has left */
	__u8 nr_frags;
	unsigned short gso_size;
	unsigned int gso_type;
	struct sk_buff *frag_list;
	struct skb_frag frags[1];
};

struct dst_entry {
	struct net_device *dev;
	struct xfrm_state *xfrm;
	__u32 tclassid;
};

struct xdp_buff {
	void *data;
};

struct net_device {
	char name[16] __attribute__((aligned(8))); /* so that it is not read byte by byte */
	unsigned long state;                       /* bits of enum netdev_state_t */
	unsigned int flags;                        /* IFF_... */
	unsigned short type;
	int ifindex;
	int group;
};

struct nf_hook_state {
	__u8 hook;
	struct net *net;
	struct net_device *in;
	struct net_device *out;
};

struct bpf_nf_ctx {
	const struct nf_hook_state *state;
	struct sk_buff *skb;
};

union nf_inet_addr {
	__u32 all[4];
};

union nf_conntrack_man_proto {
	__be16 all;
};

struct nf_conntrack_man {
	union nf_inet_addr u3;
	union nf_conntrack_man_proto u;
};

struct nf_conntrack_tuple {
	struct nf_conntrack_man src;
	struct {
		union nf_inet_addr u3;
		union {
			__be16 all;
		} u;
		__u8 protonum;
	} dst;
};

struct nf_conntrack_tuple_hash {
	struct nf_conntrack_tuple tuple;
};

struct nf_conn {
	__u32 timeout;
	struct nf_conntrack_tuple_hash tuplehash[2];
	unsigned long status;
	struct nf_conn *master;
	__u32 mark;
	struct nf_ct_ext *ext;
};

/* The extension with a number lies offset[number] bytes behind the start, if it is there. */
struct nf_ct_ext {
	__u8 offset[1];
};

#pragma clang attribute pop

struct bpf_dynptr;

extern void *bpf_rdonly_cast(const void *object, __u32 btf_id) __ksym;
extern int bpf_dynptr_adjust(const struct bpf_dynptr *dynptr, __u32 start, __u32 end) __ksym;
extern int bpf_dynptr_from_xdp(struct xdp_md *context, __u64 flags,
			       struct bpf_dynptr *dynptr) __ksym;
extern int bpf_dynptr_from_skb(struct __sk_buff *skb, __u64 flags,
			       struct bpf_dynptr *dynptr) __ksym;

#define KERNEL_POINTER(type, address) \
	((type *)bpf_rdonly_cast((const void *)(address), bpf_core_type_id_kernel(type)))

/*
 * Sixteen bytes of kernel memory, to be read as we like. Reads that fault return 0 (BPF_PROBE_MEM):
 * no check is needed to be safe.
 */
#define kernel_bytes(address)                                              \
	((const struct in6_addr *)bpf_rdonly_cast((const void *)(address), \
						  bpf_core_type_id_kernel(struct in6_addr)))

/* The same for words of eight bytes, up to 24: each read takes seven instructions. */
#define kernel_words(address)                                    \
	((const __u64 *)bpf_rdonly_cast((const void *)(address), \
					bpf_core_type_id_kernel(struct rtnl_link_stats64)))

/* Eight bytes of kernel memory as a number, which may be handed to a GLOBAL function. */
INLINE __u64 kernel_word(const void *address)
{
	return kernel_words(address)[0];
}

/* Four bytes of it. */
INLINE __u32 kernel_number(const void *address)
{
	return kernel_bytes(address)->in6_u.u6_addr32[0];
}

/*
 * The pointer in @member of a structure of the kernel, as a number: such ones may be computed with,
 * and handed to GLOBAL functions.
 */
#define KERNEL_ADDRESS(member) kernel_word(&(member))

/* Where the packet's struct dst_entry is; 0 if it has none. */
INLINE __u64 packet_route(const struct sk_buff *skb)
{
	return skb->_skb_refdst & ~1ul; /* SKB_DST_NOREF */
}
