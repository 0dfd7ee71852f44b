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

#define TRACKED_SIDE_FAILS(name, side)                                         \
	(CT_FAILS(condition, RESIDUAL_CT_##name,                               \
		  tracked_address_matches(condition, RESIDUAL_CT_TUPLE_##name, \
					  &key->address[(side) & 1])) ||       \
	 CT_FAILS(condition, RESIDUAL_CT_##name##_PORT,                        \
		  tuple_port_matches(condition, RESIDUAL_CT_TUPLE_##name, key->port[(side) & 1])))

/* A packet without a connection passes: FIELD_CONNTRACK has judged it. */
GLOBAL int tracked_matches(const struct residual_conntrack ARENA *condition ARENA_ARG)
{
	const struct tracker_work *tracking = tracker_work();
	const struct tracker_key *key;
	__u32 originator, expires;

	if (!tracking)
		return false;
	if (!tracking->has_connection)
		return true;
	key = &tracking->key;
	originator = tracking->originator & 1;
	if (CT_FAILS(condition, RESIDUAL_CT_PROTOCOL, key->protocol == condition->protocol) ||
	    CT_FAILS(condition, RESIDUAL_CT_STATUS, !!(tracking->status & condition->status)))
		return false;
	if (TRACKED_SIDE_FAILS(ORIGINAL_SOURCE, originator) ||
	    TRACKED_SIDE_FAILS(ORIGINAL_DESTINATION, !originator) ||
	    TRACKED_SIDE_FAILS(REPLY_SOURCE, !originator) ||
	    TRACKED_SIDE_FAILS(REPLY_DESTINATION, originator))
		return false;
	/* That of a new connection is no time of the day yet, and past (nf_ct_expires()). */
	expires = tracking->status & TRACKER_CONFIRMED && tracking->deadline > tracking->now
			  ? (__u32)((tracking->deadline - tracking->now) / NANOSECONDS)
			  : 0;
	return !CT_FAILS(condition, RESIDUAL_CT_EXPIRES,
			 expires >= condition->expires_minimum &&
				 expires <= condition->expires_maximum);
}
