/* SPDX-License-Identifier: GPL-2.0-only OR GPL-2.0-or-later */
/*
 * A packet's way through the chains of a hook: ipt_do_table() of net/ipv4/netfilter/ip_tables.c,
 * with the search for the next matching rule done by the classifier. The same code runs in eBPF and
 * in user space; whoever includes it supplies, behind it, what differs (struct view and the six
 * functions declared here).
 */
#pragma once

#include "abi/residual.h"
#include "bpf/classify.h"
#include "bpf/residual_result.h"

INLINE int result_of(bool matches)
{
	return matches ? RESIDUALS_MATCH : RESIDUALS_DIFFER;
}

enum walk_result {
	WALK_DROP,
	WALK_ACCEPT,
	WALK_STEPS_EXCEEDED, /* no verdict: the kernel's bound on loops was reached */
	WALK_STACK_EXCEEDED, /* no verdict: the return stack has no room */
};

/* Where the packet comes from and where its counts go. */
struct view;

/* The residuals at @offset of the image. */
static enum residual_result evaluate_residuals(struct view *view, const struct image ARENA *image,
					       const struct packet *packet, __u32 offset);
/* Adds the packet to a counter. */
static void count(struct view *view, __u32 counter, __u32 length);
/* Has the kernel carry out @action behind the hook. */
static void delegate(struct view *view, __u32 action);
/* The return stack beyond WALK_SHALLOW; push_deep() returns false if there is no room. */
static bool push_deep(struct view *view, __u32 depth, __u32 bit);
static __u32 pop_deep(struct view *view, __u32 depth);

INLINE bool push(struct view *view, struct walk *walk, __u32 bit)
{
	__u32 depth = walk->depth;

	if (depth < WALK_SHALLOW)
		walk->shallow[MASKED_INDEX(depth, WALK_SHALLOW - 1)] = bit;
	else if (!push_deep(view, depth, bit))
		return false;
	walk->depth = depth + 1;
	return true;
}

INLINE __u32 pop(struct view *view, struct walk *walk)
{
	__u32 depth = walk->depth - 1;

	walk->depth = depth;
	if (depth < WALK_SHALLOW)
		return walk->shallow[MASKED_INDEX(depth, WALK_SHALLOW - 1)];
	return pop_deep(view, depth);
}

INLINE void enter_chain(const struct image ARENA *image, struct walk *walk, __u32 number)
{
	const struct image_chain ARENA *chain =
		&IMAGE_AT(struct image_chain, image, image->chains)[number];

	walk->position = chain->begin;
	walk->end = chain->end;
}

/* Back behind the rule that jumped here; false in a base chain, where the policy decides. */
INLINE bool return_from_chain(struct view *view, const struct image ARENA *image, struct walk *walk)
{
	const struct image_rule ARENA *rule;

	if (!walk->depth)
		return false;
	rule = &IMAGE_AT(struct image_rule, image, image->rules)[pop(view, walk)];
	enter_chain(image, walk, rule->chain);
	walk->position = rule->next;
	return true;
}

INLINE enum walk_result apply_policy(struct view *view, const struct image ARENA *image,
				     __u32 length)
{
	count(view, image->n_counters - 1, length);
	return image->policy == IMAGE_ACCEPT ? WALK_ACCEPT : WALK_DROP;
}

INLINE enum residual_result check_residuals(struct view *view, const struct image ARENA *image,
					    const struct packet *packet,
					    const struct image_rule ARENA *rule)
{
	if (rule->hotdrop >> packet_shape(packet) & 1)
		return RESIDUALS_DROP;
	if (!rule->residuals)
		return RESIDUALS_MATCH;
	return evaluate_residuals(view, image, packet, rule->residuals);
}

INLINE enum walk_result apply_short_rule(struct view *view, __u32 shortly, __u32 length)
{
	count(view, shortly & IMAGE_RULE_COUNTER, length);
	return shortly & IMAGE_RULE_ACCEPT ? WALK_ACCEPT : WALK_DROP;
}

/* Judges @packet by @image. */
INLINE enum walk_result walk_chains(struct view *view, const struct image ARENA *image,
				    const struct packet *packet)
{
	struct walk walk;

	walk.depth = 0;
	switch (select_rows(image, packet, &walk)) {
	case SELECTED_NOT:
		return WALK_STEPS_EXCEEDED;
	case SELECTED_FINAL:
		return apply_short_rule(view, image_final_rule(walk.row[0]), packet->length);
	}
	enter_chain(image, &walk, 0);
	for (;;) {
		__u32 bit = next_bit(image, &walk);
		const struct image_rule ARENA *rule;
		__u32 shortly;

		if (bit == CLASSIFY_BOUND)
			break;
		if (bit == CLASSIFY_NONE) {
			if (!return_from_chain(view, image, &walk))
				return apply_policy(view, image, packet->length);
			goto next;
		}

		if (image->places) {
			bit = first_of_run(image, &walk, bit);
			if (bit == CLASSIFY_BOUND)
				break;
		}
		shortly = IMAGE_AT(__u32, image, image->shorts)[bit];
		if (!(shortly & (IMAGE_RULE_LONG | IMAGE_RULE_WHOLE)) ||
		    (!(shortly & IMAGE_RULE_LONG) && walk.shape == SHAPE_WHOLE))
			return apply_short_rule(view, shortly, packet->length);
		rule = &IMAGE_AT(struct image_rule, image, image->rules)[bit];
		if (rule->hotdrop | rule->residuals) {
			enum residual_result result = check_residuals(view, image, packet, rule);

			if (result == RESIDUALS_DROP)
				return WALK_DROP;
			if (result == RESIDUALS_BOUND)
				break;
			if (result == RESIDUALS_DIFFER) {
				walk.position = bit + 1;
				goto next;
			}
			if (result == RESIDUALS_DOOMED) {
				count(view, rule->counter, packet->length);
				if (rule->action)
					delegate(view, rule->action);
				return WALK_DROP;
			}
			if (result == RESIDUALS_RULE_DIFFERS) {
				walk.position = rule->next;
				goto next;
			}
		}

		count(view, rule->counter, packet->length);
		if (rule->action)
			delegate(view, rule->action);
		switch (rule->verdict) {
		case IMAGE_ACCEPT:
			return WALK_ACCEPT;
		case IMAGE_RETURN:
			if (!return_from_chain(view, image, &walk))
				return apply_policy(view, image, packet->length);
			break;
		case IMAGE_CONTINUE:
			walk.position = rule->next;
			break;
		case IMAGE_JUMP:
			if (!push(view, &walk, bit))
				return WALK_STACK_EXCEEDED;
			enter_chain(image, &walk, rule->target);
			break;
		case IMAGE_GOTO:
			enter_chain(image, &walk, rule->target);
			break;
		default:
			return WALK_DROP;
		}
	next:
		LOOP_BOUND;
	}
	return WALK_STEPS_EXCEEDED;
}
