/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a packet comes from: a device, by XDP or at TC. See netfilter_source.h for what the
 * functions have to do. The program says what SOURCE is, and supplies frame_dynptr().
 *
 * These programs run with softirqs disabled, so that no other of them interrupts one on its CPU:
 * what is known of the packet is kept in a map, and the stack stays free for the walk.
 */
#pragma once

#include "abi/image.h"
#include "abi/residual.h"
#include "bpf/classify.h"
#include "bpf/ip_input.h"
#include "bpf/selector.h"
#include "bpf/source.h"
#include "bpf/tracker.h"

struct device_work {
	struct packet packet;
	struct selector_packet route;
	__u64 header; /* where the IP header is, in kernel memory */
	__u32 offset; /* of it in the frame */
	__u32 length; /* of the packet */
	__u32 linear; /* so much of it is in one piece */
	__u32 label;  /* of tracker_label() */
	__u64 in;     /* struct net_device, as iptables sees it; 0: none */
	__u64 out;
	__u8 bytes[64]; /* of the packet, while they are looked at */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct device_work);
} device_scratch SEC(".maps");

/* Nothing is delegated to the kernel: see netfilter_source.h. */
#define SOURCE_DELEGATES   false
#define source_packet(ctx) ((void)(ctx), 0ull)

/* The verifier wants functions to be called with a context, even if they do not use it. */
#define HOLD_CONTEXT(ctx) asm volatile("" : : "r"(ctx))

/* NULL is for the verifier. */
INLINE struct device_work *device_work(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&device_scratch, &zero);
}

/* The bytes of the frame. Returns 0 or -errno. */
static int frame_dynptr(SOURCE *ctx, struct bpf_dynptr *dynptr);

INLINE const unsigned char *source_header(SOURCE *ctx)
{
	const struct device_work *work = device_work();

	HOLD_CONTEXT(ctx);
	return work ? (const unsigned char *)work->header : NULL;
}

INLINE __u32 source_length(SOURCE *ctx)
{
	const struct device_work *work = device_work();

	HOLD_CONTEXT(ctx);
	return work ? work->length : 0;
}

INLINE __u32 source_linear(SOURCE *ctx)
{
	const struct device_work *work = device_work();

	HOLD_CONTEXT(ctx);
	return work ? work->linear : 0;
}

INLINE int source_dynptr(SOURCE *ctx, struct bpf_dynptr *dynptr)
{
	const struct device_work *work = device_work();
	int error = frame_dynptr(ctx, dynptr);

	if (error || !work)
		return error;
	return bpf_dynptr_adjust(dynptr, work->offset, work->offset + work->length);
}

/* The kernel takes one off before FORWARD (net/ipv4/ip_forward.c, net/ipv6/ip6_output.c). */
INLINE __u8 source_hop_limit(SOURCE *ctx, __u8 value)
{
	const struct device_work *work = device_work();

	HOLD_CONTEXT(ctx);
	return work && work->in && work->out ? value - 1 : value;
}

/* A device whose address was kept as a number; NULL for 0. */
INLINE const struct net_device *device_at(__u64 address)
{
	return address ? (const struct net_device *)KERNEL_POINTER(struct net_device, address)
		       : NULL;
}

INLINE void source_interfaces(SOURCE *ctx, struct packet *packet)
{
	const struct device_work *work = device_work();

	HOLD_CONTEXT(ctx);
	if (work) {
		read_interface(packet, FIELD_IN_INTERFACE, device_at(work->in));
		read_interface(packet, FIELD_OUT_INTERFACE, device_at(work->out));
	}
}

INLINE __u32 source_conntrack(SOURCE *ctx, __u32 needs)
{
	const struct device_work *work = device_work();

	HOLD_CONTEXT(ctx);
	(void)needs; /* there is no NAT in our own tracking */
	return work ? work->label & (CONNTRACK_VALUES - 1) : 0;
}

INLINE enum source_ethernet source_ethernet(SOURCE *ctx, const unsigned char **ret_header)
{
	const struct device_work *work = device_work();

	HOLD_CONTEXT(ctx);
	/* Behind tags the type is still the last that stands in front of the packet. */
	if (!work || work->offset < ETHERNET_SIZE ||
	    kernel_bytes(work->header - 2)->in6_u.u6_addr16[0] != bpf_htons(ETHERTYPE_IPV6))
		return SOURCE_OTHER_DEVICE;
	*ret_header = (const unsigned char *)(work->header - work->offset);
	return SOURCE_ETHERNET;
}

GLOBAL int tracked_matches(const struct residual_conntrack ARENA *condition ARENA_ARG,
			   __u32 tick_rate);

INLINE bool source_connection_matches(SOURCE *ctx, const struct residual_conntrack ARENA *condition,
				      __u32 tick_rate)
{
	HOLD_CONTEXT(ctx);
	return tracked_matches(condition, tick_rate);
}
