// SPDX-License-Identifier: GPL-2.0-or-later
/* -p sctp -m sctp (net/netfilter/xt_sctp.c sctp_mt()): ports and chunks. */
#include "ruleset/extensions/extensions.h"

#include <errno.h>
#include <linux/netfilter/xt_sctp.h>
#include <netinet/in.h>

#define SCTP_HEADER_SIZE 12
#define CHUNK_MATCHES    (SCTP_CHUNK_MATCH_ANY | SCTP_CHUNK_MATCH_ALL | SCTP_CHUNK_MATCH_ONLY)
#define CHUNK_WORDS      (sizeof(((struct xt_sctp_info *)NULL)->chunkmap) / sizeof(uint32_t))

_Static_assert(RESIDUAL_SCTP_FLAGS == XT_NUM_SCTP_FLAGS, "room for all of them");

static int check(const struct rule_context *context, const void *payload, struct message *message)
{
	const struct xt_sctp_info *info = payload;

	(void)context;
	if (info->flag_count < 0 || info->flag_count > XT_NUM_SCTP_FLAGS)
		return message_error(message, EINVAL, "flags of %d chunks, at most %d can be",
				     info->flag_count, XT_NUM_SCTP_FLAGS);
	if ((info->flags | info->invflags) & ~(uint32_t)XT_SCTP_VALID_FLAGS)
		return message_error(message, EINVAL, "unknown flags 0x%x, inverted 0x%x",
				     info->flags, info->invflags);
	if (info->invflags & ~info->flags)
		return message_error(message, EINVAL, "inverted, but not asked for: 0x%x",
				     info->invflags & ~info->flags);
	if (info->flags & XT_SCTP_CHUNK_TYPES && !(info->chunk_match_type & CHUNK_MATCHES))
		return message_error(message, EINVAL, "unknown way to match chunks 0x%x",
				     info->chunk_match_type);
	return 0;
}

static void compile_chunks(const struct xt_sctp_info *info, struct predicate *predicate)
{
	struct residual_sctp_chunks operand = {
		.match = info->chunk_match_type,
		.n_flags = (uint32_t)info->flag_count,
		.invert = !!(info->invflags & XT_SCTP_CHUNK_TYPES),
	};

	for (size_t i = 0; i < RESIDUAL_SCTP_CHUNK_WORDS; i++)
		operand.chunks[i] = info->chunkmap[i];
	for (size_t i = RESIDUAL_SCTP_CHUNK_WORDS; i < CHUNK_WORDS; i++)
		operand.more_chunks |= info->chunkmap[i];
	for (size_t i = 0; i < RESIDUAL_SCTP_FLAGS; i++) {
		operand.flags_of[i].type = info->flag_info[i].chunktype;
		operand.flags_of[i].value = info->flag_info[i].flag;
		operand.flags_of[i].mask = info->flag_info[i].flag_mask;
	}
	predicate_residual(predicate, RESIDUAL_SCTP_CHUNKS, &operand, sizeof(operand));
}

static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	static const struct residual_transport_size header = {SCTP_HEADER_SIZE};
	const struct xt_sctp_info *info = payload;

	(void)context;
	predicate_require_shapes(predicate, SHAPES_ALL & ~SHAPES_FRAGMENT);
	predicate_residual(predicate, RESIDUAL_TRANSPORT_SIZE, &header, sizeof(header));
	if (info->flags & XT_SCTP_SRC_PORTS)
		predicate_require(predicate, FIELD_SOURCE_PORT, VALUE(info->spts[0]),
				  VALUE(info->spts[1]), info->invflags & XT_SCTP_SRC_PORTS);
	if (info->flags & XT_SCTP_DEST_PORTS)
		predicate_require(predicate, FIELD_DESTINATION_PORT, VALUE(info->dpts[0]),
				  VALUE(info->dpts[1]), info->invflags & XT_SCTP_DEST_PORTS);
	if (info->flags & XT_SCTP_CHUNK_TYPES)
		compile_chunks(info, predicate);
}

const struct extension extension_sctp = {
	.kind = EXTENSION_MATCH,
	.name = "sctp",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_sctp_info),
	.protocol = IPPROTO_SCTP,
	.check = check,
	.compile = compile,
};
