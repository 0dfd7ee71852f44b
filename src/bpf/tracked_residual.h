/* SPDX-License-Identifier: GPL-2.0-only */
/* What rules ask of a connection, answered by our own tracking. After net/netfilter/xt_conntrack.c.
 */
#pragma once

#include "abi/residual.h"
#include "bpf/device_source.h"

/* A condition that is asked for fails when its outcome equals its inversion. */
#define TRACKED_FAILS(condition, flag, outcome) \
	(((condition)->flags & (flag)) && (outcome) == !!((condition)->inverted & (flag)))

INLINE bool tracked_address_matches(const struct residual_conntrack ARENA *condition, __u32 number,
				    const struct tracker_address *address)
{
	__u32 differs = 0;

	for (int i = 0; i < 4; i++)
		differs |= ((__u32)(address->word[i / 2] >> (i % 2 * 32)) ^
			    condition->tuple[number].address[i]) &
			   condition->tuple[number].mask[i];
	return !differs;
}

INLINE bool tracked_port_matches(const struct residual_conntrack ARENA *condition, __u32 number,
				 __be16 port)
{
	__u16 host_order = bpf_ntohs(port);

	return host_order >= condition->tuple[number].port_first &&
	       host_order <= condition->tuple[number].port_last;
}

#define TRACKED_SIDE_FAILS(name, side)                                              \
	(TRACKED_FAILS(condition, RESIDUAL_CT_##name,                               \
		       tracked_address_matches(condition, RESIDUAL_CT_TUPLE_##name, \
					       &key->address[(side) & 1])) ||       \
	 TRACKED_FAILS(condition, RESIDUAL_CT_##name##_PORT,                        \
		       tracked_port_matches(condition, RESIDUAL_CT_TUPLE_##name,    \
					    key->port[(side) & 1])))

/* A packet without a connection passes: FIELD_CONNTRACK has judged it. */
GLOBAL int tracked_matches(const struct residual_conntrack ARENA *condition ARENA_ARG)
{
	const struct tracker_work *tracking = tracker_work();
	const struct tracker_key *key;
	__u32 originator, expires;

	if (!tracking)
		return false;
	if (!tracking->status)
		return true;
	key = &tracking->key;
	originator = tracking->originator & 1;
	if (TRACKED_FAILS(condition, RESIDUAL_CT_PROTOCOL, key->protocol == condition->protocol) ||
	    TRACKED_FAILS(condition, RESIDUAL_CT_STATUS, !!(tracking->status & condition->status)))
		return false;
	if (TRACKED_SIDE_FAILS(ORIGINAL_SOURCE, originator) ||
	    TRACKED_SIDE_FAILS(ORIGINAL_DESTINATION, !originator) ||
	    TRACKED_SIDE_FAILS(REPLY_SOURCE, !originator) ||
	    TRACKED_SIDE_FAILS(REPLY_DESTINATION, originator))
		return false;
	expires = tracking->deadline > tracking->now
			  ? (__u32)((tracking->deadline - tracking->now) / NANOSECONDS)
			  : 0;
	return !TRACKED_FAILS(condition, RESIDUAL_CT_EXPIRES,
			      expires >= condition->expires_minimum &&
				      expires <= condition->expires_maximum);
}
