// SPDX-License-Identifier: GPL-2.0-only
/*
 * The filter at TC (tcx): INPUT and FORWARD on ingress, where XDP cannot be used or is not wanted,
 * and OUTPUT on egress. Packets of a VLAN belong to the device above, which has programs of its
 * own.
 */
#include "bpf/kernel.h"

#define SOURCE struct __sk_buff

#include "bpf/device_judge.h"
#include "bpf/tracked_residual.h"
#include "bpf/tracker_collect.h"

#include <linux/pkt_cls.h>

#define TCX_NEXT (-1) /* what others here, and the stack, make of it */
#define TCX_DROP 2

char _license[] SEC("license") = "GPL";

static int frame_dynptr(SOURCE *ctx, struct bpf_dynptr *dynptr)
{
	return bpf_dynptr_from_skb(ctx, 0, dynptr);
}

static __u32 frame_packet_type(SOURCE *ctx)
{
	return ctx->pkt_type;
}

static bool mark_left(SOURCE *ctx)
{
	ctx->tc_index = DEVICE_LEFT_INDEX;
	return true;
}

/* It may have been left unjudged at a device below. */
INLINE void mark_judged(struct __sk_buff *ctx)
{
	if (ctx->tc_index == DEVICE_LEFT_INDEX || ctx->data_meta != ctx->data)
		ctx->tc_index = DEVICE_JUDGED_INDEX;
}

/* Marks mean something between a device and the hooks of its own namespace, not to the next one. */
INLINE void remove_mark(struct __sk_buff *ctx)
{
	if (ctx->tc_index == DEVICE_LEFT_INDEX || ctx->tc_index == DEVICE_JUDGED_INDEX)
		ctx->tc_index = 0;
}

/*
 * Fills in work for the packet. One that this machine sends is judged as it is, whatever its header
 * says of its length: senders of raw packets write headers of their own.
 */
INLINE enum description describe_skb(struct __sk_buff *ctx, struct device_work *work, bool outgoing,
				     bool *ret_ipv6)
{
	struct sk_buff *skb = bpf_cast_to_kern_ctx(ctx);
	__u64 frame = (__u64)skb->data;
	enum description found;

	if (ctx->vlan_present && ctx->vlan_tci & VLAN_ID_MASK)
		return NOT_OURS;
	work->header = (__u64)skb->head + skb->network_header;
	work->offset = (__u32)(work->header - frame);
	work->linear = skb->len - skb->data_len;
	work->in = (__u64)skb->dev;
	work->out = 0;
	if (work->offset > work->linear)
		return UNREADABLE;
	work->linear -= work->offset;
	found = find_packet(work, (__be16)ctx->protocol, ret_ipv6);
	if (found != DESCRIBED)
		return found;
	read_front(work, *ret_ipv6);
	if (outgoing) {
		work->length = skb->len - work->offset;
		return work->linear < (*ret_ipv6 ? IPV6_BASE_SIZE : IPV4_HEADER_SIZE) ? UNREADABLE
										      : DESCRIBED;
	}
	work->mark = ctx->mark;
	return measure_packet(work, *ret_ipv6, skb->len - work->offset, ctx->gso_segs > 0);
}

/*
 * What this machine sends to itself comes in at lo at once. Its label goes with it in skb->cb,
 * which only a queueing discipline would use in between, if somebody gave lo one. A packet without
 * the mark is labelled anew; so is one that belongs to no connection, as in the kernel.
 */
#define SENT_MARK 0x62697074

INLINE void send_label(struct __sk_buff *ctx, __u32 label)
{
	label &= CONNTRACK_VALUES - 1;
	if (label == CONNTRACK_INVALID)
		return;
	ctx->cb[0] = SENT_MARK;
	ctx->cb[1] = label;
}

INLINE __u32 sent_label(const struct __sk_buff *ctx)
{
	return ctx->cb[0] == SENT_MARK ? ctx->cb[1] : NOT_SENT;
}

SEC("tc")
int bpf_iptables_in(struct __sk_buff *ctx)
{
	struct device_work *work = device_work();
	enum description description;
	enum device_verdict verdict;
	__u32 sent = NOT_SENT;
	bool ipv6;

	if (!judges_now(JUDGES_INGRESS))
		return TCX_NEXT;
	/* As the stack does before it reads a header. */
	bpf_skb_pull_data(ctx, ctx->len < MAX_HEADERS ? ctx->len : MAX_HEADERS);
	if (!work)
		return TCX_DROP;
	description = describe_skb(ctx, work, false, &ipv6);
	if (description != DESCRIBED)
		return without_judgement(description) == DEVICE_PASS ? TCX_NEXT : TCX_DROP;
	work->frame = frame_kind_of_skb(
		ctx->pkt_type, work->offset >= ETH_HLEN
				       ? kernel_word((const void *)(work->header - work->offset))
				       : 0);
	mark_judged(ctx);
	if (device_of_skb(ctx)->flags & DEVICE_FLAG_LOOPBACK)
		sent = sent_label(ctx);
	verdict = judge_incoming(ctx, work, ipv6, sent, HANDOVER_TC);
	return verdict == DEVICE_PASS ? TCX_NEXT : TCX_DROP;
}

/*
 * Is this where the packet, which this machine sends, leaves its IP layer? Routing has chosen this
 * device for it, and not one above. What was forwarded has come in somewhere; what comes from
 * packet sockets, or is bridged, has no route, and iptables does not see it either.
 */
INLINE bool is_output(struct __sk_buff *ctx)
{
	struct sk_buff *skb = bpf_cast_to_kern_ctx(ctx);
	__u64 route;

	if (ctx->ingress_ifindex)
		return false;
	route = skb->_skb_refdst & ~1ull;
	return route && KERNEL_POINTER(struct dst_entry, route)->dev == skb->dev;
}

INLINE bool is_owned(struct __sk_buff *ctx)
{
	const struct sk_buff *skb = bpf_cast_to_kern_ctx(ctx);
	const struct sock *socket = skb->sk;

	return socket &&
	       (__u64)socket->__sk_common.skc_net.net == (__u64)device_of_skb(ctx)->nd_net.net;
}

SEC("tc")
int bpf_iptables_out(struct __sk_buff *ctx)
{
	struct device_work *work = device_work();
	enum description description;
	enum device_verdict verdict;
	enum arena_family family;
	bool ipv6;

	remove_mark(ctx);
	if (!judges_now(JUDGES_EGRESS | JUDGES_HANDOVER) || !is_output(ctx))
		return TCX_NEXT;
	if (!work)
		return TCX_DROP;
	description = describe_skb(ctx, work, true, &ipv6);
	if (description != DESCRIBED)
		return without_judgement(description) == DEVICE_PASS ? TCX_NEXT : TCX_DROP;
	work->owned = is_owned(ctx);
	work->out = work->in;
	work->in = 0;
	family = ipv6 ? ARENA_IPV6 : ARENA_IPV4;
	if (judges_now(JUDGES_HANDOVER) &&
	    handover_note(ctx, handover_where(HANDOVER_NETFILTER, family, ARENA_OUTPUT), true))
		return TCX_NEXT;
	if (!judges_now(JUDGES_EGRESS))
		return TCX_NEXT;
	verdict = judge_packet(ctx, work, family, ARENA_OUTPUT, NOT_SENT);
	if (verdict == DEVICE_DROP)
		return TCX_DROP;
	send_label(ctx, work->label);
	return TCX_NEXT;
}
