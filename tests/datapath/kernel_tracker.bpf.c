// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel's connection tracking says of packets: one program stands behind it, at
 * PRE_ROUTING, and writes down what it finds; the other, at FORWARD, is the rules, and does what
 * the test wants.
 */
#include "bpf/kernel.h"
#include "bpf/portable.h"

#include "kernel_tracker.h"

char _license[] SEC("license") = "GPL";

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ip_ct_tcp {
	__u8 state;
};

union nf_conntrack_proto {
	struct ip_ct_tcp tcp;
};

struct nf_conn___proto {
	union nf_conntrack_proto proto;
};

#pragma clang attribute pop

struct observation observation;

__u32 accept;

SEC("netfilter")
int kernel_tracker_observe(struct bpf_nf_ctx *ctx)
{
	unsigned long nfct = ctx->skb->_nfct;
	struct nf_conn *connection = (struct nf_conn *)(nfct & ~7ul);
	const struct nf_conn___proto *proto = (const void *)connection;

	observation.seen++;
	observation.info = nfct & 7;
	observation.has_connection = connection != NULL;
	if (!connection)
		return NF_ACCEPT;
	observation.status = BPF_CORE_READ(connection, status);
	observation.timeout = (__s32)(BPF_CORE_READ(connection, timeout) - (__u32)bpf_jiffies64());
	bpf_probe_read_kernel(&observation.tcp, sizeof(observation.tcp),
			      __builtin_preserve_access_index(&proto->proto.tcp));
	return NF_ACCEPT;
}

SEC("netfilter")
int kernel_tracker_judge(struct bpf_nf_ctx *ctx)
{
	(void)ctx;
	return accept ? NF_ACCEPT : NF_DROP;
}
