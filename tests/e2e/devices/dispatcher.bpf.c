// SPDX-License-Identifier: GPL-2.0-only
/*
 * What libxdp would put on a device for two users, one of which has left: a dispatcher, known by
 * its name and the types of its metadata, and a program in it that counts and passes. It is one
 * program here, so that it takes no kernel that lets functions be replaced (BPF_PROG_TYPE_EXT).
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define CONTINUE 31 /* what an empty place returns: on to the next one */

char _license[] SEC("license") = "GPL";
__uint(dispatcher_version, 2) SEC("xdp_metadata");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} member_count SEC(".maps");

__attribute__((noinline)) int prog0(struct xdp_md *context)
{
	volatile int result = CONTINUE;

	return context ? result : XDP_ABORTED;
}

__attribute__((noinline)) int prog1(struct xdp_md *context)
{
	__u32 key = 0;
	__u64 *count = bpf_map_lookup_elem(&member_count, &key);

	if (!context || !count)
		return XDP_ABORTED;
	__sync_fetch_and_add(count, 1);
	return XDP_PASS;
}

SEC("xdp")
int xdp_dispatcher(struct xdp_md *context)
{
	int result = prog0(context);

	return result == CONTINUE || result == XDP_PASS ? prog1(context) : result;
}
