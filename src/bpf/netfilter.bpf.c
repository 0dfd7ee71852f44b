// SPDX-License-Identifier: GPL-2.0-only
/*
 * The filter on netfilter's hooks: BPF_PROG_TYPE_NETFILTER, attached to LOCAL_IN, FORWARD and
 * LOCAL_OUT, where iptables' own filter table has its place. Context: struct bpf_nf_ctx, a packet
 * whose skb->data is the IP header; under rcu_read_lock(), preemptible in process context. It may
 * return NF_ACCEPT or NF_DROP.
 */
#include "abi/devices.h"
#include "bpf/kernel.h"

#include "bpf/netfilter_source.h"

#include "bpf/judge.h"

char _license[] SEC("license") = "GPL";

/*
 * Set while programs on devices judge packets (bpf/xdp.bpf.c, bpf/tc.bpf.c): here are those of the
 * devices that do not carry them, or not yet.
 */
const volatile bool beside_devices = false;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, DEVICES_COVERED_MAX);
	__type(key, __u32);
	__type(value, __u32); /* enum device_cover */
} covered SEC(".maps");

#define DEVICE_FLAG_UP     (1u << 0)  /* IFF_UP */
#define DEVICE_STATE_START (1ul << 0) /* __LINK_STATE_START */

/*
 * A veth that is being set down lets packets pass by its XDP program, for milliseconds
 * (veth_close() in drivers/net/veth.c). It is up in name then, but has stopped already; when it is
 * set up it is the other way round (net/core/dev.c __dev_close_many(), __dev_open()).
 */
INLINE bool is_running(const struct net_device *device)
{
	return device->flags & DEVICE_FLAG_UP && device->state & DEVICE_STATE_START;
}

INLINE bool is_covered(const struct nf_hook_state *state, enum arena_hook hook)
{
	const struct net_device *device = hook == ARENA_OUTPUT ? state->out : state->in;
	__u32 wanted = hook == ARENA_OUTPUT ? DEVICE_COVERED_EGRESS : DEVICE_COVERED_INGRESS;
	__u32 ifindex = device ? (__u32)device->ifindex : 0;
	const __u32 *cover = bpf_map_lookup_elem(&covered, &ifindex);

	return cover && *cover & wanted && (hook == ARENA_OUTPUT || is_running(device));
}

/* A program on a device has let it pass unjudged, as one that would not come here. */
INLINE bool was_left(const struct sk_buff *skb)
{
	const struct skb_shared_info *shared;

	if (skb->tc_index == DEVICE_LEFT_INDEX || skb->tc_index == DEVICE_JUDGED_INDEX)
		return skb->tc_index == DEVICE_LEFT_INDEX;
	shared = KERNEL_POINTER(struct skb_shared_info, skb->head + skb->end);
	return shared->meta_len == sizeof(__u32) &&
	       kernel_bytes(skb->head + skb->mac_header - sizeof(__u32))->in6_u.u6_addr32[0] ==
		       DEVICE_LEFT_METADATA;
}

INLINE int filter(struct bpf_nf_ctx *ctx, enum arena_family family)
{
	__u32 hook = (__u32)ctx->state->hook - 1; /* NF_INET_LOCAL_IN is 1 */
	struct packet packet;

	if (beside_devices && is_covered(ctx->state, hook) &&
	    (hook == ARENA_OUTPUT || !was_left(ctx->skb)))
		return NF_ACCEPT;
	return hook < ARENA_HOOKS && judge(ctx, family, hook, &packet) ? NF_ACCEPT : NF_DROP;
}

SEC("netfilter")
int bpf_iptables_ipv4(struct bpf_nf_ctx *ctx)
{
	return filter(ctx, ARENA_IPV4);
}

SEC("netfilter")
int bpf_iptables_ipv6(struct bpf_nf_ctx *ctx)
{
	return filter(ctx, ARENA_IPV6);
}
