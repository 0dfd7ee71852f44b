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

INLINE __u64 flow_key_word(const struct arena_flow ARENA *flow, __u32 i)
{
	return i < 6 ? flow->key_begin[i] : flow->key_end[i - 6];
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

/* The first of the two places where the packet's flow can be. */
INLINE struct arena_flow ARENA *flow_places(const struct arena_lane ARENA *lane,
					    const struct arena_ruleset ARENA *ruleset,
					    const struct packet *packet, bool ipv6)
{
	__u64 hash = 0;

#define HASH_WORD(i) hash += masked_key_word(packet, ruleset, ipv6, i) * hash_factor(i)
	WITH_EACH_KEY_WORD(ipv6, ruleset->needs, HASH_WORD);
#undef HASH_WORD
	/* A sum's highest bits depend on all the words' bits, but little on their highest. */
	hash ^= hash >> 29;
	hash *= hash_factor(3);
	return ARENA_AT(struct arena_flow, lane->flows) +
	       2 * (hash >> (64 - arena_root()->flow_bits));
}

INLINE bool flow_is(const struct arena_flow ARENA *flow, const struct arena_ruleset ARENA *ruleset,
		    const struct packet *packet, bool ipv6)
{
	__u64 differs = flow->tag ^ ruleset->tag;

#define COMPARE_WORD(i) \
	differs |= flow_key_word(flow, i) ^ masked_key_word(packet, ruleset, ipv6, i)
	WITH_EACH_KEY_WORD(ipv6, ruleset->needs, COMPARE_WORD);
#undef COMPARE_WORD
	return !differs;
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

/* Keeps what the walk that ends has done with the packet, in one of the two @places. */
INLINE void remember_flow(struct arena_lane ARENA *lane, const struct arena_ruleset ARENA *ruleset,
			  const struct packet *packet, bool ipv6, struct arena_flow ARENA *places,
			  enum image_verdict verdict)
{
	__u32 n_counters = lane->n_counted;
	struct arena_flow ARENA *flow = places;

	/* None: the packet was dropped by a match before any rule counted it. */
	if (!n_counters || n_counters > ARENA_FLOW_COUNTERS)
		return;
	if (flow->tag == ruleset->tag)
		flow += lane->turn++ & 1;
	flow->tag = ruleset->tag;
#define KEEP_WORD(i)                                                     \
	do {                                                             \
		__u64 word_ = masked_key_word(packet, ruleset, ipv6, i); \
		if ((i) < 6)                                             \
			flow->key_begin[(i) < 6 ? (i) : 0] = word_;      \
		else                                                     \
			flow->key_end[(i) < 6 ? 0 : (i) - 6] = word_;    \
	} while (0)
	WITH_EACH_KEY_WORD(ipv6, ruleset->needs, KEEP_WORD);
#undef KEEP_WORD
	flow->verdict = verdict;
	flow->n_counters = (__u16)n_counters;
	flow->counter_first = lane->counted[0];
	for (__u32 i = 1; i < ARENA_FLOW_COUNTERS; i++) {
		if (i >= n_counters)
			break;
		flow->counter[i - 1] = lane->counted[i];
	}
}
