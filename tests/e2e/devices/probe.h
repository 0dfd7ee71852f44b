/* SPDX-License-Identifier: GPL-2.0-only OR GPL-2.0-or-later */
/* What the test programs (probe.bpf.c) tell their driver. */
#pragma once

#include <linux/types.h>

#define PROBE_PORT    4711
#define PROBE_RESULTS 65536

struct probe_result {
	__u32 selection; /* enum selection */
	__u32 seen;      /* how often */
	char out[16];
};

enum probe_counter {
	PROBE_XDP,
	PROBE_INGRESS,
	PROBE_EGRESS,
	PROBE_XDP_AGAIN,
	PROBE_INGRESS_AGAIN,
	PROBE_COUNTERS,
};
