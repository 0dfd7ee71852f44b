/* SPDX-License-Identifier: GPL-2.0-only */
/* What the sources of packets (netfilter_source.h, device_source.h) have in common. */
#pragma once

#include "abi/residual.h"
#include "bpf/classify.h"
#include "bpf/kernel.h"

#define ETHERNET_SIZE  14
#define ETHERTYPE_IPV6 0x86dd

enum source_ethernet {
	SOURCE_ETHERNET, /* with an IPv6 packet in it; its addresses are where they begin */
	SOURCE_OTHER_DEVICE,
	SOURCE_NO_HEADER, /* the device is one, but the packet has not got its header */
};

/* The first bytes of the transport header; those that are not in the packet are 0. */
struct transport_bytes {
	__u32 ports;
	__u16 offset_flags; /* TCP: data offset and flags, bytes 12 and 13 */
};

INLINE void read_transport_at(const struct in6_addr *header, struct transport_bytes *ret_bytes)
{
	ret_bytes->ports = header->in6_u.u6_addr32[0];
	ret_bytes->offset_flags = header->in6_u.u6_addr16[6];
}

INLINE void read_interface(struct packet *packet, enum field field, const struct net_device *device)
{
	if (device) {
		packet->wide[field].high = bpf_be64_to_cpu(*(const __u64 *)device->name);
		packet->wide[field].low = bpf_be64_to_cpu(*(const __u64 *)(device->name + 8));
	}
}

/*
 * Conditions on a connection (struct residual_conntrack, net/netfilter/xt_conntrack.c). One that is
 * asked for fails when its outcome equals its inversion.
 */
#define CT_FAILS(condition, flag, outcome) \
	(((condition)->flags & (flag)) && (outcome) == !!((condition)->inverted & (flag)))

/* @address: four words in network byte order. */
INLINE bool tuple_address_matches(const struct residual_conntrack ARENA *condition, __u32 number,
				  const __u32 *address)
{
	__u32 differs = 0;

	for (int i = 0; i < 4; i++)
		differs |= (address[i] ^ condition->tuple[number].address[i]) &
			   condition->tuple[number].mask[i];
	return !differs;
}

INLINE bool tuple_port_matches(const struct residual_conntrack ARENA *condition, __u32 number,
			       __be16 port)
{
	__u16 host_order = bpf_ntohs(port);

	return host_order >= condition->tuple[number].port_first &&
	       host_order <= condition->tuple[number].port_last;
}
