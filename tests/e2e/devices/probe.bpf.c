// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs for the tests of devices: they let every packet pass, and note what the chain selector
 * says of those that carry a number (a destination port of UDP at or above PROBE_FIRST_PORT has its
 * number in its source port).
 */
#include "abi/devices.h"
#include "bpf/selector.h"

#include "probe.h"

#include <linux/if_ether.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>

#define TCX_NEXT (-1)

char _license[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PROBE_RESULTS);
	__type(key, __u32);
	__type(value, struct probe_result);
} results SEC(".maps");

/* Packets by probe_counter. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PROBE_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, DEVICES_COVERED_MAX);
	__type(key, __u32);
	__type(value, __u32);
} covered SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DEVICES_COVERED_LOW);
	__type(key, __u32);
	__type(value, __u32);
} covered_low SEC(".maps");

INLINE void count(__u32 counter)
{
	__u64 *count = bpf_map_lookup_elem(&counters, &counter);

	if (count)
		__sync_fetch_and_add(count, 1);
}

INLINE void note(const struct udphdr *udp, enum selection selection,
		 const struct selector_packet *packet)
{
	__u32 number = bpf_ntohs(udp->source);
	struct probe_result *result;

	if (bpf_ntohs(udp->dest) != PROBE_PORT)
		return;
	result = bpf_map_lookup_elem(&results, &number);
	if (!result)
		return;
	result->selection = selection;
	result->out[0] = '\0';
	if (selection == SELECTION_FORWARD && packet->out) {
		const struct net_device *out = device_plain(packet->out);

		*(__u64 *)result->out = *(const __u64 *)out->name;
		*(__u64 *)(result->out + 8) = *(const __u64 *)(out->name + 8);
	}
	__sync_fetch_and_add(&result->seen, 1);
}

INLINE void probe_ipv4(void *context, const struct iphdr *ip, const void *end,
		       struct selector_packet *packet)
{
	const struct udphdr *udp = (const void *)(ip + 1);

	if ((const void *)(udp + 1) > end || ip->ihl != 5 || ip->protocol != 17)
		return;
	packet->route.family = ADDRESS_FAMILY_IPV4;
	packet->route.l4_protocol = ip->protocol;
	packet->route.sport = udp->source;
	packet->route.dport = udp->dest;
	packet->route.tos = ip->tos;
	packet->route.ipv4_src = ip->saddr;
	packet->route.ipv4_dst = ip->daddr;
	packet->hop_limit = ip->ttl;
	note(udp, select_chain(context, packet), packet);
}

INLINE void probe_ipv6(void *context, const struct ipv6hdr *ip, const void *end,
		       struct selector_packet *packet)
{
	const struct udphdr *udp = (const void *)(ip + 1);

	if ((const void *)(udp + 1) > end || ip->nexthdr != 17)
		return;
	packet->route.family = ADDRESS_FAMILY_IPV6;
	packet->route.l4_protocol = ip->nexthdr;
	packet->route.sport = udp->source;
	packet->route.dport = udp->dest;
	packet->route.flowinfo = *(const __be32 *)ip & bpf_htonl(0x0fffffff);
	__builtin_memcpy(packet->route.ipv6_src, &ip->saddr, 16);
	__builtin_memcpy(packet->route.ipv6_dst, &ip->daddr, 16);
	packet->hop_limit = ip->hop_limit;
	note(udp, select_chain(context, packet), packet);
}

SEC("xdp")
int probe_xdp(struct xdp_md *context)
{
	const void *end = (const void *)(unsigned long)context->data_end;
	const struct ethhdr *ethernet = (const void *)(unsigned long)context->data;
	struct selector_packet packet = {.device = device_of_xdp(context)};

	count(PROBE_XDP);
	if ((const void *)(ethernet + 1) > end)
		return XDP_PASS;
	packet.frame = frame_kind_of_xdp(packet.device, *(const __u64 *)ethernet->h_dest);
	if (ethernet->h_proto == bpf_htons(ETH_P_IP))
		probe_ipv4(context, (const void *)(ethernet + 1), end, &packet);
	else if (ethernet->h_proto == bpf_htons(ETH_P_IPV6))
		probe_ipv6(context, (const void *)(ethernet + 1), end, &packet);
	return XDP_PASS;
}

SEC("tc")
int probe_ingress(struct __sk_buff *context)
{
	const void *start, *end;
	struct selector_packet packet = {.device = device_of_skb(context), .mark = context->mark};
	__u32 header;
	__u64 mac = 0;

	count(PROBE_INGRESS);
	header = device_has_ethernet(packet.device) ? ETH_HLEN : 0;
	bpf_skb_pull_data(context, header + sizeof(struct ipv6hdr) + sizeof(struct udphdr));
	start = (const void *)(unsigned long)context->data;
	end = (const void *)(unsigned long)context->data_end;
	if (header && start + ETH_HLEN <= end)
		mac = *(const __u64 *)start;
	packet.frame = frame_kind_of_skb(context->pkt_type, mac);
	if (context->protocol == bpf_htons(ETH_P_IP))
		probe_ipv4(context, start + header, end, &packet);
	else if (context->protocol == bpf_htons(ETH_P_IPV6))
		probe_ipv6(context, start + header, end, &packet);
	return TCX_NEXT;
}

SEC("tc")
int probe_egress(struct __sk_buff *context)
{
	(void)context;
	count(PROBE_EGRESS);
	return TCX_NEXT;
}

/* Others, that replace those above. */
SEC("xdp")
int probe_xdp_again(struct xdp_md *context)
{
	(void)context;
	count(PROBE_XDP_AGAIN);
	return XDP_PASS;
}

SEC("tc")
int probe_ingress_again(struct __sk_buff *context)
{
	(void)context;
	count(PROBE_INGRESS_AGAIN);
	return TCX_NEXT;
}
