// SPDX-License-Identifier: GPL-2.0-or-later
/* -p dccp -m dccp (net/netfilter/xt_dccp.c dccp_mt()): ports, types, an option. */
#include "ruleset/extensions/extensions.h"

#include <errno.h>
#include <linux/netfilter/xt_dccp.h>
#include <netinet/in.h>

#define DCCP_HEADER_SIZE 12

static int check(const struct rule_context *context, const void *payload, struct message *message)
{
	const struct xt_dccp_info *info = payload;

	(void)context;
	if ((info->flags | info->invflags) & ~XT_DCCP_VALID_FLAGS)
		return message_error(message, EINVAL, "unknown flags 0x%x, inverted 0x%x",
				     info->flags, info->invflags);
	if (info->invflags & ~info->flags)
		return message_error(message, EINVAL, "inverted, but not asked for: 0x%x",
				     (unsigned int)(info->invflags & ~info->flags));
	return 0;
}

static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	static const struct residual_transport_size header = {DCCP_HEADER_SIZE};
	const struct xt_dccp_info *info = payload;

	(void)context;
	predicate_require_shapes(predicate, SHAPES_ALL & ~SHAPES_FRAGMENT);
	predicate_residual(predicate, RESIDUAL_TRANSPORT_SIZE, &header, sizeof(header));
	if (info->flags & XT_DCCP_SRC_PORTS)
		predicate_require(predicate, FIELD_SOURCE_PORT, VALUE(info->spts[0]),
				  VALUE(info->spts[1]), info->invflags & XT_DCCP_SRC_PORTS);
	if (info->flags & XT_DCCP_DEST_PORTS)
		predicate_require(predicate, FIELD_DESTINATION_PORT, VALUE(info->dpts[0]),
				  VALUE(info->dpts[1]), info->invflags & XT_DCCP_DEST_PORTS);
	if (info->flags & (XT_DCCP_TYPE | XT_DCCP_OPTION))
		predicate_residual(predicate, RESIDUAL_DCCP, info, sizeof(*info));
}

const struct extension extension_dccp = {
	.kind = EXTENSION_MATCH,
	.name = "dccp",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_dccp_info),
	.protocol = IPPROTO_DCCP,
	.check = check,
	.compile = compile,
};
