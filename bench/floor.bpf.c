// SPDX-License-Identifier: GPL-2.0-only
/*
 * The least that a netfilter program can cost: what every figure is compared with. Attached to
 * LOCAL_IN, or run by BPF_PROG_TEST_RUN; returns NF_DROP.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define NF_DROP 0

SEC("netfilter")
int bench_floor(void *ctx)
{
	(void)ctx;
	return NF_DROP;
}

char _license[] SEC("license") = "GPL";
