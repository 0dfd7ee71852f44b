// SPDX-License-Identifier: GPL-2.0-only
/*
 * The filter on netfilter's hooks: BPF_PROG_TYPE_NETFILTER, attached to LOCAL_IN, FORWARD and
 * LOCAL_OUT, where iptables' own filter table has its place. Context: struct bpf_nf_ctx, a packet
 * whose skb->data is the IP header; under rcu_read_lock(), preemptible in process context. It may
 * return NF_ACCEPT or NF_DROP.
 */
#include "bpf/kernel.h"

#include "abi/arena.h"
#include "abi/kernel_constants.h"
#include "bpf/conntrack.h"
#include "bpf/walk.h"

char _license[] SEC("license") = "GPL";

struct {
	__uint(type, KERNEL_MAP_TYPE_ARENA);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, ARENA_PAGES);
} arena SEC(".maps");

#define IPV4_HEADER_SIZE 20
#define TRANSPORT_SIZE   20 /* as much of the transport header as fields are read from */
#define IPV4_OFFSET_MASK 0x1fff
#define PROTOCOL_TCP     6

struct view {
	struct bpf_nf_ctx *ctx;
	struct arena_counter ARENA *counters;
	const struct arena_generation ARENA *generation;
	struct arena_stack ARENA *stack;
};

INLINE struct arena_root ARENA *arena_root(void)
{
	void *address = (void *)ARENA_ADDRESS;

	/*
	 * A program that uses arena memory has to mention its map, and clang must not see through
	 * the address, or it leaves out the cast that makes it an arena pointer.
	 */
	asm volatile("" : "+r"(address) : "r"(&arena));
	return (struct arena_root ARENA *)address;
}

#define ARENA_AT(type, offset) ((type ARENA *)((char ARENA *)arena_root() + (offset)))

INLINE void note_failure(enum arena_failure failure)
{
	__sync_fetch_and_add(&arena_root()->failures[failure], 1);
}

/*
 * Announces a walk in the generation in force, and returns its position; the readers' count keeps
 * it valid until leave_generation(). The atomic addition is a full barrier: the generation that is
 * read after it is one that nobody has begun to take away (datapath/generation.c waits for the
 * count). 0 if there is none.
 */
INLINE __u64 enter_generation(__u32 family, struct arena_readers ARENA *readers)
{
	volatile __u64 ARENA *current = &arena_root()->current[family];

	for (int attempt = 0; attempt < 8; attempt++) {
		__u64 position = *current;

		if (!position) {
			note_failure(ARENA_FAILURE_NO_RULESET);
			return 0;
		}
		__sync_fetch_and_add(&readers->under_way[position & 1], 1);
		if (*current == position)
			return position;
		__sync_fetch_and_add(&readers->under_way[position & 1], -1);
	}
	note_failure(ARENA_FAILURE_FLIPPING);
	return 0;
}

INLINE void leave_generation(struct arena_readers ARENA *readers, __u64 position)
{
	__sync_fetch_and_add(&readers->under_way[position & 1], -1);
}

static void count(struct view *view, __u32 counter, __u32 length)
{
	__sync_fetch_and_add(&view->counters[counter].packets, 1);
	__sync_fetch_and_add(&view->counters[counter].bytes, length);
}

/* Position of a free return stack, now taken; 0 if there is none. */
GLOBAL __u64 take_stack(const struct arena_generation ARENA *generation ARENA_ARG)
{
	__u32 number = bpf_get_smp_processor_id() * 4; /* where this CPU's are likely free */

	if (!generation->stacks)
		return 0;
	for (__u32 tries = 0; tries < ARENA_STACKS; tries++) {
		__u64 position = generation->stacks +
				 (__u64)(number++ % ARENA_STACKS) * generation->stack_size;

		if (!__sync_lock_test_and_set(&ARENA_AT(struct arena_stack, position)->taken, 1))
			return position;
		LOOP_BOUND;
	}
	return 0;
}

static bool push_deep(struct view *view, __u32 depth, __u32 bit)
{
	const struct arena_generation ARENA *generation = view->generation;

	if (!view->stack) {
		__u64 position = take_stack(generation);

		if (!position)
			return false;
		view->stack = ARENA_AT(struct arena_stack, position);
	}
	if (depth - WALK_SHALLOW >= generation->stack_entries)
		return false;
	view->stack->bit[depth - WALK_SHALLOW] = bit;
	return true;
}

static __u32 pop_deep(struct view *view, __u32 depth)
{
	return view->stack->bit[depth - WALK_SHALLOW];
}

GLOBAL int value_in_intervals(const struct residual_intervals ARENA *intervals ARENA_ARG,
			      const struct packet *packet NONNULL_ARG)
{
	__u32 field = intervals->field;
	__u64 high, low;
	__u32 i = 0;

	if (field >= FIELD_COUNT || !field_is_readable(field, packet_shape(packet)))
		return false;
	if (field < PACKET_WIDE_FIELDS) {
		high = packet->wide[field].high & intervals->mask.high;
		low = packet->wide[field].low & intervals->mask.low;
	} else {
		high = 0;
		low = packet_narrow(packet, field) & intervals->mask.low;
	}
	while (i < intervals->count) {
		const struct residual_value ARENA *first = &intervals->interval[i].first;
		const struct residual_value ARENA *last = &intervals->interval[i].last;

		if ((high > first->high || (high == first->high && low >= first->low)) &&
		    (high < last->high || (high == last->high && low <= last->low)))
			return true;
		i++;
		LOOP_BOUND;
	}
	return false;
}

#define TCP_HEADER_SIZE      20
#define TCP_OPTIONS_MAX_SIZE 40
#define TCP_OPTIONS_BUFFER   64 /* a power of two: indices are masked */

INLINE __u8 option_byte(const __u8 *options, __u32 index)
{
	return options[MASKED_INDEX(index, TCP_OPTIONS_BUFFER - 1)];
}

/* xt_tcpudp.c tcp_find_option(), on a header whose options are all there (SHAPE_WHOLE). */
GLOBAL int tcp_option_is_there(struct bpf_nf_ctx *ctx, __u32 transport, __u32 option)
{
	__u8 options[TCP_OPTIONS_BUFFER] = {};
	struct bpf_dynptr dynptr;
	__u8 header_words = 0;
	__u32 length, i = 0;

	if (bpf_dynptr_from_skb(ctx->skb, 0, &dynptr) ||
	    bpf_dynptr_read(&header_words, 1, &dynptr, transport + 12, 0))
		return false;
	length = (header_words >> 4) * 4;
	if (length <= TCP_HEADER_SIZE)
		return false;
	length -= TCP_HEADER_SIZE;
	if (length > TCP_OPTIONS_MAX_SIZE ||
	    bpf_dynptr_read(options, length, &dynptr, transport + TCP_HEADER_SIZE, 0))
		return false;
	while (i < length) {
		__u8 kind = option_byte(options, i);
		__u8 size = option_byte(options, i + 1);

		if (kind == option)
			return true;
		/* End of list and no-operation have no length; nor has one in the last byte. */
		i += kind < 2 || i == length - 1 || !size ? 1 : size;
		LOOP_BOUND;
	}
	return false;
}

INLINE bool residual_matches(struct bpf_nf_ctx *ctx, const struct packet *packet,
			     const struct residual ARENA *residual)
{
	const void ARENA *operand = residual + 1;

	switch (residual->kind) {
	case RESIDUAL_INTERVALS:
		return value_in_intervals(operand, packet);
	case RESIDUAL_TCP_OPTION: {
		const struct residual_tcp_option ARENA *option = operand;

		return tcp_option_is_there(ctx, packet->transport, option->option) !=
		       !!option->invert;
	}
	case RESIDUAL_CONNTRACK:
		return conntrack_matches(ctx, operand, arena_root()->tick_rate);
	}
	return false;
}

/* The list of residuals at @offset of the image, up to its end or the first that decides. */
GLOBAL int residuals_result(struct bpf_nf_ctx *ctx, const struct image ARENA *image ARENA_ARG,
			    const struct packet *packet NONNULL_ARG, __u32 offset)
{
	for (;;) {
		const struct residual ARENA *residual = IMAGE_AT(struct residual, image, offset);

		if (residual->kind == RESIDUAL_END)
			return RESIDUALS_MATCH;
		if (residual->kind == RESIDUAL_HOTDROP) {
			if (residual->argument >> packet_shape(packet) & 1)
				return RESIDUALS_DROP;
		} else if (!residual_matches(ctx, packet, residual)) {
			return RESIDUALS_DIFFER;
		}
		offset += residual->size;
		LOOP_BOUND;
	}
	return RESIDUALS_BOUND;
}

static enum residual_result evaluate_residuals(struct view *view, const struct image ARENA *image,
					       const struct packet *packet, __u32 offset)
{
	return residuals_result(view->ctx, image, packet, offset);
}

INLINE void read_interface(struct packet *packet, enum field field, const struct net_device *device)
{
	if (device) {
		packet->wide[field].high = bpf_be64_to_cpu(*(const __u64 *)device->name);
		packet->wide[field].low = bpf_be64_to_cpu(*(const __u64 *)(device->name + 8));
	}
}

INLINE enum shape transport_shape(__u32 available, __u32 protocol, __u8 header_words)
{
	__u32 header = (header_words >> 4) * 4;

	if (available < 4)
		return SHAPE_TINY;
	if (available < 8)
		return SHAPE_4_BYTES;
	if (available < TRANSPORT_SIZE)
		return SHAPE_8_BYTES;
	if (protocol == PROTOCOL_TCP && (header < TCP_HEADER_SIZE || header > available))
		return SHAPE_BAD_OPTIONS;
	return SHAPE_WHOLE;
}

/* The first bytes of the transport header; those that are not in the packet are 0. */
struct transport_bytes {
	__u32 ports;
	__u16 offset_flags; /* TCP: data offset and flags, bytes 12 and 13 */
};

NOINLINE bool read_scattered_transport(struct sk_buff *skb, __u32 offset, __u32 available,
				       struct transport_bytes *ret_bytes)
{
	__u8 bytes[TRANSPORT_SIZE] = {};
	struct bpf_dynptr dynptr;

	if (available > TRANSPORT_SIZE)
		available = TRANSPORT_SIZE;
	if (bpf_dynptr_from_skb(skb, 0, &dynptr) ||
	    (available && bpf_dynptr_read(bytes, available, &dynptr, offset, 0)))
		return false;
	ret_bytes->ports = *(__u32 *)bytes;
	ret_bytes->offset_flags = *(__u16 *)(bytes + 12);
	return true;
}

/* Most packets have their headers in the linear part: direct loads, as skb_header_pointer() does.
 */
INLINE bool read_transport_bytes(struct sk_buff *skb, __u32 offset, __u32 available,
				 struct transport_bytes *ret_bytes)
{
	__u32 linear = skb->len - skb->data_len;
	const struct in6_addr *bytes;

	if (available < TRANSPORT_SIZE || offset + TRANSPORT_SIZE > linear)
		return read_scattered_transport(skb, offset, available, ret_bytes);
	bytes = kernel_bytes(skb->data + offset);
	ret_bytes->ports = bytes->in6_u.u6_addr32[0];
	ret_bytes->offset_flags = bytes->in6_u.u6_addr16[6];
	return true;
}

/* Fills in the shape and the transport fields. @fragment in units of 8 bytes. */
INLINE bool read_transport(struct packet *packet, struct sk_buff *skb, __u32 offset, __u32 fragment,
			   __u32 protocol)
{
	__u32 available = skb->len > offset ? skb->len - offset : 0;
	struct transport_bytes bytes = {};

	if (fragment) {
		packet_narrow(packet, FIELD_SHAPE) =
			fragment == 1 ? SHAPE_FRAGMENT_1 : SHAPE_FRAGMENT;
		return true;
	}
	if (!read_transport_bytes(skb, offset, available, &bytes))
		return false;
	packet_narrow(packet, FIELD_SHAPE) =
		transport_shape(available, protocol, (__u8)bytes.offset_flags);
	packet_narrow(packet, FIELD_SOURCE_PORT) = bpf_ntohs((__u16)bytes.ports);
	packet_narrow(packet, FIELD_DESTINATION_PORT) = bpf_ntohs((__u16)(bytes.ports >> 16));
	packet_narrow(packet, FIELD_ICMP) = bpf_ntohs((__u16)bytes.ports);
	packet_narrow(packet, FIELD_TCP_FLAGS) = (__u8)(bytes.offset_flags >> 8);
	return true;
}

/* Reads of the IPv4 packet what @needs (enum image_needs) asks for into the zeroed @packet. */
INLINE bool read_packet(struct packet *packet, const struct bpf_nf_ctx *ctx, __u32 needs)
{
	const struct nf_hook_state *state = ctx->state;
	struct sk_buff *skb = ctx->skb;
	const struct in6_addr *header = kernel_bytes(skb->data);
	const struct in6_addr *rest = kernel_bytes(skb->data + 16);
	__u32 protocol = header->in6_u.u6_addr8[9];

	packet->length = skb->len;
	packet->wide[FIELD_SOURCE].low = bpf_ntohl(header->in6_u.u6_addr32[3]);
	packet->wide[FIELD_DESTINATION].low = bpf_ntohl(rest->in6_u.u6_addr32[0]);
	packet_narrow(packet, FIELD_PROTOCOL) = protocol;
	packet->transport = (header->in6_u.u6_addr8[0] & 15) * 4;
	if (needs & IMAGE_NEEDS_INTERFACES) {
		read_interface(packet, FIELD_IN_INTERFACE, state->in);
		read_interface(packet, FIELD_OUT_INTERFACE, state->out);
	}
	if (needs & IMAGE_NEEDS_CONNTRACK)
		packet_narrow(packet, FIELD_CONNTRACK) =
			packet_conntrack_bits(skb, needs & IMAGE_NEEDS_NAT);
	if (!(needs & IMAGE_NEEDS_TRANSPORT))
		return true;
	return read_transport(packet, skb, packet->transport,
			      bpf_ntohs(header->in6_u.u6_addr16[3]) & IPV4_OFFSET_MASK, protocol);
}

INLINE int verdict(enum walk_result result)
{
	if (result == WALK_ACCEPT)
		return NF_ACCEPT;
	if (result == WALK_STEPS_EXCEEDED)
		note_failure(ARENA_FAILURE_STEPS);
	else if (result == WALK_STACK_EXCEEDED)
		note_failure(ARENA_FAILURE_STACKS);
	return NF_DROP;
}

INLINE int judge(struct bpf_nf_ctx *ctx, __u64 position, __u32 hook, __u32 cpu)
{
	const struct arena_generation ARENA *generation =
		ARENA_AT(struct arena_generation, position & ~1ull);
	const struct image ARENA *image = ARENA_AT(struct image, generation->hook[hook].image);
	struct packet packet = {};
	struct view view = {.ctx = ctx, .generation = generation};
	enum walk_result result;

	view.counters = ARENA_AT(struct arena_counter, generation->hook[hook].counters) +
			(__u64)cpu * generation->hook[hook].counters_stride;
	if (!read_packet(&packet, ctx, image->needs)) {
		note_failure(ARENA_FAILURE_HEADER);
		return NF_DROP;
	}
	result = walk_chains(&view, image, &packet);
	if (view.stack)
		*(volatile __u64 ARENA *)&view.stack->taken = 0;
	return verdict(result);
}

SEC("netfilter")
int bpf_iptables_ipv4(struct bpf_nf_ctx *ctx)
{
	__u32 hook = (__u32)ctx->state->hook - 1; /* NF_INET_LOCAL_IN is 1 */
	__u32 cpu = bpf_get_smp_processor_id() % ARENA_CPUS;
	struct arena_readers ARENA *readers = &arena_root()->readers[ARENA_IPV4][cpu];
	__u64 position;
	int result;

	if (hook >= ARENA_HOOKS)
		return NF_DROP;
	position = enter_generation(ARENA_IPV4, readers);
	if (!position)
		return NF_DROP;
	result = judge(ctx, position, hook, cpu);
	leave_generation(readers, position);
	return result;
}
