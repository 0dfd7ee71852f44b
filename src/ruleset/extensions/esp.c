// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * -m esp, -m ah for IPv4 and -m ipcomp (net/netfilter/xt_esp.c, net/ipv4/netfilter/ipt_ah.c,
 * net/netfilter/xt_ipcomp.c): the security parameter index, or what compression has in its place.
 */
#include "ruleset/extensions/extensions.h"

#include <linux/netfilter/xt_esp.h>
#include <linux/netfilter/xt_ipcomp.h>
#include <linux/netfilter_ipv4/ipt_ah.h>
#include <netinet/in.h>
#include <stddef.h>

#define ESP_HEADER_SIZE 8
#define ESP_INDEX       0 /* offset */
#define AH_HEADER_SIZE  12
#define AH_INDEX        4

static int check_esp(const struct rule_context *context, const void *payload,
		     struct message *message)
{
	(void)context;
	return extension_check_inversion(((const struct xt_esp *)payload)->invflags,
					 XT_ESP_INV_MASK, message);
}

static int check_ah(const struct rule_context *context, const void *payload,
		    struct message *message)
{
	(void)context;
	return extension_check_inversion(((const struct ipt_ah *)payload)->invflags,
					 IPT_AH_INV_MASK, message);
}

static int check_ipcomp(const struct rule_context *context, const void *payload,
			struct message *message)
{
	(void)context;
	return extension_check_inversion(((const struct xt_ipcomp *)payload)->invflags,
					 XT_IPCOMP_INV_MASK, message);
}

static void compile_esp(const struct rule_context *context, const void *payload,
			struct predicate *predicate)
{
	const struct xt_esp *info = payload;
	uint32_t first = info->spis[0], last = info->spis[1];
	struct residual_transport_number operand = {
		.offset = ESP_INDEX,
		.needed = ESP_HEADER_SIZE,
		.first = first,
		.last = last,
		.invert = info->invflags & XT_ESP_INV_SPI,
	};

	(void)context;
	predicate_require_shapes(predicate, SHAPES_ALL & ~SHAPES_FRAGMENT);
	predicate_hotdrop(predicate, SHAPE_BIT(SHAPE_4_BYTES) | SHAPE_BIT(SHAPE_TINY));
	/* The index stands where ports would: its upper half is one, its lower half the other. */
	if (first >> 16 == last >> 16 && first <= last && !operand.invert) {
		predicate_require(predicate, FIELD_SOURCE_PORT, VALUE(first >> 16),
				  VALUE(first >> 16), false);
		predicate_require(predicate, FIELD_DESTINATION_PORT, VALUE(first & 0xffff),
				  VALUE(last & 0xffff), false);
	} else if (first != 0 || last != UINT32_MAX || operand.invert) {
		predicate_residual(predicate, RESIDUAL_TRANSPORT_NUMBER, &operand, sizeof(operand));
	}
}

static void compile_ah(const struct rule_context *context, const void *payload,
		       struct predicate *predicate)
{
	const struct ipt_ah *info = payload;
	struct residual_transport_number operand = {
		.offset = AH_INDEX,
		.needed = AH_HEADER_SIZE,
		.first = info->spis[0],
		.last = info->spis[1],
		.invert = info->invflags & IPT_AH_INV_SPI,
	};

	(void)context;
	predicate_require_shapes(predicate, SHAPES_ALL & ~SHAPES_FRAGMENT);
	predicate_residual(predicate, RESIDUAL_TRANSPORT_NUMBER, &operand, sizeof(operand));
}

/* The compression parameter index has 16 bits, and stands where the destination port would. */
static void compile_ipcomp(const struct rule_context *context, const void *payload,
			   struct predicate *predicate)
{
	const struct xt_ipcomp *info = payload;

	(void)context;
	predicate_require_shapes(predicate, SHAPES_ALL & ~SHAPES_FRAGMENT);
	predicate_hotdrop(predicate, SHAPE_BIT(SHAPE_TINY));
	predicate_require(predicate, FIELD_DESTINATION_PORT, VALUE(info->spis[0]),
			  VALUE(info->spis[1]), info->invflags & XT_IPCOMP_INV_SPI);
}

const struct extension extension_esp = {
	.kind = EXTENSION_MATCH,
	.name = "esp",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_esp),
	.protocol = IPPROTO_ESP,
	.check = check_esp,
	.compile = compile_esp,
};

const struct extension extension_ah = {
	.kind = EXTENSION_MATCH,
	.name = "ah",
	.families = FAMILY_BIT(NFPROTO_IPV4),
	.size = sizeof(struct ipt_ah),
	.protocol = IPPROTO_AH,
	.check = check_ah,
	.compile = compile_ah,
};

const struct extension extension_ipcomp = {
	.kind = EXTENSION_MATCH,
	.name = "ipcomp",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_ipcomp),
	.protocol = IPPROTO_COMP,
	.check = check_ipcomp,
	.compile = compile_ipcomp,
};
