/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In the place of src/bpf/kernel.h: the kernel's structures, and the ways to read them, outside of
 * the kernel. Structures are laid out as they are declared here.
 */
#pragma once

#include "bpf/portable.h"

#include <linux/in6.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct skb_ext {
	__u8 offset[2];
};

struct sk_buff {
	unsigned long _skb_refdst;
	__u8 active_extensions;
	struct skb_ext *extensions;
};

struct dst_entry {
	struct xfrm_state *xfrm;
};

struct bpf_nf_ctx {
	struct sk_buff *skb;
};

#define bpf_core_field_offset(type, field)      offsetof(type, field)
#define bpf_core_field_exists(field)            true
#define bpf_core_enum_value_exists(type, value) true
#define bpf_core_enum_value(type, value)        (value)

#define KERNEL_POINTER(type, address) ((type *)(uintptr_t)(address))
#define kernel_bytes(address)         KERNEL_POINTER(const struct in6_addr, address)
#define KERNEL_ADDRESS(member)        kernel_word(&(member))

INLINE __u64 kernel_word(const void *address)
{
	__u64 word;

	memcpy(&word, address, sizeof(word));
	return word;
}

INLINE __u32 kernel_number(const void *address)
{
	__u32 number;

	memcpy(&number, address, sizeof(number));
	return number;
}

INLINE __u64 packet_route(const struct sk_buff *skb)
{
	return skb->_skb_refdst & ~1ul;
}
