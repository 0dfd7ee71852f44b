// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes each live frame of a test run (BPF_F_TEST_XDP_LIVE_FRAMES) the packet of the flow table's
 * next entry, and sends it out of a device. All of the packet is written each time: the kernel uses
 * the frames again, and the network stack has changed them by then.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bench/flow.h"

/* The smallest frame of Ethernet, without its checksum. */
#define FRAME_SIZE 60
#define IP_SIZE    (FRAME_SIZE - sizeof(struct ethhdr))
#define L4_SIZE    (IP_SIZE - sizeof(struct iphdr))
#define TCP_WINDOW 8192

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* as many as the table has, when it is loaded */
	__type(key, __u32);
	__type(value, struct flow);
} flows SEC(".maps");

const volatile __u32 flow_count = 1;
const volatile __u32 interface = 0;
const volatile __u8 to[ETH_ALEN] = {};

__u32 next;

/* RFC 1071; the words are summed as they are in memory. */
static __always_inline __sum16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__sum16)~sum;
}

static __always_inline __u32 address_sum(const struct iphdr *ip)
{
	return (ip->saddr & 0xffff) + (ip->saddr >> 16) + (ip->daddr & 0xffff) + (ip->daddr >> 16);
}

static __always_inline void write_ethernet(struct ethhdr *ethernet)
{
	for (int i = 0; i < ETH_ALEN; i++) {
		ethernet->h_dest[i] = to[i];
		ethernet->h_source[i] = i ? 0 : 2; /* locally administered */
	}
	ethernet->h_proto = bpf_htons(ETH_P_IP);
}

static __always_inline void write_ip(struct iphdr *ip, const struct flow *flow)
{
	ip->version = 4;
	ip->ihl = sizeof(*ip) / 4;
	ip->tos = 0;
	ip->tot_len = bpf_htons(IP_SIZE);
	ip->id = 0;
	ip->frag_off = 0;
	ip->ttl = 64;
	ip->protocol = flow->protocol;
	ip->saddr = flow->source;
	ip->daddr = flow->destination;
	if (flow->flags & FLOW_RANDOM_ADDRESS)
		ip->saddr ^= bpf_htonl(bpf_get_prandom_u32() & FLOW_RANDOM_ADDRESS_BITS);
	ip->check = fold(bpf_htons(0x4500) + ip->tot_len + bpf_htons(64 << 8 | ip->protocol) +
			 address_sum(ip));
}

/* No checksum: there need not be one (RFC 768). */
static __always_inline void write_udp(struct udphdr *udp, const struct flow *flow, __be16 source)
{
	udp->source = source;
	udp->dest = flow->destination_port;
	udp->len = bpf_htons(L4_SIZE);
	udp->check = 0;
}

/* With a checksum, which connection tracking looks at; the payload is all zeroes. */
static __always_inline void write_tcp(const struct iphdr *ip, const struct flow *flow,
				      __be16 source)
{
	__be16 flags =
		bpf_htons(flow->flags & FLOW_SYN ? 0x5002 : 0x5010); /* 20 bytes, SYN or ACK */
	struct tcphdr *tcp = (void *)(ip + 1);

	tcp->source = source;
	tcp->dest = flow->destination_port;
	tcp->seq = 0;
	tcp->ack_seq = 0;
	__builtin_memcpy((__u8 *)tcp + 12, &flags, sizeof(flags));
	tcp->window = bpf_htons(TCP_WINDOW);
	tcp->urg_ptr = 0;
	tcp->check = fold(address_sum(ip) + bpf_htons(IPPROTO_TCP) + bpf_htons(L4_SIZE) + source +
			  flow->destination_port + flags + bpf_htons(TCP_WINDOW));
}

SEC("xdp")
int bench_frames(struct xdp_md *ctx)
{
	struct ethhdr *ethernet = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(ethernet + 1);
	__u32 number = next < flow_count ? next : 0;
	const struct flow *flow = bpf_map_lookup_elem(&flows, &number);
	__be16 source;

	if (!flow || (void *)ethernet + FRAME_SIZE > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	next = number + 1;
	write_ethernet(ethernet);
	write_ip(ip, flow);
	source = flow->source_port;
	if (flow->flags & FLOW_RANDOM_PORT)
		source = (__be16)bpf_get_prandom_u32();
	if (flow->protocol == IPPROTO_TCP)
		write_tcp(ip, flow, source);
	else
		write_udp((void *)(ip + 1), flow, source);
	return (int)bpf_redirect(interface, 0);
}

char _license[] SEC("license") = "GPL";
