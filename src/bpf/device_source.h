/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a packet comes from: a device, by XDP or at TC. See netfilter_source.h for what the
 * functions have to do. The program says what SOURCE is, and supplies frame_dynptr() and
 * frame_packet_type().
 *
 * These programs run with softirqs disabled, so that no other of them interrupts one on its CPU:
 * what is known of the packet is kept in a map, and the stack stays free for the walk.
 */
#pragma once

#include "abi/image.h"
#include "abi/residual.h"
#include "bpf/address_type.h"
#include "bpf/classify.h"
#include "bpf/ip_input.h"
#include "bpf/selector.h"
#include "bpf/source.h"
#include "bpf/tracker.h"

/* As much of a packet's front is kept as headers without options take, up to TCP's. */
#define DEVICE_FRONT_IPV4 40
#define DEVICE_FRONT_IPV6 64

struct device_work {
	struct packet packet; /* first: where it is at hand, all else is */
	/*
	 * The packet's first bytes. What is beyond its linear part is not the packet's, and means
	 * nothing.
	 */
	__u64 front[DEVICE_FRONT_IPV6 / sizeof(__u64)];
	__u32 front_size;
	__u32 unused;
	__u64 header; /* where the IP header is, in kernel memory */
	__u32 offset; /* of it in the frame */
	__u32 length; /* of the packet */
	__u32 linear; /* so much of it is in one piece */
	__u32 label;  /* of tracker_label() */
	__u32 where;  /* handover_where(), of a packet that comes in */
	__u32 owned;  /* a socket of this namespace has sent it */
	__u64 in;     /* struct net_device, as iptables sees it; 0: none */
	__u64 out;
	__u32 frame; /* enum frame_kind */
	__u32 mark;
	bool has_read;  /* the tracker has read the packet */
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

/* The work that @packet is in. */
INLINE const struct device_work *work_around(const struct packet *packet)
{
	return (const struct device_work *)packet;
}

/*
 * Keeps the front of the packet, which @words are. Where the caller reads them is up to it: as a
 * packet's bytes they take an instruction, as memory of the kernel seven.
 */
INLINE void keep_front(struct device_work *work, const __u64 *words, bool ipv6)
{
	__u32 size = ipv6 ? DEVICE_FRONT_IPV6 : DEVICE_FRONT_IPV4;

	for (__u32 i = 0; i < size / sizeof(*words); i++)
		work->front[i] = words[i];
	work->front_size = size;
}

/*
 * Reads it from the kernel's memory. Functions, or the verifier would see one instruction that
 * reads two kinds of memory.
 */
NOINLINE void read_ipv4_front(struct device_work *work)
{
	keep_front(work, kernel_words(work->header), false);
}

NOINLINE void read_ipv6_front(struct device_work *work)
{
	keep_front(work, kernel_words(work->header), true);
}

INLINE void read_front(struct device_work *work, bool ipv6)
{
	if (ipv6)
		read_ipv6_front(work);
	else
		read_ipv4_front(work);
}

/* The bytes of the frame. Returns 0 or -errno. */
static int frame_dynptr(SOURCE *ctx, struct bpf_dynptr *dynptr);

/* What skb->pkt_type is, or is going to be. */
static __u32 frame_packet_type(SOURCE *ctx);

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

INLINE __u32 source_packet_length(SOURCE *ctx, const struct packet *packet)
{
	HOLD_CONTEXT(ctx);
	return work_around(packet)->length;
}

INLINE bool source_has_read(const struct packet *packet)
{
	return work_around(packet)->has_read;
}

INLINE __u32 source_linear(SOURCE *ctx, const struct packet *packet)
{
	HOLD_CONTEXT(ctx);
	return work_around(packet)->linear;
}

INLINE __u32 source_linear_size(SOURCE *ctx)
{
	const struct device_work *work = device_work();

	HOLD_CONTEXT(ctx);
	return work ? work->linear : 0;
}

/* As source_front(). */
INLINE const struct in6_addr *source_front_of(const struct device_work *work, __u32 offset)
{
	return (const struct in6_addr *)(work->front + offset / sizeof(__u64));
}

INLINE const struct in6_addr *source_front(SOURCE *ctx, const struct packet *packet, __u32 offset)
{
	HOLD_CONTEXT(ctx);
	return source_front_of(work_around(packet), offset);
}

/* Behind options or extension headers. A function, or the verifier sees two kinds of memory read.
 */
NOINLINE void read_transport_far(const struct device_work *work, __u32 offset,
				 struct transport_bytes *ret_bytes)
{
	read_transport_at(kernel_bytes(work->header + offset), ret_bytes);
}

/* As source_transport(). */
INLINE void source_transport_of(const struct device_work *work, __u32 offset,
				struct transport_bytes *ret_bytes)
{
	const char *front = (const char *)work->front;

	if (offset == IPV4_HEADER_SIZE)
		read_transport_at((const struct in6_addr *)(front + IPV4_HEADER_SIZE), ret_bytes);
	else if (offset == IPV6_BASE_SIZE && work->front_size == DEVICE_FRONT_IPV6)
		read_transport_at((const struct in6_addr *)(front + IPV6_BASE_SIZE), ret_bytes);
	else
		read_transport_far(work, offset, ret_bytes);
}

INLINE void source_transport(SOURCE *ctx, const struct packet *packet, __u32 offset,
			     struct transport_bytes *ret_bytes)
{
	HOLD_CONTEXT(ctx);
	source_transport_of(work_around(packet), offset, ret_bytes);
}

INLINE int source_dynptr(SOURCE *ctx, struct bpf_dynptr *dynptr)
{
	const struct device_work *work = device_work();
	int error = frame_dynptr(ctx, dynptr);

	if (error || !work)
		return error;
	return bpf_dynptr_adjust(dynptr, work->offset, work->offset + work->length);
}

/* What the selection has let through without a total length has no room for it in its header. */
INLINE __u32 source_ipv4_length(SOURCE *ctx, __u32 length)
{
	__u32 total = bpf_ntohs(kernel_bytes(source_header(ctx))->in6_u.u6_addr16[1]);

	return total ? total : length;
}

INLINE __u32 source_packet_type(SOURCE *ctx)
{
	return frame_packet_type(ctx);
}

/* In which pieces the kernel will have the packet in the end is not known yet: in one. */
INLINE __u32 source_piece_end(SOURCE *ctx, __u32 offset)
{
	(void)offset;
	return source_length(ctx);
}

/* The kernel takes one off before FORWARD (net/ipv4/ip_forward.c, net/ipv6/ip6_output.c). */
INLINE __u8 source_hop_limit(SOURCE *ctx, const struct packet *packet, __u8 value)
{
	const struct device_work *work = work_around(packet);

	HOLD_CONTEXT(ctx);
	return work->in && work->out ? value - 1 : value;
}

/* A device whose address was kept as a number; NULL for 0. */
INLINE const struct net_device *device_at(__u64 address)
{
	return address ? (const struct net_device *)KERNEL_POINTER(struct net_device, address)
		       : NULL;
}

INLINE bool source_was_forwarded(SOURCE *ctx)
{
	const struct device_work *work = device_work();

	HOLD_CONTEXT(ctx);
	return work && work->out && (work->in || !work->owned);
}

INLINE void source_interfaces(SOURCE *ctx, struct packet *packet)
{
	const struct device_work *work = work_around(packet);

	HOLD_CONTEXT(ctx);
	read_interface(packet, FIELD_IN_INTERFACE, device_at(work->in));
	read_interface(packet, FIELD_OUT_INTERFACE, device_at(work->out));
}

INLINE __u32 source_device(SOURCE *ctx)
{
	const struct device_work *work = device_work();
	const struct net_device *device = work ? device_at(work->in ? work->in : work->out) : NULL;

	HOLD_CONTEXT(ctx);
	return device ? (__u32)device->ifindex : 0;
}

INLINE __u32 source_conntrack(SOURCE *ctx, const struct packet *packet, __u32 needs)
{
	HOLD_CONTEXT(ctx);
	(void)needs; /* there is no NAT in our own tracking */
	return work_around(packet)->label & (CONNTRACK_VALUES - 1);
}

INLINE enum source_ethernet source_ethernet(SOURCE *ctx, const unsigned char **ret_header,
					    __be16 *ret_type)
{
	const struct device_work *work = device_work();
	const struct net_device *device;

	HOLD_CONTEXT(ctx);
	device = work ? device_at(work->in) : NULL;
	/* lo's frames begin as Ethernet's do, but it is another kind of device. */
	if (!device || device->type != DEVICE_TYPE_ETHERNET || work->offset < ETHERNET_SIZE)
		return SOURCE_OTHER_DEVICE;
	*ret_header = (const unsigned char *)(work->header - work->offset);
	/* Behind tags the type is still the last that stands in front of the packet. */
	*ret_type = kernel_bytes(work->header - 2)->in6_u.u6_addr16[0];
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

GLOBAL int device_address_types_result(SOURCE *ctx,
				       const struct xt_addrtype_info_v1 ARENA *condition ARENA_ARG)
{
	const struct device_work *work = device_work();
	__u64 device;

	HOLD_CONTEXT(ctx);
	if (!work)
		return RESIDUALS_BOUND;
	device = work->in ? work->in : work->out;
	return address_types_result(
		KERNEL_ADDRESS(KERNEL_POINTER(struct net_device___network, device)->nd_net.net),
		work->in, work->out, (const unsigned char *)work->header, condition);
}

/* Rules that ask for anything else are refused (datapath/generation.c). */
INLINE int source_metadata_result(SOURCE *ctx, const struct residual ARENA *residual)
{
	if (residual->kind != RESIDUAL_ADDRESS_TYPE)
		return RESIDUALS_BOUND;
	return device_address_types_result(ctx, (const void ARENA *)(residual + 1));
}
