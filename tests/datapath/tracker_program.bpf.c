// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tracker by itself, for test runs: the packet is a struct tracker_packet, behind a head that
 * says whether it is accepted. The programs return what tracker_label() does, or TEST_DROPPED.
 */
#include "bpf/kernel.h"

#include "bpf/tracker.h"
#include "bpf/tracker_collect.h"

#include "tracker_program.h"

char _license[] SEC("license") = "GPL";

/* Makes another packet of a SYN with sequence number 0. */
INLINE void shuffle(struct tracker_packet *packet)
{
	__u32 random = bpf_get_prandom_u32(), kind = random >> 8 & 3;
	__be16 port = (__be16)(random & 7);
	struct tracker_address client;

	packet->transport.port.source = port;
	if (!kind)
		return;
	packet->tcp.acknowledgement = 1;
	if (kind == 1) {
		client = packet->source;
		packet->source = packet->destination;
		packet->destination = client;
		packet->transport.port.source = packet->transport.port.destination;
		packet->transport.port.destination = port;
		packet->tcp.flags = TCP_FLAG_SYN | TCP_FLAG_ACK;
	} else {
		packet->tcp.sequence = 1;
		packet->tcp.flags = TCP_FLAG_ACK;
	}
}

INLINE int judge(struct tracker_work *work, __u32 flags)
{
	int label;

	if (flags & TEST_SHUFFLE)
		shuffle(&work->packet);
	label = tracker_label(work);

	if (flags & TEST_ACCEPT && label & TRACKER_COMMIT && tracker_commit(work))
		return TEST_DROPPED;
	return label;
}

SEC("xdp")
int tracker_test_xdp(struct xdp_md *ctx)
{
	struct tracker_work *work = tracker_work();
	__u32 flags;

	if (!work || bpf_xdp_load_bytes(ctx, TEST_FLAGS_OFFSET, &flags, sizeof(flags)) ||
	    bpf_xdp_load_bytes(ctx, TEST_PACKET_OFFSET, &work->packet, sizeof(work->packet)))
		return TEST_DROPPED;
	return judge(work, flags);
}

SEC("tc")
int tracker_test_tc(struct __sk_buff *skb)
{
	struct tracker_work *work = tracker_work();
	__u32 flags;

	if (!work || bpf_skb_load_bytes(skb, TEST_FLAGS_OFFSET, &flags, sizeof(flags)) ||
	    bpf_skb_load_bytes(skb, TEST_PACKET_OFFSET, &work->packet, sizeof(work->packet)))
		return TEST_DROPPED;
	return judge(work, flags);
}

/* What the programs above cost without the tracker. */
SEC("xdp")
int tracker_test_nothing(struct xdp_md *ctx)
{
	struct tracker_work *work = tracker_work();
	__u32 flags;

	if (!work || bpf_xdp_load_bytes(ctx, TEST_FLAGS_OFFSET, &flags, sizeof(flags)) ||
	    bpf_xdp_load_bytes(ctx, TEST_PACKET_OFFSET, &work->packet, sizeof(work->packet)))
		return TEST_DROPPED;
	return (int)flags;
}
