// SPDX-License-Identifier: GPL-2.0-only
/*
 * The least that a netfilter program can cost: what every figure is compared with. Attached to a
 * hook, or run by BPF_PROG_TEST_RUN; one program for each verdict.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define NF_DROP   0
#define NF_ACCEPT 1

SEC("netfilter")
int bench_floor_drop(void *ctx)
{
	(void)ctx;
	return NF_DROP;
}

SEC("netfilter")
int bench_floor_accept(void *ctx)
{
	(void)ctx;
	return NF_ACCEPT;
}

char _license[] SEC("license") = "GPL";
