// SPDX-License-Identifier: GPL-2.0-or-later
/* -m multiport (net/netfilter/xt_multiport.c multiport_mt()): up to 15 ports, a range being two. */
#include "ruleset/extensions/extensions.h"

#include <errno.h>
#include <linux/netfilter/xt_multiport.h>
#include <netinet/in.h>

static int check_protocol(const struct rule_context *context, struct message *message)
{
	if (context->protocol_inverted)
		return message_error(message, EINVAL, "needs a protocol that is not inverted");

	switch (context->protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		return 0;
	default:
		return message_error(message, EINVAL,
				     "needs a protocol with ports (tcp, udp, udplite, sctp or "
				     "dccp), not %u",
				     context->protocol);
	}
}

static int check_ranges(const struct xt_multiport_v1 *ports, struct message *message)
{
	for (unsigned int i = 0; i < ports->count; i++) {
		if (!ports->pflags[i])
			continue;

		i++;
		if (i >= ports->count || ports->pflags[i])
			return message_error(message, EINVAL,
					     "the range that begins at %u has no end",
					     ports->ports[i - 1]);
		if (ports->ports[i - 1] > ports->ports[i])
			return message_error(message, EINVAL,
					     "the range %u:%u ends before it begins",
					     ports->ports[i - 1], ports->ports[i]);
	}
	return 0;
}

static int check(const struct rule_context *context, const void *payload, struct message *message)
{
	const struct xt_multiport_v1 *ports = payload;
	int r;

	r = check_protocol(context, message);
	if (r < 0)
		return r;
	if (ports->flags > XT_MULTIPORT_EITHER)
		return message_error(message, EINVAL, "unknown kind of ports %u", ports->flags);
	if (ports->count > XT_MULTI_PORTS)
		return message_error(message, EINVAL, "%u ports are more than %d", ports->count,
				     XT_MULTI_PORTS);
	return check_ranges(ports, message);
}

static size_t read_intervals(const struct xt_multiport_v1 *ports, struct interval *ret_intervals)
{
	size_t n_intervals = 0;

	for (unsigned int i = 0; i < ports->count; i++) {
		uint16_t first = ports->ports[i];

		if (ports->pflags[i])
			i++;
		ret_intervals[n_intervals++] = INTERVAL(first, ports->ports[i]);
	}
	return n_intervals;
}

static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	const struct xt_multiport_v1 *ports = payload;
	struct interval intervals[XT_MULTI_PORTS];
	size_t n_intervals = read_intervals(ports, intervals);

	(void)context;
	predicate_require_shapes(predicate, SHAPES_ALL & ~SHAPES_FRAGMENT);
	predicate_hotdrop(predicate, SHAPE_BIT(SHAPE_TINY));

	/* ports_match_v1() uses the byte itself: "true ^ 2" is true, as is the 2 of no match. */
	if (ports->invert > 1)
		return;

	if (ports->flags == XT_MULTIPORT_EITHER && !ports->invert) {
		predicate_require_either(predicate, FIELD_SOURCE_PORT, FIELD_DESTINATION_PORT,
					 intervals, n_intervals);
		return;
	}
	if (ports->flags != XT_MULTIPORT_DESTINATION)
		predicate_require_set(predicate, FIELD_SOURCE_PORT, intervals, n_intervals,
				      ports->invert);
	if (ports->flags != XT_MULTIPORT_SOURCE)
		predicate_require_set(predicate, FIELD_DESTINATION_PORT, intervals, n_intervals,
				      ports->invert);
}

const struct extension extension_multiport = {
	.kind = EXTENSION_MATCH,
	.name = "multiport",
	.revision = 1,
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_multiport_v1),
	.check = check,
	.compile = compile,
};
