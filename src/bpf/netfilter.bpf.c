// SPDX-License-Identifier: GPL-2.0-only
/*
 * The filter on netfilter's hooks: BPF_PROG_TYPE_NETFILTER, attached to LOCAL_IN, FORWARD and
 * LOCAL_OUT, where iptables' own filter table has its place. Context: struct bpf_nf_ctx, a packet
 * whose skb->data is the IP header; under rcu_read_lock(), preemptible in process context. It may
 * return NF_ACCEPT or NF_DROP.
 */
#include "bpf/kernel.h"

#include "bpf/generation.h"
#include "bpf/headers.h"
#include "bpf/residuals.h"
#include "bpf/walk.h"

char _license[] SEC("license") = "GPL";

/* Positions in the arena have 32 bits: the program's stack is short. */
struct view {
	struct bpf_nf_ctx *ctx;
	__u32 counters;
	__u32 generation;
	__u32 stack; /* 0 while none is taken */
};

static void count(struct view *view, __u32 counter, __u32 length)
{
	struct arena_counter ARENA *counters = ARENA_AT(struct arena_counter, view->counters);

	__sync_fetch_and_add(&counters[counter].packets, 1);
	__sync_fetch_and_add(&counters[counter].bytes, length);
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
	const struct arena_generation ARENA *generation =
		ARENA_AT(struct arena_generation, view->generation);

	if (!view->stack)
		view->stack = (__u32)take_stack(generation);
	if (!view->stack || depth - WALK_SHALLOW >= generation->stack_entries)
		return false;
	ARENA_AT(struct arena_stack, view->stack)->bit[depth - WALK_SHALLOW] = bit;
	return true;
}

static __u32 pop_deep(struct view *view, __u32 depth)
{
	return ARENA_AT(struct arena_stack, view->stack)->bit[depth - WALK_SHALLOW];
}

static enum residual_result evaluate_residuals(struct view *view, const struct image ARENA *image,
					       const struct packet *packet, __u32 offset)
{
	return residuals_result(view->ctx, image, packet, offset);
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

/* What is done for the packet between entering a generation and leaving it. */
INLINE int judge(struct bpf_nf_ctx *ctx, enum arena_family family, __u64 position, __u32 hook,
		 __u32 cpu)
{
	const struct arena_generation ARENA *generation =
		ARENA_AT(struct arena_generation, position & ~1ull);
	const struct image ARENA *image = ARENA_AT(struct image, generation->hook[hook].image);
	struct packet packet = {};
	struct view view = {.ctx = ctx, .generation = (__u32)position & ~1u};
	enum walk_result result;
	bool readable;

	view.counters =
		generation->hook[hook].counters +
		cpu * generation->hook[hook].counters_stride * (__u32)sizeof(struct arena_counter);
	if (family == ARENA_IPV4)
		readable = read_ipv4_packet(&packet, ctx, image->needs);
	else
		readable = read_ipv6_packet(&packet, ctx, image->needs);
	if (!readable) {
		note_failure(ARENA_FAILURE_HEADER);
		return NF_DROP;
	}
	result = walk_chains(&view, image, &packet);
	if (view.stack)
		add_with_barrier(&ARENA_AT(struct arena_stack, view.stack)->taken, -1);
	return verdict(result);
}

INLINE int filter(struct bpf_nf_ctx *ctx, enum arena_family family)
{
	__u32 hook = (__u32)ctx->state->hook - 1; /* NF_INET_LOCAL_IN is 1 */
	__u32 cpu = bpf_get_smp_processor_id() % ARENA_CPUS;
	struct arena_readers ARENA *readers = &arena_root()->readers[family][cpu];
	__u64 position;
	int result;

	if (hook >= ARENA_HOOKS)
		return NF_DROP;
	position = enter_generation(family, readers);
	if (!position)
		return NF_DROP;
	result = judge(ctx, family, position, hook, cpu);
	leave_generation(readers, position);
	return result;
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
