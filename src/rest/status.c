// SPDX-License-Identifier: GPL-2.0-or-later
#include "rest/status.h"

#include "datapath/datapath.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const hook_names[] = {
	[DATAPATH_NETFILTER] = "netfilter",
	[DATAPATH_XDP] = "xdp",
	[DATAPATH_TC] = "tc",
};

static json_int_t count_rules(const struct ruleset *ruleset)
{
	json_int_t count = 0;

	for (uint32_t i = 0; i < ruleset->n_entries; i++)
		count += ruleset->entries[i].kind == ENTRY_RULE;
	return count;
}

static json_t *describe_family(const struct datapath *datapath, uint8_t family)
{
	const struct ruleset *ruleset = datapath_ruleset(datapath, family);

	return json_pack("{s:I, s:b}", "rules", count_rules(ruleset), "needs_connections",
			 (ruleset->services & SERVICE_CONNTRACK) != 0);
}

/* All 64 bits: JSON's numbers are doubles to many who read them, and jansson's are signed. */
static json_t *describe_cookie(uint64_t cookie)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, cookie);
	return json_string(text);
}

static json_t *describe_tracker(const struct datapath *datapath)
{
	const struct tracker *tracker = datapath_tracker(datapath);
	struct tracker_counts counts;
	struct tracker_sizes sizes;

	if (!tracker)
		return json_null();
	counts = tracker_count(tracker);
	sizes = tracker_sizes(tracker);
	return json_pack(
		"{s:{s:I, s:I}, s:{s:I, s:I}, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "settled",
		"connections", (json_int_t)counts.settled, "capacity", (json_int_t)sizes.settled,
		"half_open", "connections", (json_int_t)counts.half_open, "capacity",
		(json_int_t)sizes.half_open, "created", (json_int_t)counts.created, "expired",
		(json_int_t)counts.expired, "evicted", (json_int_t)counts.evicted, "closed_early",
		(json_int_t)counts.closed, "crowded", (json_int_t)counts.crowded, "refused_packets",
		(json_int_t)counts.refused, "clashed_packets", (json_int_t)counts.clashes);
}

void rest_status_get(const struct rest_context *context, const struct rest_request *request,
		     struct rest_reply *reply)
{
	const struct datapath *datapath = context->datapath;

	(void)request;
	rest_reply_json(reply, json_pack("{s:s, s:{s:o}, s:s, s:{s:o, s:o}, s:I, s:o}", "version",
					 PROJECT_VERSION, "namespace", "cookie",
					 describe_cookie(context->namespace_cookie), "hook",
					 hook_names[datapath_hook(datapath)], "families", "ipv4",
					 describe_family(datapath, NFPROTO_IPV4), "ipv6",
					 describe_family(datapath, NFPROTO_IPV6), "undelegated",
					 (json_int_t)datapath_undelegated(datapath), "tracker",
					 describe_tracker(datapath)));
}
