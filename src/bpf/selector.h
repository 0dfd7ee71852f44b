/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The chain selector: which chain a packet that comes in at a device belongs to, before the
 * kernel's IP code has seen it.
 *
 * The kernel's own routing decides. bpf_fib_lookup() is that routing, with its rules, tables and
 * VRFs, at this very moment, and it names the device that a forwarded packet leaves by. But it
 * answers for forwarded packets only: of all others it says no more than that they are not, be it
 * that they are for this machine, be it that the kernel will drop them; and with forwarding off it
 * says nothing at all. So there is also a table of local addresses (datapath/local_addresses.h),
 * which is late by nature: an address may be in use before it is in the table.
 *
 * Therefore the table carries a stamp, the kernel's own count of changes to its routes. It is
 * believed only while that count is still the same. While it is not, a packet that is not
 * forwarded is judged by INPUT, whether the kernel will deliver or drop it. So a packet that
 * reaches somebody has always been judged; only one that the kernel drops may have been counted.
 *
 * SELECTION_DROPPED is said of packets that the kernel drops before it would call iptables' chain.
 * If something may change the packet before it is routed (a hook in PREROUTING: NAT, mangle), that
 * is not certain, and the packet is judged. Between this answer and the kernel's own routing the
 * kernel may learn of an address: whoever lets the packet pass has to see to that.
 *
 * What can't be known is SELECTION_UNKNOWN, which the caller drops and counts:
 *  - IPv6 from a device whose own `forwarding` is off while that of `all` is on, for an address
 *    that is not local: the kernel forwards it, bpf_fib_lookup() refuses to say whereto;
 *  - IPv6 from a link-local source, where rules choose routes by source;
 *  - IPv6 where bpf_fib_lookup() is wrong: rules with suppress_prefixlength, throw routes;
 *  - routes with an encapsulation of their own (lwtunnel: MPLS, SRv6 ...);
 *  - multicast routing and directed broadcasts (mc_forwarding, bc_forwarding): one packet takes
 *    several ways.
 */
#pragma once

#include "abi/kernel_constants.h"
#include "abi/selector.h"
#include "bpf/kernel_network.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SELECTOR_ADDRESSES);
	__type(key, __be32);
	__type(value, __u32);
} local_ipv4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SELECTOR_ADDRESSES);
	__type(key, struct selector_ipv6_address);
	__type(value, __u32);
} local_ipv6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SELECTOR_PREFIXES);
	__type(key, struct selector_ipv4_prefix);
	__type(value, __u32);
} local_nets_ipv4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SELECTOR_PREFIXES);
	__type(key, struct selector_ipv6_prefix);
	__type(value, __u32);
} local_nets_ipv6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct selector_state);
} local_state SEC(".maps");

/*
 * What was found in the table for an IPv4 address of late. No program interrupts another on its
 * CPU: softirqs are disabled while they run.
 */
#define SELECTOR_REMEMBERED 64

struct selector_remembered {
	__be32 address;
	__u32 flags;
	__u32 version; /* of the table: selector_state.version */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SELECTOR_REMEMBERED);
	__type(key, __u32);
	__type(value, struct selector_remembered);
} local_remembered SEC(".maps");

enum selection {
	SELECTION_NONE,    /* it is not for this device: let it pass */
	SELECTION_INPUT,   /* judge it by INPUT */
	SELECTION_FORWARD, /* judge it by FORWARD */
	SELECTION_UNKNOWN, /* drop it, and count a failure */
	SELECTION_DROPPED, /* the kernel will drop it, as things are: let it pass, marked */
};

/* For whom the frame is. */
enum frame_kind {
	FRAME_HOST, /* this device, or a device without Ethernet addresses */
	FRAME_GROUP,
	FRAME_OTHER,
	/* 01:80:c2:00:00:00 to 0f, which a bridge or bond leaves with the device. A group. */
	FRAME_LINK,
	FRAME_LOOPED, /* the machine's own multicast or broadcast comes back to it */
};

/* AF_INET, AF_INET6 */
#define ADDRESS_FAMILY_IPV4 2
#define ADDRESS_FAMILY_IPV6 10

/* skb->pkt_type (include/uapi/linux/if_packet.h) */
#define PACKET_TYPE_HOST      0
#define PACKET_TYPE_BROADCAST 1
#define PACKET_TYPE_MULTICAST 2
#define PACKET_TYPE_OTHERHOST 3
#define PACKET_TYPE_LOOPBACK  5

struct selector_packet {
	/*
	 * To be filled in: family; l4_protocol, sport and dport (0 if there are none); tos, or
	 * flowinfo (IPv6: the header's first word, without the version); source and destination.
	 * All else zero. Contents are undefined after the selection.
	 */
	struct bpf_fib_lookup route;
	device_t device;
	enum frame_kind frame;
	__u8 hop_limit; /* or time to live */
	__u32 mark;     /* skb->mark; 0 in XDP */
	/* SELECTION_FORWARD: the device that the packet leaves by. Not NULL then. */
	device_t out;
};

#define MAC_LINK_GROUP      0x00000000c28001ull /* in memory order, little endian */
#define MAC_LINK_GROUP_MASK 0xf0ffffffffffull
#define MAC_MASK            0xffffffffffffull
#define MAC_MULTICAST       1u

/* What eth_type_trans() (net/ethernet/eth.c) says of @mac, the frame's first eight bytes. */
INLINE enum frame_kind frame_kind_of_mac(device_t device, __u64 mac)
{
	const struct in6_addr *own = kernel_bytes(device->dev_addr);
	__u64 own_mac = own->in6_u.u6_addr32[0] | (__u64)own->in6_u.u6_addr16[2] << 32;

	mac &= MAC_MASK;
	if (mac == own_mac)
		return FRAME_HOST;
	if ((mac & MAC_LINK_GROUP_MASK) == MAC_LINK_GROUP)
		return FRAME_LINK;
	return mac & MAC_MULTICAST ? FRAME_GROUP : FRAME_OTHER;
}

/* skb->pkt_type as it is going to be; see frame_kind_of_xdp(). */
INLINE __u32 packet_type_of_mac(device_t device, __u64 mac)
{
	mac &= MAC_MASK;
	if (frame_kind_of_mac(device, mac) == FRAME_HOST)
		return PACKET_TYPE_HOST;
	if (mac & MAC_MULTICAST)
		return mac == MAC_MASK ? PACKET_TYPE_BROADCAST : PACKET_TYPE_MULTICAST;
	return device_is_stacked(device) ? PACKET_TYPE_HOST : PACKET_TYPE_OTHERHOST;
}

/*
 * In XDP there is no skb->pkt_type yet, but for generic XDP on a device above others, where who
 * handed the packet up may have set it (net/bridge/br_input.c). There it is taken for ours.
 */
INLINE enum frame_kind frame_kind_of_xdp(device_t device, __u64 mac)
{
	enum frame_kind kind = frame_kind_of_mac(device, mac);

	if (kind == FRAME_HOST || kind == FRAME_LINK)
		return kind;
	return device_is_stacked(device) ? FRAME_HOST : kind;
}

/* @mac is 0 on devices without Ethernet header. */
INLINE enum frame_kind frame_kind_of_skb(__u32 pkt_type, __u64 mac)
{
	if (pkt_type == PACKET_TYPE_HOST)
		return FRAME_HOST;
	if (pkt_type == PACKET_TYPE_LOOPBACK)
		return FRAME_LOOPED;
	if (pkt_type == PACKET_TYPE_OTHERHOST)
		return FRAME_OTHER;
	return (mac & MAC_LINK_GROUP_MASK) == MAC_LINK_GROUP ? FRAME_LINK : FRAME_GROUP;
}

INLINE const struct selector_state *selector_state(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&local_state, &zero);
}

/*
 * Frames that a bridge, bond, team or Open vSwitch takes away from the device by a receive handler;
 * they come in again at the device above.
 */
INLINE bool frame_is_taken_away(device_t device, enum frame_kind frame)
{
	__u32 private = device_private_flags(device);

	if (frame == FRAME_LINK)
		return false;
	if (private & (DEVICE_PRIVATE_BRIDGED | DEVICE_PRIVATE_OVS_PORT | DEVICE_PRIVATE_TEAM_PORT))
		return true;
	return private & DEVICE_PRIVATE_BONDING && device->flags & DEVICE_FLAG_SLAVE;
}

/*
 * The device that iptables sees as the one where the packet came in: the VRF instead of its member
 * (drivers/net/vrf.c; @stays for IPv6 addresses that mean something on one link only).
 */
INLINE device_t selector_in_device(device_t device, bool stays)
{
	device_t master;

	if (stays || !(device_private_flags(device) & DEVICE_PRIVATE_VRF_MEMBER))
		return device;
	master = device_master(device);
	return master && device_private_flags(master) & DEVICE_PRIVATE_VRF ? master : device;
}

/* include/uapi/linux/netfilter_ipv4.h: enum nf_ip_hook_priorities */
#define HOOK_PRIORITY_FIRST     (-2147483647 - 1) /* br_netfilter */
#define HOOK_PRIORITY_DEFRAG    (-400)
#define HOOK_PRIORITY_CONNTRACK (-200)

#define HOOK_TYPE_BPF   2 /* enum nf_hook_ops_type: cannot change packets */
#define HOOKS_LOOKED_AT 8

/* BPF_CORE_READ_BITFIELD() reads beyond the bytes that the verifier knows the field in. */
INLINE __u64 hook_type(const struct nf_hook_ops___network *hook)
{
	__u64 word =
		kernel_bytes((const char *)hook + __CORE_RELO(hook, hook_ops_type, BYTE_OFFSET))
			->in6_u.u6_addr32[0];

	return word << __CORE_RELO(hook, hook_ops_type, LSHIFT_U64) >>
	       __CORE_RELO(hook, hook_ops_type, RSHIFT_U64);
}

INLINE bool hook_changes_nothing(const struct nf_hook_ops___network *hook)
{
	__u64 type = hook_type(hook);

	if (type != HOOK_TYPE_PLAIN)
		return type == HOOK_TYPE_BPF; /* those can only read */
	return hook->priority == HOOK_PRIORITY_FIRST || hook->priority == HOOK_PRIORITY_DEFRAG ||
	       hook->priority == HOOK_PRIORITY_CONNTRACK;
}

/*
 * Whether nothing between us and the kernel's routing can change a packet: among @hooks (the
 * address of struct nf_hook_entries) of PREROUTING there are at most such that never do.
 */
GLOBAL int packets_stay_as_they_are(__u64 hooks)
{
	const struct nf_hook_entries___network *entries =
		KERNEL_POINTER(struct nf_hook_entries___network, hooks);
	const char *operations;
	__u32 count;

	if (!hooks)
		return true;
	count = entries->num_hook_entries;
	/* An array of pointers follows the one of hooks: nf_hook_entries_get_hook_ops(). */
	operations = (const char *)entries +
		     bpf_core_field_offset(struct nf_hook_entries___network, hooks) +
		     (__u64)count * bpf_core_type_size(struct nf_hook_entry___network);
	for (__u32 i = 0; i < HOOKS_LOOKED_AT; i++) {
		if (i == count)
			return true;
		if (!hook_changes_nothing(
			    KERNEL_POINTER(struct nf_hook_ops___network,
					   KERNEL_POINTER(struct hlist_head___network,
							  operations + i * sizeof(void *))
						   ->first)))
			return false;
	}
	return false;
}

/* DROPPED if the kernel's decision to drop is certain, otherwise @otherwise. */
INLINE enum selection dropped_ipv4(const struct net___network *net, enum selection otherwise)
{
	return packets_stay_as_they_are(kernel_word(&net->nf.hooks_ipv4[0])) ? SELECTION_DROPPED
									     : otherwise;
}

INLINE enum selection dropped_ipv6(const struct net___network *net, enum selection otherwise)
{
	return packets_stay_as_they_are(kernel_word(&net->nf.hooks_ipv6[0])) ? SELECTION_DROPPED
									     : otherwise;
}

/*
 * The route of the packet by the kernel's rules: a BPF_FIB_LKUP_RET_... or a negative errno. The
 * length is left out on purpose: what is too big for its way out is judged all the same. A mark
 * takes Linux 6.10; there is none unless somebody sets it before us.
 */
INLINE long look_up_route(void *context, struct selector_packet *packet)
{
	__u32 flags = BPF_FIB_LOOKUP_SKIP_NEIGH;

	if (packet->mark) {
		*(__u32 *)packet->route.smac = packet->mark; /* a union, in newer headers */
		flags |= KERNEL_FIB_LOOKUP_MARK;
	}
	packet->route.ifindex = (__u32)packet->device->ifindex;
	return bpf_fib_lookup(context, &packet->route, sizeof(packet->route), flags);
}

/* What @route says, for a packet that is not local; FORWARD with the device in @packet->out. */
enum route_kind {
	ROUTE_FORWARD,
	ROUTE_REFUSED,    /* unreachable, prohibited, blackhole */
	ROUTE_NO_FORWARD, /* local, or there is none, or forwarding is off */
	ROUTE_UNKNOWN,
};

INLINE enum route_kind follow_route(struct selector_packet *packet, long result)
{
	switch (result) {
	case BPF_FIB_LKUP_RET_SUCCESS:
	case BPF_FIB_LKUP_RET_FRAG_NEEDED:
	case BPF_FIB_LKUP_RET_NO_NEIGH:
		packet->out = device_by_index(packet->device, packet->route.ifindex);
		return packet->out ? ROUTE_FORWARD : ROUTE_UNKNOWN;
	case BPF_FIB_LKUP_RET_BLACKHOLE:
	case BPF_FIB_LKUP_RET_UNREACHABLE:
	case BPF_FIB_LKUP_RET_PROHIBIT:
		return ROUTE_REFUSED;
	case BPF_FIB_LKUP_RET_NOT_FWDED:
	case BPF_FIB_LKUP_RET_FWD_DISABLED:
		return ROUTE_NO_FORWARD;
	default:
		return ROUTE_UNKNOWN;
	}
}

/*
 * What ip_forward() and ip6_forward() drop before the chain: frames that are not for us, packets
 * that have no hop left.
 */
INLINE bool may_be_forwarded(const struct selector_packet *packet)
{
	return (packet->frame == FRAME_HOST || packet->frame == FRAME_LOOPED) &&
	       packet->hop_limit > 1;
}

#include "bpf/selector_ipv4.h"
#include "bpf/selector_ipv6.h"

/*
 * The chain of an IP packet whose header is whole. @context is that of the program (struct xdp_md
 * or struct __sk_buff).
 */
INLINE enum selection select_chain(void *context, struct selector_packet *packet)
{
	if (packet->device->flags & DEVICE_FLAG_LOOPBACK || packet->frame == FRAME_LOOPED)
		return SELECTION_INPUT; /* it has been routed when it was sent */
	if (frame_is_taken_away(packet->device, packet->frame) || packet->frame == FRAME_OTHER)
		return SELECTION_NONE;
	return packet->route.family == ADDRESS_FAMILY_IPV4 ? select_ipv4(context, packet)
							   : select_ipv6(context, packet);
}

/*
 * Run by the daemon (BPF_PROG_TEST_RUN, in its network namespace) to read what the kernel's stamps
 * are now.
 */
SEC("xdp")
int bpf_iptables_stamps(struct xdp_md *context)
{
	const struct net___network *net = device_of_xdp(context)->nd_net.net;
	struct selector_state *state = (struct selector_state *)selector_state();

	if (!state)
		return XDP_ABORTED;
	state->kernel_stamp[SELECTOR_IPV4] = SELECTOR_STAMP(net->ipv4.rt_genid.counter);
	state->kernel_stamp[SELECTOR_IPV6] = SELECTOR_STAMP(net->ipv6.fib6_sernum.counter);
	return XDP_PASS;
}
