// SPDX-License-Identifier: GPL-2.0-only
/*
 * What programs on devices are compared with: the least that one can cost, which drops every packet
 * at once, and a blocklist of sources as one writes it by hand, a hash map that counts.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* as many as there are sources, when it is loaded */
	__type(key, __be32);
	__type(value, __u64); /* packets */
} blocked SEC(".maps");

SEC("xdp")
int bench_xdp_drop(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_DROP;
}

SEC("tc")
int bench_tc_drop(struct __sk_buff *ctx)
{
	(void)ctx;
	return TC_ACT_SHOT;
}

SEC("xdp")
int bench_xdp_block(struct xdp_md *ctx)
{
	const struct ethhdr *ethernet = (const void *)(long)ctx->data;
	const struct iphdr *ip = (const void *)(ethernet + 1);
	__u64 *packets;
	__be32 source;

	if ((const void *)(ip + 1) > (const void *)(long)ctx->data_end ||
	    ethernet->h_proto != bpf_htons(ETH_P_IP))
		return XDP_PASS;
	source = ip->saddr;
	packets = bpf_map_lookup_elem(&blocked, &source);
	if (!packets)
		return XDP_PASS;
	__sync_fetch_and_add(packets, 1);
	return XDP_DROP;
}

char _license[] SEC("license") = "GPL";
