/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * -m hashlimit (net/netfilter/xt_hashlimit.c): a limit for all packets with the same addresses and
 * ports. Tables are in the arena (abi/match_state.h); everything that looks at one holds its lock.
 */
#pragma once

#include "abi/match_state.h"
#include "abi/residual.h"
#include "bpf/classify.h"
#include "bpf/ipv6.h"
#include "bpf/residual_state.h"

#include <linux/in.h>

#define HASHLIMIT_NO_PORTS (-1)

/* proto_ports_offset() (include/linux/in.h); HASHLIMIT_NO_PORTS: the protocol has none. */
INLINE int hashlimit_ports_offset(__u32 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_DCCP:
	case IPPROTO_ESP:
	case IPPROTO_SCTP:
	case IPPROTO_UDPLITE:
		return 0;
	case IPPROTO_AH:
		return 4;
	default:
		return HASHLIMIT_NO_PORTS;
	}
}

#define HASHLIMIT_CUT_SHORT     (-1)
#define HASHLIMIT_PORTS_UNKNOWN (-2) /* bound on loops */

/*
 * hashlimit_init_dst(): the ports as they stand in the packet. That an IPv4 packet is a fragment is
 * not asked for; in IPv6 it is net/ipv6/exthdrs_core.c ipv6_skip_exthdr() that finds them, which
 * ends at a fragment but the first. One of the above if there are none.
 */
GLOBAL __s64 hashlimit_ports(SOURCE *ctx, __u32 protocol, __u32 offset, __u32 is_ipv6)
{
	struct bpf_dynptr dynptr;
	__u32 ports = 0;
	int position;

	if (source_dynptr(ctx, &dynptr))
		return HASHLIMIT_PORTS_UNKNOWN;
	while (is_ipv6 && is_extension_header(protocol)) {
		struct extension_bytes bytes = {};

		if (protocol == NEXTHDR_NONE ||
		    bpf_dynptr_read(&bytes, protocol == NEXTHDR_FRAGMENT ? 4 : 2, &dynptr, offset,
				    0))
			return HASHLIMIT_CUT_SHORT;
		if (protocol == NEXTHDR_FRAGMENT &&
		    (bytes.third << 8 | bytes.fourth) & IPV6_FRAGMENT_OFFSET)
			return 0;
		offset += extension_size(protocol, bytes.length);
		protocol = bytes.next;
		LOOP_BOUND;
	}
	if (is_ipv6 && is_extension_header(protocol))
		return HASHLIMIT_PORTS_UNKNOWN;
	position = hashlimit_ports_offset(protocol);
	if (position == HASHLIMIT_NO_PORTS)
		return 0;
	if (bpf_dynptr_read(&ports, sizeof(ports), &dynptr, offset + (__u32)position, 0))
		return HASHLIMIT_CUT_SHORT;
	return ports;
}

INLINE __s64 hashlimit_packet_ports(SOURCE *ctx, const struct packet *packet, bool is_ipv6)
{
	if (is_ipv6)
		return hashlimit_ports(ctx, kernel_bytes(source_header(ctx))->in6_u.u6_addr8[6],
				       IPV6_HEADER_SIZE, true);
	return hashlimit_ports(ctx, (__u32)packet_narrow(packet, FIELD_PROTOCOL), packet->transport,
			       false);
}

/* The key that is asked for. */
INLINE void hashlimit_set_key(struct hashlimit_table ARENA *table, const struct packet *packet,
			      __u32 ports)
{
	__u64 source = packet->wide[FIELD_SOURCE].low;
	__u64 destination = packet->wide[FIELD_DESTINATION].low;

	if (table->n_words == 1) {
		table->key[0] = (source << 32 | destination) & table->mask[0];
	} else {
		table->key[0] = packet->wide[FIELD_SOURCE].high & table->mask[0];
		table->key[1] = source & table->mask[1];
		table->key[2] = packet->wide[FIELD_DESTINATION].high & table->mask[2];
		table->key[3] = destination & table->mask[3];
	}
	table->key_ports = ports & table->port_mask;
}

INLINE struct hashlimit_entry ARENA *hashlimit_entry(const struct hashlimit_table ARENA *table,
						     __u32 position)
{
	return (struct hashlimit_entry ARENA *)((char ARENA *)table + position);
}

INLINE __u64 hashlimit_mix(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 32;
}

INLINE __u32 ARENA *hashlimit_bucket(struct hashlimit_table ARENA *table, const __u64 ARENA *words,
				     __u32 ports)
{
	__u64 hash = hashlimit_mix(table->seed, words[0]);

	if (table->n_words > 1) {
		hash = hashlimit_mix(hash, words[1]);
		hash = hashlimit_mix(hash, words[2]);
		hash = hashlimit_mix(hash, words[3]);
	}
	hash = hashlimit_mix(hash, ports) * 0xd1b54a32d192ed03ull;
	return &table->bucket[hash >> 32 & table->bucket_mask];
}

INLINE bool hashlimit_has_key(const struct hashlimit_table ARENA *table,
			      const struct hashlimit_entry ARENA *entry)
{
	if (entry->words[0] != table->key[0] || entry->ports != table->key_ports)
		return false;
	return table->n_words == 1 ||
	       (entry->words[1] == table->key[1] && entry->words[2] == table->key[2] &&
		entry->words[3] == table->key[3]);
}

#define HASHLIMIT_UNKNOWN (~0u)

/* Position of the key's entry, 0 if there is none, HASHLIMIT_UNKNOWN: bound on loops. */
INLINE __u32 hashlimit_find(const struct hashlimit_table ARENA *table, __u32 position)
{
	__u32 found = HASHLIMIT_UNKNOWN;

	for (;;) {
		const struct hashlimit_entry ARENA *entry = hashlimit_entry(table, position);

		if (!position || hashlimit_has_key(table, entry)) {
			found = position;
			break;
		}
		position = entry->next;
		LOOP_BOUND;
	}
	return found;
}

/*
 * htable_gc(): has the entry expired, and has an interval ended since? So it is in a kernel whose
 * timer is never late.
 */
INLINE bool hashlimit_is_gone(const struct hashlimit_table ARENA *table,
			      const struct hashlimit_entry ARENA *entry, __u64 now)
{
	__u64 expires = entry->seen + table->expiry, age = now - table->started, collected;

	if ((__s64)(now - expires) < 0 || age < table->interval)
		return false;
	collected = now - age % table->interval;
	return (__s64)(collected - expires) >= 0;
}

/* Takes the entry out of the order of ages. */
INLINE void hashlimit_leave_order(struct hashlimit_table ARENA *table,
				  struct hashlimit_entry ARENA *entry)
{
	if (entry->older)
		hashlimit_entry(table, entry->older)->newer = entry->newer;
	else
		table->oldest = entry->newer;
	if (entry->newer)
		hashlimit_entry(table, entry->newer)->older = entry->older;
	else
		table->newest = entry->older;
}

INLINE void hashlimit_make_newest(struct hashlimit_table ARENA *table,
				  struct hashlimit_entry ARENA *entry, __u32 position)
{
	entry->newer = 0;
	entry->older = table->newest;
	if (table->newest)
		hashlimit_entry(table, table->newest)->newer = position;
	else
		table->oldest = position;
	table->newest = position;
}

/* dsthash_free() of the oldest entry; false: bound on loops. */
INLINE bool hashlimit_remove_oldest(struct hashlimit_table ARENA *table)
{
	__u32 oldest = table->oldest, position, before = 0;
	struct hashlimit_entry ARENA *entry = hashlimit_entry(table, oldest);
	__u32 ARENA *bucket = hashlimit_bucket(table, entry->words, entry->ports);
	bool found = false;

	position = *bucket;
	for (;;) {
		if (position == oldest || !position) {
			found = true;
			break;
		}
		before = position;
		position = hashlimit_entry(table, position)->next;
		LOOP_BOUND;
	}
	if (!found)
		return false;
	if (before)
		hashlimit_entry(table, before)->next = entry->next;
	else
		*bucket = entry->next;
	hashlimit_leave_order(table, entry);
	return true;
}

/* Room for an entry; as hashlimit_find(). */
INLINE __u32 hashlimit_take_room(struct hashlimit_table ARENA *table, __u64 now)
{
	__u32 oldest = table->oldest;

	/* All others have been seen later. */
	if (oldest && hashlimit_is_gone(table, hashlimit_entry(table, oldest), now))
		return hashlimit_remove_oldest(table) ? oldest : HASHLIMIT_UNKNOWN;
	if (table->n_entries >= table->max_entries)
		return 0;
	return table->first_entry + table->n_entries++ * table->entry_size;
}

/* rateinfo_init() */
INLINE void hashlimit_begin(const struct hashlimit_table ARENA *table,
			    struct hashlimit_entry ARENA *entry, __u64 now)
{
	entry->previous = now;
	entry->credit = table->rate.credit;
	entry->credit_cap = table->rate.credit_cap;
	entry->exceeded = 0;
}

/* rateinfo_recalc() */
INLINE void hashlimit_renew(const struct hashlimit_table ARENA *table,
			    struct hashlimit_entry ARENA *entry, __u64 now)
{
	__u64 before = entry->credit, after, cap, delta = now - entry->previous;

	if (!delta)
		return;
	if (table->rate.flags & RESIDUAL_HASHLIMIT_RATE) {
		__u64 window = table->rate.window;

		if (delta < window)
			return;
		entry->previous = now;
		entry->exceeded = before * window > delta * table->rate.rate;
		entry->credit = 0;
		return;
	}
	entry->previous = now;
	after = before + delta * table->rate.credits_per_tick;
	cap = entry->credit_cap;
	if (table->rate.flags & RESIDUAL_HASHLIMIT_BYTES) {
		cap = table->rate.second_of_bytes;
		if (before >= after)
			after = cap;
	}
	entry->credit = after > cap ? cap : after;
}

/* dsthash_alloc_init(); as hashlimit_find(), but 0 if the table is full. */
INLINE __u32 hashlimit_add(struct hashlimit_table ARENA *table, __u32 ARENA *bucket, __u64 now)
{
	__u32 position = hashlimit_take_room(table, now);
	struct hashlimit_entry ARENA *entry = hashlimit_entry(table, position);

	if (!position || position == HASHLIMIT_UNKNOWN)
		return position;
	entry->words[0] = table->key[0];
	if (table->n_words > 1) {
		entry->words[1] = table->key[1];
		entry->words[2] = table->key[2];
		entry->words[3] = table->key[3];
	}
	entry->ports = table->key_ports;
	entry->next = *bucket;
	*bucket = position;
	hashlimit_begin(table, entry, now);
	return position;
}

/* The key's entry, as it is now; as hashlimit_add(). */
INLINE __u32 hashlimit_enter(struct hashlimit_table ARENA *table, __u64 now)
{
	__u32 ARENA *bucket = hashlimit_bucket(table, table->key, table->key_ports);
	__u32 position = hashlimit_find(table, *bucket);
	struct hashlimit_entry ARENA *entry = hashlimit_entry(table, position);

	if (!position) {
		position = hashlimit_add(table, bucket, now);
		entry = hashlimit_entry(table, position);
	} else if (position != HASHLIMIT_UNKNOWN) {
		if (hashlimit_is_gone(table, entry, now))
			hashlimit_begin(table, entry, now);
		else
			hashlimit_renew(table, entry, now);
		hashlimit_leave_order(table, entry);
	}
	if (!position || position == HASHLIMIT_UNKNOWN)
		return position;
	hashlimit_make_newest(table, entry, position);
	entry->seen = now;
	return position;
}

/* hashlimit_byte_cost() */
INLINE __u64 hashlimit_cost_of_bytes(const struct hashlimit_table ARENA *table,
				     struct hashlimit_entry ARENA *entry, __u32 length)
{
	__u64 cost = (length / HASHLIMIT_CHUNK + 1ull) * table->rate.cost;

	if (cost > table->rate.second_of_bytes)
		cost = table->rate.second_of_bytes;
	if (entry->credit < cost && entry->credit_cap) {
		entry->credit_cap--;
		entry->credit = table->rate.second_of_bytes;
	}
	return (__u32)cost;
}

/* The end of hashlimit_mt_common(): is the packet within the limit? */
INLINE bool hashlimit_spend(const struct hashlimit_table ARENA *table,
			    struct hashlimit_entry ARENA *entry, __u32 flags, __u32 length)
{
	__u64 cost;

	if (flags & RESIDUAL_HASHLIMIT_RATE) {
		entry->credit += flags & RESIDUAL_HASHLIMIT_BYTES ? length : 1;
		return !entry->exceeded && entry->credit <= table->rate.burst;
	}
	cost = flags & RESIDUAL_HASHLIMIT_BYTES ? hashlimit_cost_of_bytes(table, entry, length)
						: table->rate.cost;
	if (entry->credit < cost)
		return false;
	entry->credit -= cost;
	return true;
}

/* hashlimit_mt_common() behind the lock. */
INLINE int hashlimit_judge(struct hashlimit_table ARENA *table, __u32 flags, __u32 length,
			   __u64 now)
{
	__u32 position;
	bool within;

	/* Who had the lock before may have read the clock later: time does not go back. */
	if ((__s64)(now - table->clock) < 0)
		now = table->clock;
	table->clock = now;
	position = hashlimit_enter(table, now);
	if (position == HASHLIMIT_UNKNOWN)
		return RESIDUALS_BOUND;
	if (!position)
		return RESIDUALS_DROP;
	within = hashlimit_spend(table, hashlimit_entry(table, position), flags, length);
	return result_of(within != !!(flags & RESIDUAL_HASHLIMIT_INVERTED));
}

/* @ports: hashlimit_packet_ports() */
GLOBAL int hashlimit_result(__u32 position, __u32 flags, const struct packet *packet NONNULL_ARG,
			    __s64 ports)
{
	struct hashlimit_table ARENA *table = ARENA_AT(struct hashlimit_table, position);
	struct match_lock *lock = match_lock(table->lock);
	__u64 now = ticks_now();
	int result;

	if (ports == HASHLIMIT_CUT_SHORT)
		return RESIDUALS_DROP;
	if (ports < 0 || !lock)
		return RESIDUALS_BOUND;
	bpf_spin_lock(&lock->lock);
	hashlimit_set_key(table, packet, (__u32)ports);
	result = hashlimit_judge(table, flags, packet->length, now);
	bpf_spin_unlock(&lock->lock);
	return result;
}

INLINE bool hashlimit_needs_ports(__u32 position)
{
	return ARENA_AT(struct hashlimit_table, position)->port_mask;
}
