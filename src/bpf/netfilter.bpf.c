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

#include "bpf/handover.h"
#include "bpf/judge.h"
#include "bpf/match_state_requests.h"

char _license[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, DEVICES_COVERED_MAX);
	__type(key, __u32);
	__type(value, __u32); /* enum device_cover */
} covered SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DEVICES_COVERED_LOW);
	__type(key, __u32);
	__type(value, __u32);
} covered_low SEC(".maps");

#define DEVICE_FLAG_UP     (1u << 0)  /* IFF_UP */
#define DEVICE_STATE_START (1ul << 0) /* __LINK_STATE_START */

/*
 * A veth that is being set down lets packets pass by its XDP program, for milliseconds
 * (veth_close() in drivers/net/veth.c). It is up in name then, but has stopped already; when it is
 * set up it is the other way round (net/core/dev.c __dev_close_many(), __dev_open()).
 */
INLINE bool is_running(const struct net_device *device)
{
	return device && device->flags & DEVICE_FLAG_UP && device->state & DEVICE_STATE_START;
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

/* Has it been put together of fragments, which its device's program has seen one by one? */
INLINE bool was_fragmented(const struct sk_buff *skb, enum arena_family family)
{
	if (family == ARENA_IPV6)
		return KERNEL_POINTER(struct inet6_skb_parm, skb->cb)->frag_max_size;
	return KERNEL_POINTER(struct inet_skb_parm, skb->cb)->frag_max_size;
}

/* Who is to judge the packet. */
enum responsible {
	WE_ARE,
	DEVICE_IS,
	NOBODY_IS,
};

/* @cover: enum device_cover of the packet's device. */
INLINE enum responsible who_is_responsible(struct bpf_nf_ctx *ctx, enum arena_family family,
					   __u32 hook, __u32 judges, __u32 cover)
{
	__u32 wanted = hook == ARENA_OUTPUT ? DEVICE_COVERED_EGRESS : DEVICE_COVERED_INGRESS;

	/* Not in advance, while the devices' programs do not judge yet. */
	if (cover & DEVICE_COVERED_EXCLUDED && judges & JUDGES_INGRESS)
		return NOBODY_IS;
	if (judges & JUDGES_NETFILTER || !(cover & wanted))
		return WE_ARE;
	if (hook == ARENA_OUTPUT)
		return DEVICE_IS;
	if (!is_running(ctx->state->in) || was_left(ctx->skb))
		return WE_ARE;
	if (cover & DEVICE_COVERED_OF_LATE && was_fragmented(ctx->skb, family))
		return WE_ARE;
	return DEVICE_IS;
}

/* Has the device's program judged the packet, and accepted? Its note is taken away. */
INLINE bool was_judged(struct bpf_nf_ctx *ctx, enum arena_family family, __u32 hook)
{
	return handover_note(ctx, handover_where(HANDOVER_TC, family, hook), true) ||
	       handover_note(ctx, handover_where(HANDOVER_XDP, family, hook), true);
}

/* A function, or clang would make one call of it and that for small numbers, for either map. */
NOINLINE __u32 cover_of_great_number(__u32 device)
{
	const __u32 *cover = bpf_map_lookup_elem(&covered, &device);

	return cover ? *cover : 0;
}

INLINE __u32 cover_of_device(struct bpf_nf_ctx *ctx)
{
	__u32 device = source_device(ctx);
	const __u32 *cover;

	if (device >= DEVICES_COVERED_LOW)
		return cover_of_great_number(device);
	cover = bpf_map_lookup_elem(&covered_low, &device);
	return cover ? *cover : 0;
}

INLINE __u32 hook_of(struct bpf_nf_ctx *ctx)
{
	return (__u32)ctx->state->hook - 1; /* NF_INET_LOCAL_IN is 1 */
}

/*
 * Does the packet pass without being judged here? These are functions of their own, as the stack
 * of the program is nearly full.
 */
GLOBAL int is_left_alone(struct bpf_nf_ctx *ctx, __u32 family)
{
	__u32 judges = judges_now(~0u), hook = hook_of(ctx);
	enum responsible responsible =
		who_is_responsible(ctx, family, hook, judges, cover_of_device(ctx));

	/* Its note is to be taken away in any case. */
	if (judges & JUDGES_HANDOVER && hook != ARENA_OUTPUT && was_judged(ctx, family, hook))
		return true;
	return responsible != WE_ARE;
}

/* Tells the device's program, if there is one, that a packet which is sent has been accepted. */
GLOBAL int note_sent(struct bpf_nf_ctx *ctx, __u32 family)
{
	__u32 where = handover_where(HANDOVER_NETFILTER, family, ARENA_OUTPUT);

	return cover_of_device(ctx) & DEVICE_COVERED_EGRESS && handover_note(ctx, where, false);
}

INLINE int filter(struct bpf_nf_ctx *ctx, enum arena_family family)
{
	struct packet packet;

	if (judges_now(~0u) != JUDGES_NETFILTER && is_left_alone(ctx, family))
		return NF_ACCEPT;
	if (hook_of(ctx) >= ARENA_HOOKS || !judge(ctx, family, hook_of(ctx), &packet))
		return NF_DROP;
	if (hook_of(ctx) == ARENA_OUTPUT && judges_now(JUDGES_HANDOVER))
		note_sent(ctx, family);
	return NF_ACCEPT;
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
