/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel's connection tracking keeps about a packet's connection besides its state:
 * net/netfilter/xt_connmark.c, xt_connbytes.c, xt_connlabel.c, xt_helper.c. Each function returns
 * an enum residual_result.
 */
#pragma once

#include "abi/residual.h"
#include "bpf/conntrack.h"
#include "bpf/kernel.h"
#include "bpf/residual_result.h"

#include <linux/netfilter/xt_connbytes.h>
#include <linux/netfilter/xt_connlabel.h>
#include <linux/netfilter/xt_helper.h>

enum nf_ct_ext_id {
	NF_CT_EXT_HELPER,
	NF_CT_EXT_ACCT,
	NF_CT_EXT_LABELS,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	__s64 counter;
} atomic64_t;

struct nf_conn_counter {
	atomic64_t packets;
	atomic64_t bytes;
};

struct nf_conn_help {
	struct nf_conntrack_helper *helper;
};

struct nf_conntrack_helper {
	char name[16];
};

#pragma clang attribute pop

/*
 * The number that the running kernel gives to an extension; NO_EXTENSION if it has none, or does
 * not say so (nf_conntrack is a module that was loaded later).
 */
#define NO_EXTENSION ~0u
#define CONNECTION_EXTENSION(name)                                                 \
	(bpf_core_enum_value_exists(enum nf_ct_ext_id, NF_CT_EXT_##name)           \
		 ? (__u32)bpf_core_enum_value(enum nf_ct_ext_id, NF_CT_EXT_##name) \
		 : NO_EXTENSION)

/* nf_ct_ext_find() (include/net/netfilter/nf_conntrack_extend.h): its address, or 0. */
INLINE __u64 connection_extension(const struct nf_conn *connection, __u32 number)
{
	__u64 extensions = (__u64)BPF_CORE_READ(connection, ext);
	__u8 offset;

	if (!extensions)
		return 0;
	offset = (__u8)kernel_number(
		(const void *)(extensions + number +
			       bpf_core_field_offset(struct nf_ct_ext, offset)));
	return offset ? extensions + offset : 0;
}

GLOBAL int connection_mark_result(struct bpf_nf_ctx *ctx,
				  const struct residual_masked ARENA *condition ARENA_ARG)
{
	__u32 info;
	const struct nf_conn *connection = packet_connection(ctx->skb, &info);
	bool equal;

	if (!connection || !bpf_core_field_exists(connection->mark))
		return RESIDUALS_DIFFER;
	equal = (BPF_CORE_READ(connection, mark) & condition->mask) == condition->number;
	return equal != !!condition->invert ? RESIDUALS_MATCH : RESIDUALS_DIFFER;
}

/*
 * The numbers at @offset of the counters for each direction (struct nf_conn_acct) that are asked
 * for, together.
 */
INLINE __u64 connection_count(__u64 counters, __u8 direction, __u32 offset)
{
	__u64 original = kernel_word((const void *)(counters + offset));
	__u64 reply = kernel_word(
		(const void *)(counters + offset + bpf_core_type_size(struct nf_conn_counter)));

	if (direction == XT_CONNBYTES_DIR_ORIGINAL)
		return original;
	return direction == XT_CONNBYTES_DIR_REPLY ? reply : original + reply;
}

GLOBAL int connection_bytes_result(struct bpf_nf_ctx *ctx,
				   const struct xt_connbytes_info ARENA *condition ARENA_ARG)
{
	__u64 counters, packets, bytes, count, from = condition->count.from,
					       to = condition->count.to;
	const struct nf_conn *connection;
	bool within;
	__u32 info;

	if (CONNECTION_EXTENSION(ACCT) == NO_EXTENSION)
		return RESIDUALS_BOUND;
	connection = packet_connection(ctx->skb, &info);
	counters = connection ? connection_extension(connection, CONNECTION_EXTENSION(ACCT)) : 0;
	if (!counters)
		return RESIDUALS_DIFFER;
	packets = connection_count(counters, condition->direction,
				   bpf_core_field_offset(struct nf_conn_counter, packets));
	bytes = connection_count(counters, condition->direction,
				 bpf_core_field_offset(struct nf_conn_counter, bytes));
	if (condition->what == XT_CONNBYTES_PKTS)
		count = packets;
	else if (condition->what == XT_CONNBYTES_BYTES)
		count = bytes;
	else
		count = packets ? bytes / packets : 0;
	within = to >= from ? count <= to && count >= from : count < to || count > from;
	return within ? RESIDUALS_MATCH : RESIDUALS_DIFFER;
}

GLOBAL int connection_label_result(struct bpf_nf_ctx *ctx,
				   const struct xt_connlabel_mtinfo ARENA *condition ARENA_ARG)
{
	const struct nf_conn *connection;
	bool set = false;
	__u64 labels;
	__u32 info;

	if (CONNECTION_EXTENSION(LABELS) == NO_EXTENSION)
		return RESIDUALS_BOUND;
	connection = packet_connection(ctx->skb, &info);
	labels = connection ? connection_extension(connection, CONNECTION_EXTENSION(LABELS)) : 0;
	if (labels)
		set = kernel_word((const void *)(labels + condition->bit / 64 * 8)) >>
			      condition->bit % 64 &
		      1;
	return set != !!(condition->options & XT_CONNLABEL_OP_INVERT) ? RESIDUALS_MATCH
								      : RESIDUALS_DIFFER;
}

#define HELPER_NAME_SIZE 16 /* the 0 at its end included */

/* Is the whole name of the helper at @helper what @name begins with? */
INLINE bool helper_name_matches(__u64 helper, const char ARENA *name)
{
	const struct in6_addr *letters =
		kernel_bytes(helper + bpf_core_field_offset(struct nf_conntrack_helper, name));

	for (__u32 i = 0; i < HELPER_NAME_SIZE; i++) {
		char letter = (char)letters->in6_u.u6_addr8[i];

		if (!letter)
			return true;
		if (letter != name[i])
			return false;
	}
	return true;
}

/* The helper of the connection that this one is expected by; 0 if there is none. */
INLINE __u64 packet_helper(struct bpf_nf_ctx *ctx)
{
	const struct nf_conn *connection, *master;
	__u64 help;
	__u32 info;

	connection = packet_connection(ctx->skb, &info);
	master = connection ? BPF_CORE_READ(connection, master) : NULL;
	help = master ? connection_extension(master, CONNECTION_EXTENSION(HELPER)) : 0;
	if (!help)
		return 0;
	return kernel_word(
		(const void *)(help + bpf_core_field_offset(struct nf_conn_help, helper)));
}

GLOBAL int helper_result(struct bpf_nf_ctx *ctx,
			 const struct xt_helper_info ARENA *condition ARENA_ARG)
{
	bool result = condition->invert != 0;
	__u64 helper;

	if (CONNECTION_EXTENSION(HELPER) == NO_EXTENSION)
		return RESIDUALS_BOUND;
	helper = packet_helper(ctx);
	if (helper && (!condition->name[0] || helper_name_matches(helper, condition->name)))
		result = !result;
	return result ? RESIDUALS_MATCH : RESIDUALS_DIFFER;
}
