// SPDX-License-Identifier: GPL-2.0-only
/*
 * INPUT and FORWARD at a device's XDP hook, before the kernel has made an skb of the frame. Frames
 * of a VLAN belong to the device above, which has a program of its own.
 */
#include "bpf/kernel.h"

#define SOURCE struct xdp_md

#include "bpf/device_judge.h"
#include "bpf/tracked_residual.h"
#include "bpf/tracker_collect.h"

char _license[] SEC("license") = "GPL";

static int frame_dynptr(SOURCE *ctx, struct bpf_dynptr *dynptr)
{
	return bpf_dynptr_from_xdp(ctx, 0, dynptr);
}

static __u32 frame_packet_type(SOURCE *ctx)
{
	const struct device_work *work = device_work();

	return work ? packet_type_of_mac(device_of_xdp(ctx),
					 kernel_word((const void *)(work->header - work->offset)))
		    : PACKET_TYPE_OTHERHOST;
}

/* Not every driver has room for metadata. */
static bool mark_left(SOURCE *ctx)
{
	__u32 *mark;

	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*mark)))
		return false;
	mark = (void *)(unsigned long)ctx->data_meta;
	if ((const void *)(mark + 1) > (const void *)(unsigned long)ctx->data)
		return false;
	*mark = DEVICE_LEFT_METADATA;
	return true;
}

INLINE enum description describe_payload(struct xdp_md *ctx, struct device_work *work, bool ipv6)
{
	const unsigned char *packet = (const void *)(unsigned long)ctx->data + ETH_HLEN;
	const unsigned char *end = (const void *)(unsigned long)ctx->data_end;

	if (packet + (ipv6 ? DEVICE_FRONT_IPV6 : DEVICE_FRONT_IPV4) <= end)
		keep_front(work, (const void *)packet, ipv6);
	else
		read_front(work, ipv6);
	return measure_packet(work, ipv6, (__u32)bpf_xdp_get_buff_len(ctx) - ETH_HLEN, false);
}

/* Of a frame that is no IP packet, but may have one behind tags. */
INLINE enum description describe_tagged(struct xdp_md *ctx, struct device_work *work, __be16 type,
					bool *ret_ipv6)
{
	enum description found = find_packet(work, type, ret_ipv6);

	if (found != DESCRIBED)
		return found;
	read_front(work, *ret_ipv6);
	return measure_packet(work, *ret_ipv6, (__u32)bpf_xdp_get_buff_len(ctx) - work->offset,
			      false);
}

#define ETHERNET_TYPE 12 /* where it is in the header */

/* Fills in work for the frame. */
INLINE enum description describe_frame(struct xdp_md *ctx, struct device_work *work, bool *ret_ipv6)
{
	const unsigned char *frame = (const void *)(unsigned long)ctx->data;
	const unsigned char *end = (const void *)(unsigned long)ctx->data_end;
	device_t device = device_of_xdp(ctx);
	__be16 type;

	if (frame + ETH_HLEN > end)
		return bpf_xdp_get_buff_len(ctx) < ETH_HLEN ? NOT_OURS : UNREADABLE;
	type = *(const __be16 *)(const void *)(frame + ETHERNET_TYPE);
	*ret_ipv6 = type == bpf_htons(ETH_P_IPV6);
	work->frame = frame_kind_of_xdp(device, *(const __u64 *)(const void *)frame);
	work->mark = 0;
	work->in = (__u64)device;
	work->offset = ETH_HLEN;
	work->header = (__u64)((struct xdp_buff *)bpf_cast_to_kern_ctx(ctx))->data + ETH_HLEN;
	work->linear = ctx->data_end - ctx->data - ETH_HLEN;
	if (type == bpf_htons(ETH_P_IP))
		return describe_payload(ctx, work, false);
	return *ret_ipv6 ? describe_payload(ctx, work, true)
			 : describe_tagged(ctx, work, type, ret_ipv6);
}

SEC("xdp.frags")
int bpf_iptables_xdp(struct xdp_md *ctx)
{
	struct device_work *work = device_work();
	enum description description;
	enum device_verdict verdict;
	bool ipv6;

	if (!judges_now(JUDGES_INGRESS))
		return XDP_PASS;
	if (!work)
		return XDP_DROP;
	description = describe_frame(ctx, work, &ipv6);
	verdict = description == DESCRIBED ? judge_incoming(ctx, work, ipv6, NOT_SENT, HANDOVER_XDP)
					   : without_judgement(description);
	return verdict == DEVICE_PASS ? XDP_PASS : XDP_DROP;
}
