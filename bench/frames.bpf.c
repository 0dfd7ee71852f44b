// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes each live frame of a test run (BPF_F_TEST_XDP_LIVE_FRAMES) a fresh packet and sends it out
 * of a device. The whole header is written each time: the kernel uses the frames again, and the
 * network stack has changed them by then.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "bench/frame.h"

const volatile struct frame template = {};
const volatile __u32 interface = 0;

SEC("xdp")
int bench_frames(struct xdp_md *ctx)
{
	struct frame *frame = (void *)(long)ctx->data;

	if ((void *)(frame + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	for (unsigned int i = 0; i < FRAME_WORDS; i++)
		frame->words[i] = template.words[i];
	return (int)bpf_redirect(interface, 0);
}

char _license[] SEC("license") = "GPL";
