// SPDX-License-Identifier: GPL-2.0-or-later
/* -p tcp -m tcp (net/netfilter/xt_tcpudp.c tcp_mt()): ports, flags, an option. */
#include "ruleset/extensions/extensions.h"

#include <linux/netfilter/xt_tcpudp.h>
#include <netinet/in.h>

static int check(const struct rule_context *context, const void *payload, struct message *message)
{
	const struct xt_tcp *tcp = payload;

	(void)context;
	return extension_check_inversion(tcp->invflags, XT_TCP_INV_MASK, message);
}

/* A packet whose options cannot all be read is dropped before they are searched. */
static void compile_option(const struct xt_tcp *tcp, struct predicate *predicate)
{
	struct residual_tcp_option operand = {
		.option = tcp->option,
		.invert = !!(tcp->invflags & XT_TCP_INV_OPTION),
	};

	predicate_hotdrop(predicate, SHAPE_BIT(SHAPE_BAD_OPTIONS));
	predicate_residual(predicate, RESIDUAL_TCP_OPTION, &operand, sizeof(operand));
}

static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	const struct xt_tcp *tcp = payload;

	(void)context;
	predicate_hotdrop(predicate, SHAPE_BIT(SHAPE_FRAGMENT_1));
	predicate_require_shapes(predicate, SHAPES_ALL & ~SHAPES_FRAGMENT);
	predicate_hotdrop(predicate, SHAPE_BIT(SHAPE_8_BYTES) | SHAPE_BIT(SHAPE_4_BYTES) |
					     SHAPE_BIT(SHAPE_TINY));
	predicate_require(predicate, FIELD_SOURCE_PORT, VALUE(tcp->spts[0]), VALUE(tcp->spts[1]),
			  tcp->invflags & XT_TCP_INV_SRCPT);
	predicate_require(predicate, FIELD_DESTINATION_PORT, VALUE(tcp->dpts[0]),
			  VALUE(tcp->dpts[1]), tcp->invflags & XT_TCP_INV_DSTPT);
	predicate_require_masked(predicate, FIELD_TCP_FLAGS, VALUE(tcp->flg_cmp),
				 VALUE(tcp->flg_mask), tcp->invflags & XT_TCP_INV_FLAGS);
	if (tcp->option)
		compile_option(tcp, predicate);
}

const struct extension extension_tcp = {
	.kind = EXTENSION_MATCH,
	.name = "tcp",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_tcp),
	.protocol = IPPROTO_TCP,
	.check = check,
	.compile = compile,
};
