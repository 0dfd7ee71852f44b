/* SPDX-License-Identifier: GPL-2.0-only */
/* What is kept about some packets beside their struct sk_buff (include/linux/skbuff.h). */
#pragma once

#include "bpf/kernel.h"

enum skb_ext_id {
	SKB_EXT_BRIDGE_NF,
	SKB_EXT_SEC_PATH,
};

/* skb_ext_find(): its address, or 0. */
INLINE __u64 packet_extension(const struct sk_buff *skb, __u32 number)
{
	__u64 extensions = KERNEL_ADDRESS(skb->extensions);
	__u8 offset;

	if (!(skb->active_extensions >> number & 1))
		return 0;
	offset = (__u8)kernel_number((const void *)(extensions + number +
						    bpf_core_field_offset(struct skb_ext, offset)));
	return extensions + offset * 8;
}

/* The same, by its name; a kernel that does not know it has it with no packet. */
#define PACKET_EXTENSION(skb, name)                                                              \
	(bpf_core_enum_value_exists(enum skb_ext_id, SKB_EXT_##name)                             \
		 ? packet_extension(skb,                                                         \
				    (__u32)bpf_core_enum_value(enum skb_ext_id, SKB_EXT_##name)) \
		 : 0)
