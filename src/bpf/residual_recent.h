/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * -m recent (net/netfilter/xt_recent.c): addresses and when they were seen. Lists are in the arena
 * (abi/match_state.h); everything that looks at one holds its lock.
 */
#pragma once

#include "abi/match_state.h"
#include "abi/residual.h"
#include "bpf/classify.h"
#include "bpf/residual_state.h"

#define RECENT_IPV4 2 /* NFPROTO_IPV4 */

/* An address that is looked for, masked. */
struct recent_address {
	__u64 high;
	__u64 low;
	__u32 family;
};

INLINE struct recent_entry ARENA *recent_entry(const struct recent_list ARENA *list, __u32 position)
{
	return (struct recent_entry ARENA *)((char ARENA *)list + position);
}

INLINE __u32 ARENA *recent_bucket(struct recent_list ARENA *list, __u64 high, __u64 low)
{
	__u64 hash = (high ^ list->seed) * 0x9e3779b97f4a7c15ull;

	hash = (hash ^ hash >> 32 ^ low) * 0xd1b54a32d192ed03ull;
	return &list->bucket[hash >> 32 & list->bucket_mask];
}

/* The lock's holders read the clock before they wait for it: time does not go back in a list. */
INLINE __u64 recent_time(struct recent_list ARENA *list, __u64 now)
{
	if ((__s64)(now - list->clock) < 0)
		return list->clock;
	list->clock = now;
	return now;
}

#define RECENT_UNKNOWN (~0u)

/*
 * recent_entry_lookup(): position of the entry, 0 if there is none, RECENT_UNKNOWN if the bound on
 * loops was reached. @ttl is 0 if it does not matter.
 */
INLINE __u32 recent_find(struct recent_list ARENA *list, const struct recent_address *address,
			 __u32 ttl)
{
	__u32 position = *recent_bucket(list, address->high, address->low);
	__u32 found = RECENT_UNKNOWN;

	for (;;) {
		const struct recent_entry ARENA *entry = recent_entry(list, position);

		if (!position || (entry->high == address->high && entry->low == address->low &&
				  entry->family == address->family &&
				  (ttl == entry->ttl || !ttl || !entry->ttl))) {
			found = position;
			break;
		}
		position = entry->next;
		LOOP_BOUND;
	}
	return found;
}

/* Takes the entry at @position out of the order of ages. */
INLINE void recent_leave_order(struct recent_list ARENA *list, struct recent_entry ARENA *entry)
{
	if (entry->older)
		recent_entry(list, entry->older)->newer = entry->newer;
	else
		list->oldest = entry->newer;
	if (entry->newer)
		recent_entry(list, entry->newer)->older = entry->older;
	else
		list->newest = entry->older;
}

INLINE void recent_make_newest(struct recent_list ARENA *list, struct recent_entry ARENA *entry,
			       __u32 position)
{
	entry->newer = 0;
	entry->older = list->newest;
	if (list->newest)
		recent_entry(list, list->newest)->newer = position;
	else
		list->oldest = position;
	list->newest = position;
}

/* recent_entry_remove() */
INLINE void recent_remove(struct recent_list ARENA *list, __u32 position)
{
	struct recent_entry ARENA *entry = recent_entry(list, position);

	recent_leave_order(list, entry);
	if (entry->previous)
		recent_entry(list, entry->previous)->next = entry->next;
	else
		*recent_bucket(list, entry->high, entry->low) = entry->next;
	if (entry->next)
		recent_entry(list, entry->next)->previous = entry->previous;
	entry->next = list->free;
	list->free = position;
	list->n_entries--;
}

/* recent_entry_init(); a full list forgets its oldest entry. */
INLINE void recent_add(struct recent_list ARENA *list, const struct recent_address *address,
		       __u32 ttl, __u64 now)
{
	__u32 ARENA *bucket = recent_bucket(list, address->high, address->low);
	struct recent_entry ARENA *entry;
	__u32 position;

	if (list->n_entries >= list->max_entries)
		recent_remove(list, list->oldest);
	position = list->free;
	if (position)
		list->free = recent_entry(list, position)->next;
	else
		position = list->first_entry + list->n_used++ * list->entry_size;
	entry = recent_entry(list, position);
	entry->high = address->high;
	entry->low = address->low;
	entry->family = (__u16)address->family;
	entry->ttl = (__u16)ttl;
	entry->stamp[0] = now;
	entry->n_stamps = 1;
	entry->index = 1;
	entry->previous = 0;
	entry->next = *bucket;
	if (entry->next)
		recent_entry(list, entry->next)->previous = position;
	*bucket = position;
	recent_make_newest(list, entry, position);
	list->n_entries++;
}

/* recent_entry_update() */
INLINE void recent_update(struct recent_list ARENA *list, __u32 position, __u64 now)
{
	struct recent_entry ARENA *entry = recent_entry(list, position);

	entry->index &= (__u16)list->stamp_mask;
	entry->stamp[entry->index] = now;
	entry->index++;
	if (entry->index > entry->n_stamps)
		entry->n_stamps = entry->index;
	recent_leave_order(list, entry);
	recent_make_newest(list, entry, position);
}

/*
 * recent_entry_reap(): the oldest entry goes, if it was not seen since @since and is not the one
 * (@kept) that is about to be updated. (With 65,536 stamps the kernel can read one in front of the
 * first.)
 */
INLINE void recent_reap(struct recent_list ARENA *list, __u64 since, __u32 kept)
{
	__u32 position = list->oldest;
	const struct recent_entry ARENA *entry = recent_entry(list, position);

	if (position != kept &&
	    (__s64)(entry->stamp[(entry->index - 1) & list->stamp_mask] - since) < 0)
		recent_remove(list, position);
}

/*
 * Has the entry been seen as often since @since as the rule asks for? RESIDUALS_BOUND if the bound
 * on loops was reached.
 */
INLINE int recent_seen(const struct recent_entry ARENA *entry,
		       const struct residual_recent ARENA *rule, __u64 since)
{
	__u32 n_stamps = entry->n_stamps, hits = 0, i = 0;
	int result = RESIDUALS_BOUND;

	for (;;) {
		if (i >= n_stamps) {
			result = RESIDUALS_DIFFER;
			break;
		}
		if (!(rule->flags & RESIDUAL_RECENT_TIMED) ||
		    (__s64)(entry->stamp[i] - since) >= 0) {
			hits++;
			if (hits >= rule->hit_count) {
				result = RESIDUALS_MATCH;
				break;
			}
		}
		i++;
		LOOP_BOUND;
	}
	return result;
}

/* recent_mt() behind the lock. */
INLINE int recent_judge(struct recent_list ARENA *list, const struct residual_recent ARENA *rule,
			const struct recent_address *address, __u32 ttl, __u64 now)
{
	bool matches = rule->flags & RESIDUAL_RECENT_INVERTED;
	__u32 actions = rule->actions;
	__u32 position = recent_find(list, address, actions & RECENT_TTL ? ttl : 0);
	__u64 since = now - rule->ticks;
	int seen;

	if (position == RECENT_UNKNOWN)
		return RESIDUALS_BOUND;
	if (!position) {
		if (!(actions & RECENT_SET))
			return result_of(matches);
		recent_add(list, address, ttl, now);
		return result_of(!matches);
	}
	if (actions & RECENT_REMOVE) {
		recent_remove(list, position);
		return result_of(!matches);
	}
	seen = actions & RECENT_SET ? RESIDUALS_MATCH
				    : recent_seen(recent_entry(list, position), rule, since);
	if (seen == RESIDUALS_BOUND)
		return seen;
	matches ^= seen == RESIDUALS_MATCH;
	if (actions & RECENT_REAP)
		recent_reap(list, since, actions & RECENT_UPDATE && matches ? position : 0);
	if (actions & RECENT_SET || (actions & RECENT_UPDATE && matches)) {
		recent_update(list, position, now);
		recent_entry(list, position)->ttl = (__u16)ttl;
	}
	return result_of(matches);
}

/* @ttl: before the packet was forwarded. */
GLOBAL int recent_result(const struct match_recent ARENA *cell ARENA_ARG, __u32 cell_position,
			 const struct residual_recent ARENA *rule ARENA_ARG,
			 const struct packet *packet NONNULL_ARG, __u32 ttl)
{
	enum field field =
		rule->flags & RESIDUAL_RECENT_DESTINATION ? FIELD_DESTINATION : FIELD_SOURCE;
	struct match_lock *lock = match_lock(MATCH_LOCK(cell_position));
	struct recent_address address = {.family = rule->family};
	struct recent_list ARENA *list;
	__u64 now = ticks_now();
	int result;

	if (!lock)
		return RESIDUALS_BOUND;
	address.high = packet->wide[MASKED_INDEX(field, 1)].high;
	address.low = packet->wide[MASKED_INDEX(field, 1)].low;
	bpf_spin_lock(&lock->lock);
	list = ARENA_AT(struct recent_list, cell->list);
	if (address.family == RECENT_IPV4) {
		address.low &= list->mask_high >> 32;
	} else {
		address.high &= list->mask_high;
		address.low &= list->mask_low;
	}
	result = recent_judge(list, rule, &address, ttl, recent_time(list, now));
	bpf_spin_unlock(&lock->lock);
	return result;
}
