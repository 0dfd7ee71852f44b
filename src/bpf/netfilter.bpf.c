// SPDX-License-Identifier: GPL-2.0-only
/*
 * The filter on netfilter's hooks: BPF_PROG_TYPE_NETFILTER, attached to LOCAL_IN, FORWARD and
 * LOCAL_OUT, where iptables' own filter table has its place. Context: struct bpf_nf_ctx, a packet
 * whose skb->data is the IP header; under rcu_read_lock(), preemptible in process context. It may
 * return NF_ACCEPT or NF_DROP.
 */
#include "bpf/kernel.h"

#include "bpf/netfilter_source.h"

#include "bpf/judge.h"

char _license[] SEC("license") = "GPL";

INLINE int filter(struct bpf_nf_ctx *ctx, enum arena_family family)
{
	__u32 hook = (__u32)ctx->state->hook - 1; /* NF_INET_LOCAL_IN is 1 */

	return hook < ARENA_HOOKS && judge(ctx, family, hook) ? NF_ACCEPT : NF_DROP;
}

SEC("netfilter")
int bpf_iptables_ipv4(struct bpf_nf_ctx *ctx)
{
	return filter(ctx, ARENA_IPV4);
}

SEC("netfilter")
int bpf_iptables_ipv6(struct bpf_nf_ctx *ctx)
{
	return filter(ctx, ARENA_IPV6);
}
