/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A packet's judgement: it enters the generation in force, is read, goes the way of its flow or
 * through the chains, is counted, and leaves. To be included behind a source (netfilter_source.h).
 */
#pragma once

#include "bpf/docket.h"
#include "bpf/flows.h"
#include "bpf/generation.h"
#include "bpf/headers.h"
#include "bpf/residuals.h"
#include "bpf/walk.h"

/* Positions in the arena have 32 bits: the program's stack is short. */
struct view {
	SOURCE *ctx;
	__u32 counters;
	__u32 generation;
	__u32 stack;        /* 0 while none is taken */
	__u32 lane;         /* 0 if somebody else has it */
	__u32 unrepeatable; /* the flow is not to be remembered */
	__u32 docket;       /* the packet's, or 0 */
};

INLINE void count_in_lane(__u32 counters, __u32 counter, __u32 length)
{
	struct arena_counter ARENA *to = &ARENA_AT(struct arena_counter, counters)[counter];

	to->packets++;
	to->bytes += length;
}

static void count(struct view *view, __u32 counter, __u32 length)
{
	struct arena_counter ARENA *counters = ARENA_AT(struct arena_counter, view->counters);
	struct arena_lane ARENA *lane;

	if (!view->lane) {
		__sync_fetch_and_add(&counters[counter].packets, 1);
		__sync_fetch_and_add(&counters[counter].bytes, length);
		return;
	}
	lane = ARENA_AT(struct arena_lane, view->lane);
	count_in_lane(view->counters, counter, length);
	if (lane->n_counted < ARENA_FLOW_COUNTERS)
		lane->counted[lane->n_counted] = counter;
	lane->n_counted++;
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
	view->unrepeatable = true;
	return residuals_result(view->ctx, image, packet, offset);
}

static void delegate(struct view *view, __u32 action)
{
	view->unrepeatable = true;
	if (SOURCE_DELEGATES)
		view->docket = delegate_action(source_packet(view->ctx), view->docket, action);
}

/* Accepted? */
INLINE bool verdict(enum walk_result result)
{
	if (result == WALK_ACCEPT)
		return true;
	if (result == WALK_STEPS_EXCEEDED)
		note_failure(ARENA_FAILURE_STEPS);
	else if (result == WALK_STACK_EXCEEDED)
		note_failure(ARENA_FAILURE_STACKS);
	return false;
}

/* Does again what has been done for the flow at @place. */
INLINE bool repeat_flow(const struct arena_lane ARENA *lane, __u32 place, __u32 counters,
			__u32 length)
{
	const struct arena_flow ARENA *flow = flow_at(lane, place);
	__u32 n_counters = flow->n_counters;

	count_in_lane(counters, flow->counter, length);
	for (__u32 i = 1; i < ARENA_FLOW_COUNTERS; i++) {
		if (i >= n_counters)
			break;
		count_in_lane(counters, flow_rest_at(lane, place)->counter[i - 1], length);
	}
	return flow->verdict == IMAGE_ACCEPT;
}

INLINE bool read_packet(SOURCE *ctx, bool ipv6, __u32 needs, struct packet *packet)
{
	if (source_has_read(packet)) {
		complete_packet(packet, ctx, ipv6, needs);
		return true;
	}
	*packet = (struct packet){};
	return ipv6 ? read_ipv6_packet(packet, ctx, needs) : read_ipv4_packet(packet, ctx, needs);
}

/*
 * What is done with the packet, in short, if that can be said before it is read: there are no
 * rules, or all that counts is the state of its connection. Else IMAGE_RULE_LONG.
 */
INLINE __u32 known_beforehand(SOURCE *ctx, const struct arena_ruleset ARENA *ruleset,
			      const struct packet *packet)
{
	__u32 state;

	if (!ruleset->by_state)
		return ruleset->always;
	state = source_conntrack(ctx, packet, ruleset->needs) & (CONNTRACK_VALUES - 1);
	return ARENA_AT(__u32, ruleset->by_state)[state];
}

/*
 * What is done for the packet between entering the generation at @position and leaving it;
 * @lane_position is 0 for a walk without one. The number of the packet's docket, if it gets one, is
 * in @view afterwards, which is zero.
 */
INLINE bool judge_in_generation(SOURCE *ctx, enum arena_family family, __u64 position, __u32 hook,
				__u32 lane_position, __u32 counters_number, struct packet *packet,
				struct view *view)
{
	const struct arena_ruleset ARENA *ruleset =
		&ARENA_AT(struct arena_generation, position & ~1ull)->hook[hook];
	bool ipv6 = family == ARENA_IPV6;
	struct arena_lane ARENA *lane = ARENA_AT(struct arena_lane, lane_position);
	__u32 place = FLOW_NOT_LOOKED_FOR, shortly = known_beforehand(ctx, ruleset, packet);
	enum walk_result result;

	view->ctx = ctx;
	view->generation = (__u32)position & ~1u;
	view->lane = lane_position;
	view->counters = ruleset->counters + counters_number * ruleset->counters_stride;
	if (!(shortly & IMAGE_RULE_LONG)) {
		count(view, shortly & IMAGE_RULE_COUNTER, source_packet_length(ctx, packet));
		return shortly & IMAGE_RULE_ACCEPT;
	}
	if (!read_packet(ctx, ipv6, ruleset->needs, packet)) {
		note_failure(ARENA_FAILURE_HEADER);
		return false;
	}
	if (lane_position) {
		if (!(ruleset->needs & IMAGE_WITHOUT_FLOWS) && flows_wanted(lane)) {
			place = ipv6 ? find_ipv6_flow(lane, ruleset, packet)
				     : find_ipv4_flow(lane, ruleset, packet);
			if (!(place & FLOW_ABSENT)) {
				note_found_flow(lane);
				return repeat_flow(lane, place, view->counters, packet->length);
			}
			place &= ~FLOW_ABSENT;
			note_missing_flow(lane);
		}
		lane->n_counted = 0;
	}
	result = walk_chains(view, ARENA_AT(struct image, ruleset->image), packet);
	if (view->stack)
		add_with_barrier(&ARENA_AT(struct arena_stack, view->stack)->taken, -1);
	if (place != FLOW_NOT_LOOKED_FOR && !view->unrepeatable && result <= WALK_ACCEPT) {
		__u32 kept = result == WALK_ACCEPT ? IMAGE_ACCEPT : IMAGE_DROP;

		if (ipv6)
			remember_ipv6_flow(lane, place, ruleset, packet, kept);
		else
			remember_ipv4_flow(lane, place, ruleset, packet, kept);
	}
	return verdict(result);
}

/* Is the packet accepted at @hook (enum arena_hook)? @packet is where it is read to. */
INLINE bool judge(SOURCE *ctx, enum arena_family family, __u32 hook, struct packet *packet)
{
	__u32 cpu = bpf_get_smp_processor_id() % ARENA_CPUS;
	__u32 lane = offsetof(struct arena_root, lane) + cpu * (__u32)sizeof(struct arena_lane);
	__u32 counters = cpu;
	__u64 position = 0;
	struct view view = {};
	bool accepted;

	if (!take_lane(family, ARENA_AT(struct arena_lane, lane), &position)) {
		lane = 0;
		counters = arena_root()->lanes;
		position = enter_generation(family, &arena_root()->readers[family][cpu]);
		if (!position)
			return false;
	}
	accepted = judge_in_generation(ctx, family, position, hook, lane, counters, packet, &view);
	if (lane)
		leave_lane(ARENA_AT(struct arena_lane, lane));
	else
		leave_generation(&arena_root()->readers[family][cpu], position);
	if (SOURCE_DELEGATES && arena_root()->dockets)
		return docket_verdict(source_packet(ctx), view.docket, accepted);
	return accepted;
}
