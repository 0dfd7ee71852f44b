// SPDX-License-Identifier: GPL-2.0-or-later
/* -m srh (net/ipv6/netfilter/ip6t_srh.c srh1_mt6()): the segment routing header. */
#include "ruleset/extensions/extensions.h"

#include <errno.h>
#include <linux/netfilter_ipv6/ip6t_srh.h>
#include <string.h>

_Static_assert(RESIDUAL_SEGMENTS_NEXT_HEADER == IP6T_SRH_NEXTHDR &&
		       RESIDUAL_SEGMENTS_LEN_LT == IP6T_SRH_LEN_LT &&
		       RESIDUAL_SEGMENTS_LEFT_LT == IP6T_SRH_SEGS_LT &&
		       RESIDUAL_SEGMENTS_LAST_LT == IP6T_SRH_LAST_LT &&
		       RESIDUAL_SEGMENTS_TAG == IP6T_SRH_TAG &&
		       RESIDUAL_SEGMENTS_PREVIOUS == IP6T_SRH_PSID &&
		       RESIDUAL_SEGMENTS_NEXT == IP6T_SRH_NSID &&
		       RESIDUAL_SEGMENTS_LAST_SEGMENT == IP6T_SRH_LSID &&
		       IP6T_SRH_MASK == IP6T_SRH_INV_MASK,
	       "the same flags, in the same order");

static int check(const struct rule_context *context, const void *payload, struct message *message)
{
	const struct ip6t_srh1 *info = payload;

	(void)context;
	if (info->mt_flags & ~IP6T_SRH_MASK)
		return message_error(message, EINVAL, "unknown flags 0x%x",
				     (unsigned int)(info->mt_flags & ~IP6T_SRH_MASK));
	return extension_check_inversion(info->mt_invflags, IP6T_SRH_INV_MASK, message);
}

static void copy_segment(struct residual_segment *to, const struct in6_addr *address,
			 const struct in6_addr *mask)
{
	memcpy(to->address, address, sizeof(to->address));
	memcpy(to->mask, mask, sizeof(to->mask));
}

static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	const struct ip6t_srh1 *info = payload;
	struct residual_segments operand = {
		.next_header = info->next_hdr,
		.length = info->hdr_len,
		.left = info->segs_left,
		.last_number = info->last_entry,
		.tag = info->tag,
		.flags = info->mt_flags,
		.inverted = info->mt_invflags,
	};

	(void)context;
	copy_segment(&operand.previous, &info->psid_addr, &info->psid_msk);
	copy_segment(&operand.next, &info->nsid_addr, &info->nsid_msk);
	copy_segment(&operand.last, &info->lsid_addr, &info->lsid_msk);
	predicate_residual(predicate, RESIDUAL_IPV6_SEGMENTS, &operand, sizeof(operand));
}

const struct extension extension_srh = {
	.kind = EXTENSION_MATCH,
	.name = "srh",
	.revision = 1,
	.families = FAMILY_BIT(NFPROTO_IPV6),
	.size = sizeof(struct ip6t_srh1),
	.check = check,
	.compile = compile,
};
