// SPDX-License-Identifier: GPL-2.0-or-later
/* -p udp -m udp (net/netfilter/xt_tcpudp.c udp_mt()): ports. */
#include "ruleset/extensions/extensions.h"

#include <linux/netfilter/xt_tcpudp.h>
#include <netinet/in.h>

static int check(const struct rule_context *context, const void *payload, struct message *message)
{
	const struct xt_udp *udp = payload;

	(void)context;
	return extension_check_inversion(udp->invflags, XT_UDP_INV_MASK, message);
}

static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	const struct xt_udp *udp = payload;

	(void)context;
	predicate_require_shapes(predicate, SHAPES_ALL & ~SHAPES_FRAGMENT);
	predicate_hotdrop(predicate, SHAPE_BIT(SHAPE_4_BYTES) | SHAPE_BIT(SHAPE_TINY));
	predicate_require(predicate, FIELD_SOURCE_PORT, VALUE(udp->spts[0]), VALUE(udp->spts[1]),
			  udp->invflags & XT_UDP_INV_SRCPT);
	predicate_require(predicate, FIELD_DESTINATION_PORT, VALUE(udp->dpts[0]),
			  VALUE(udp->dpts[1]), udp->invflags & XT_UDP_INV_DSTPT);
}

const struct extension extension_udp = {
	.kind = EXTENSION_MATCH,
	.name = "udp",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_udp),
	.protocol = IPPROTO_UDP,
	.check = check,
	.compile = compile,
};
