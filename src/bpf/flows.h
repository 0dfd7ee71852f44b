/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flows that have been judged before. What the rules do with a packet follows from its key (struct
 * image) as long as no residual is evaluated: the counters that are added to and the verdict are
 * kept for the next packet with the same key. A flow belongs to one ruleset (its tag), so that a
 * new one starts without any; and to a lane, so that nobody else reads or writes it meanwhile.
 */
#pragma once

#include "bpf/classify.h"
#include "bpf/generation.h"

/*
 * Looking costs about a fourth of what finding saves. Where too few are found, as in a flood from
 * ever new addresses, lanes stop looking, and try again later.
 */
#define FLOW_FOUND_CREDIT   4
#define FLOW_MAXIMUM_CREDIT 256
#define FLOW_FIRST_CREDIT   32
#define FLOW_PAUSE          1024

#define FLOW_ABSENT         (1u << 31)
#define FLOW_NOT_LOOKED_FOR (~0u)

/* Word @i, which is constant, of a packet's key, before the mask. */
INLINE __u64 key_word(const struct packet *packet, bool ipv6, __u32 i)
{
	__u32 interfaces = image_key_interfaces(ipv6);
	__u32 half;

	if (i == IMAGE_KEY_NARROW)
		return packet->narrow;
	if (i >= interfaces) {
		half = i - interfaces;
		return half & 1 ? packet->wide[FIELD_IN_INTERFACE + half / 2].low
				: packet->wide[FIELD_IN_INTERFACE + half / 2].high;
	}
	if (!ipv6)
		return packet->wide[FIELD_SOURCE].low << 32 | packet->wide[FIELD_DESTINATION].low;
	half = i - IMAGE_KEY_ADDRESSES;
	return half & 1 ? packet->wide[FIELD_SOURCE + half / 2].low
			: packet->wide[FIELD_SOURCE + half / 2].high;
}

INLINE __u64 masked_key_word(const struct packet *packet, const struct arena_ruleset ARENA *ruleset,
			     bool ipv6, __u32 i)
{
	return key_word(packet, ipv6, i) & ruleset->key_mask[i];
}

/* Calls @step for the number of each word that a key has without interfaces, then with them. */
#define WITH_EACH_KEY_WORD(ipv6, needs, step)                 \
	do {                                                  \
		step(0);                                      \
		step(1);                                      \
		if (ipv6) {                                   \
			step(2);                              \
			step(3);                              \
			step(4);                              \
		}                                             \
		if ((needs) & IMAGE_NEEDS_INTERFACES) {       \
			step(image_key_interfaces(ipv6));     \
			step(image_key_interfaces(ipv6) + 1); \
			step(image_key_interfaces(ipv6) + 2); \
			step(image_key_interfaces(ipv6) + 3); \
		}                                             \
	} while (0)

/* Odd numbers without a pattern in their bits. */
INLINE __u64 hash_factor(__u32 i)
{
	switch (i) {
	case 0:
		return 0x9e3779b97f4a7c15ull;
	case 1:
		return 0xd1b54a32d192ed03ull;
	case 2:
		return 0xabc98388fb8fac03ull;
	case 3:
		return 0x8cb92ba72f3d8dd7ull;
	default:
		return 0xff51afd7ed558ccdull + 2 * (0x94d049bb133111ebull * i);
	}
}

/* Number of the first of the ARENA_FLOW_PLACES where the packet's flow can be. */
INLINE __u32 flow_places(const struct arena_ruleset ARENA *ruleset, const struct packet *packet,
			 bool ipv6)
{
	__u64 hash = 0;

#define HASH_WORD(i) hash += masked_key_word(packet, ruleset, ipv6, i) * hash_factor(i)
	WITH_EACH_KEY_WORD(ipv6, ruleset->needs, HASH_WORD);
#undef HASH_WORD
	/* A sum's highest bits depend on all the words' bits, but little on their highest. */
	hash ^= hash >> 29;
	hash *= hash_factor(3);
	return ARENA_FLOW_PLACES * (__u32)(hash >> (64 - arena_root()->flow_bits));
}

INLINE struct arena_flow ARENA *flow_at(const struct arena_lane ARENA *lane, __u32 place)
{
	return &ARENA_AT(struct arena_flow, lane->flows)[place];
}

INLINE struct arena_flow_rest ARENA *flow_rest_at(const struct arena_lane ARENA *lane, __u32 place)
{
	return &ARENA_AT(struct arena_flow_rest, lane->rests)[place];
}

/* Where word @i of a key is in a rest, if it is there. */
#define REST_WORD(i) ((i) < ARENA_FLOW_WORDS ? 0 : (i) - ARENA_FLOW_WORDS)

/* Is the packet's flow at @place? */
INLINE bool flow_is_at(const struct arena_lane ARENA *lane, __u32 place,
		       const struct arena_ruleset ARENA *ruleset, const struct packet *packet,
		       bool ipv6)
{
	const struct arena_flow ARENA *flow = flow_at(lane, place);
	__u64 differs = flow->tag ^ ruleset->tag;

#define COMPARE_WORD(i)                                                                      \
	differs |= ((i) < ARENA_FLOW_WORDS ? flow->key[(i) % ARENA_FLOW_WORDS]               \
					   : flow_rest_at(lane, place)->key[REST_WORD(i)]) ^ \
		   masked_key_word(packet, ruleset, ipv6, i)
	WITH_EACH_KEY_WORD(ipv6, ruleset->needs, COMPARE_WORD);
#undef COMPARE_WORD
	return !differs;
}

/* Number of the packet's place, if its flow is there, else FLOW_ABSENT | its first place. */
INLINE __u32 find_flow(const struct arena_lane ARENA *lane,
		       const struct arena_ruleset ARENA *ruleset, const struct packet *packet,
		       bool ipv6)
{
	__u32 place = flow_places(ruleset, packet, ipv6);

	for (__u32 i = 0; i < ARENA_FLOW_PLACES; i++)
		if (flow_is_at(lane, place + i, ruleset, packet, ipv6))
			return place + i;
	return FLOW_ABSENT | place;
}

/*
 * Is it worth looking? A lane that has paused long enough looks again.
 */
INLINE bool flows_wanted(struct arena_lane ARENA *lane)
{
	if (!lane->pause)
		return true;
	lane->pause--;
	return false;
}

INLINE void note_found_flow(struct arena_lane ARENA *lane)
{
	if (lane->credit < FLOW_MAXIMUM_CREDIT)
		lane->credit += FLOW_FOUND_CREDIT;
}

INLINE void note_missing_flow(struct arena_lane ARENA *lane)
{
	if (--lane->credit >= 0)
		return;
	lane->credit = FLOW_FIRST_CREDIT;
	lane->pause = FLOW_PAUSE;
}

/* One of a flow's places, which has no flow of the ruleset, or whose turn it is. */
INLINE __u32 free_place(struct arena_lane ARENA *lane, __u32 place, __u64 tag)
{
	for (__u32 i = 0; i < ARENA_FLOW_PLACES; i++)
		if (flow_at(lane, place + i)->tag != tag)
			return place + i;
	return place + lane->turn++ % ARENA_FLOW_PLACES;
}

/*
 * Keeps what the walk that ends has done with the packet, at @place or one of those next to it.
 * @verdict: IMAGE_ACCEPT or IMAGE_DROP.
 */
INLINE void remember_flow(struct arena_lane ARENA *lane, __u32 place,
			  const struct arena_ruleset ARENA *ruleset, const struct packet *packet,
			  bool ipv6, __u32 verdict)
{
	__u32 n_counters = lane->n_counted;
	struct arena_flow_rest ARENA *rest;
	struct arena_flow ARENA *flow;

	/* None: the packet was dropped by a match before any rule counted it. */
	if (!n_counters || n_counters > ARENA_FLOW_COUNTERS)
		return;
	place = free_place(lane, place, ruleset->tag);
	flow = flow_at(lane, place);
	rest = flow_rest_at(lane, place);
	flow->tag = ruleset->tag;
#define KEEP_WORD(i)                                                     \
	do {                                                             \
		__u64 word_ = masked_key_word(packet, ruleset, ipv6, i); \
		if ((i) < ARENA_FLOW_WORDS)                              \
			flow->key[(i) % ARENA_FLOW_WORDS] = word_;       \
		else                                                     \
			rest->key[REST_WORD(i)] = word_;                 \
	} while (0)
	WITH_EACH_KEY_WORD(ipv6, ruleset->needs, KEEP_WORD);
#undef KEEP_WORD
	flow->verdict = (__u16)verdict;
	flow->n_counters = (__u16)n_counters;
	flow->counter = lane->counted[0];
	for (__u32 i = 1; i < ARENA_FLOW_COUNTERS; i++) {
		if (i >= n_counters)
			break;
		rest->counter[i - 1] = lane->counted[i];
	}
}

/* Functions of their own, for their stack. */
GLOBAL __u32 find_ipv4_flow(const struct arena_lane ARENA *lane ARENA_ARG,
			    const struct arena_ruleset ARENA *ruleset ARENA_ARG,
			    const struct packet *packet NONNULL_ARG)
{
	return find_flow(lane, ruleset, packet, false);
}

GLOBAL __u32 find_ipv6_flow(const struct arena_lane ARENA *lane ARENA_ARG,
			    const struct arena_ruleset ARENA *ruleset ARENA_ARG,
			    const struct packet *packet NONNULL_ARG)
{
	return find_flow(lane, ruleset, packet, true);
}

GLOBAL int remember_ipv4_flow(struct arena_lane ARENA *lane ARENA_ARG, __u32 place,
			      const struct arena_ruleset ARENA *ruleset ARENA_ARG,
			      const struct packet *packet NONNULL_ARG, __u32 verdict)
{
	remember_flow(lane, place, ruleset, packet, false, verdict);
	return 0;
}

GLOBAL int remember_ipv6_flow(struct arena_lane ARENA *lane ARENA_ARG, __u32 place,
			      const struct arena_ruleset ARENA *ruleset ARENA_ARG,
			      const struct packet *packet NONNULL_ARG, __u32 verdict)
{
	remember_flow(lane, place, ruleset, packet, true, verdict);
	return 0;
}
