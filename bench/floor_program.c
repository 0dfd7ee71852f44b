// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/floor_program.h"

#include "abi/kernel_constants.h"
#include "floor.skel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* libbpf 1.1 does not know this type: it is told the numbers. */
static int set_type(struct bpf_program *program)
{
	int error = bpf_program__set_type(program, KERNEL_PROG_TYPE_NETFILTER);

	return error ? error
		     : bpf_program__set_expected_attach_type(program, KERNEL_ATTACH_TYPE_NETFILTER);
}

static int load(struct floor_bpf *skeleton)
{
	int error = set_type(skeleton->progs.bench_floor_drop);

	if (!error)
		error = set_type(skeleton->progs.bench_floor_accept);
	return error ? error : floor_bpf__load(skeleton);
}

int floor_program_load(int verdict)
{
	struct floor_bpf *skeleton = floor_bpf__open();
	int error = skeleton ? load(skeleton) : -errno;

	if (error) {
		fprintf(stderr, "cannot load the empty program: %s\n", strerror(-error));
		return error;
	}
	return bpf_program__fd(verdict == NF_DROP ? skeleton->progs.bench_floor_drop
						  : skeleton->progs.bench_floor_accept);
}

int floor_program_attach(int fd, unsigned int hook)
{
	/* include/uapi/linux/bpf.h, BPF_LINK_CREATE for a netfilter hook, which libbpf 1.1 lacks.
	 */
	struct {
		__u32 prog_fd, target_fd, attach_type, flags;
		__u32 family, hook;
		__s32 priority;
		__u32 netfilter_flags;
	} create = {
		.prog_fd = (__u32)fd,
		.attach_type = KERNEL_ATTACH_TYPE_NETFILTER,
		.family = NFPROTO_IPV4,
		.hook = hook,
		.priority = -10,
	};
	long link = syscall(SYS_bpf, BPF_LINK_CREATE, &create, sizeof(create));

	if (link >= 0)
		return (int)link;
	fprintf(stderr, "cannot attach the empty program: %s\n", strerror(errno));
	return -errno;
}
