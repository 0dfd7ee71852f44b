// SPDX-License-Identifier: GPL-2.0-only
/* Somebody else's programs on a device. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

SEC("xdp")
int other(struct xdp_md *context)
{
	(void)context;
	return XDP_PASS;
}

SEC("classifier")
int other_filter(struct __sk_buff *context)
{
	(void)context;
	return TC_ACT_OK;
}
