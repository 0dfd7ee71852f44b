/* SPDX-License-Identifier: GPL-2.0-only */
/* What rules ask of a connection, answered by our own tracking. After net/netfilter/xt_conntrack.c.
 */
#pragma once

#include "abi/residual.h"
#include "bpf/device_source.h"

INLINE bool tracked_address_matches(const struct residual_conntrack ARENA *condition, __u32 number,
				    const struct tracker_address *address)
{
	const __u32 words[4] = {
		(__u32)address->word[0],
		(__u32)(address->word[0] >> 32),
		(__u32)address->word[1],
		(__u32)(address->word[1] >> 32),
	};

	return tuple_address_matches(condition, number, words);
}

/*
 * What the kernel has as a port in its tuples, of the side @side of the key. In those of a query
 * that is, in both directions, the identifier for the source, and type and code for the
 * destination: in the reply's tuple those of the answer.
 */
INLINE __be16 tracked_port(const struct tracker_key *key, __u32 side, bool reply)
{
	bool query = key->protocol == PROTOCOL_ICMP || key->protocol == PROTOCOL_ICMPV6;

	if (!query || !reply || !side)
		return key->port[side];
	return (__be16)((key->port[1] & 0xff00) | icmp_answer_type(key->port[1] & 0xff));
}

#define TRACKED_SIDE_FAILS(name, side, port_side, reply)                       \
	(CT_FAILS(condition, RESIDUAL_CT_##name,                               \
		  tracked_address_matches(condition, RESIDUAL_CT_TUPLE_##name, \
					  &key->address[side])) ||             \
	 CT_FAILS(condition, RESIDUAL_CT_##name##_PORT,                        \
		  tuple_port_matches(condition, RESIDUAL_CT_TUPLE_##name,      \
				     tracked_port(key, port_side, reply))))

/*
 * What is left of the connection's timeout, in seconds, as nf_ct_expires() / HZ says it: for a
 * packet that begins a connection the kernel compares a span with the present moment, and so has to
 * we.
 */
INLINE __u32 tracked_expires(const struct tracker_work *tracking, __u32 tick_rate)
{
	__u64 left = tracking->deadline > tracking->now ? tracking->deadline - tracking->now : 0;
	__s32 ticks;

	left /= NANOSECONDS;
	if (tracking->status & TRACKER_CONFIRMED)
		return (__u32)left;
	ticks = (__s32)((__u32)left * tick_rate - (__u32)bpf_jiffies64());
	return ticks > 0 && tick_rate ? (__u32)ticks / tick_rate : 0;
}

/* A packet without a connection passes: FIELD_CONNTRACK has judged it. */
GLOBAL int tracked_matches(const struct residual_conntrack ARENA *condition ARENA_ARG,
			   __u32 tick_rate)
{
	const struct tracker_work *tracking = tracker_work();
	const struct tracker_key *key;
	__u32 from, to, answers, expires;

	if (!tracking)
		return false;
	if (!tracking->has_connection)
		return true;
	key = &tracking->key;
	from = tracking->originator & 1;
	to = !from;
	/* The side whose port answers come from. */
	answers = key->protocol == PROTOCOL_ICMP || key->protocol == PROTOCOL_ICMPV6 ? from : to;
	if (CT_FAILS(condition, RESIDUAL_CT_PROTOCOL, key->protocol == condition->protocol) ||
	    CT_FAILS(condition, RESIDUAL_CT_STATUS, !!(tracking->status & condition->status)))
		return false;
	if (TRACKED_SIDE_FAILS(ORIGINAL_SOURCE, from, from, false) ||
	    TRACKED_SIDE_FAILS(ORIGINAL_DESTINATION, to, to, false) ||
	    TRACKED_SIDE_FAILS(REPLY_SOURCE, to, answers, true) ||
	    TRACKED_SIDE_FAILS(REPLY_DESTINATION, from, !answers, true))
		return false;
	expires = tracked_expires(tracking, tick_rate);
	return !CT_FAILS(condition, RESIDUAL_CT_EXPIRES,
			 expires >= condition->expires_minimum &&
				 expires <= condition->expires_maximum);
}
