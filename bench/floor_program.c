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

int floor_program_load(void)
{
	struct floor_bpf *skeleton = floor_bpf__open();
	int error = skeleton ? 0 : -errno;

	/* libbpf 1.1 does not know this type: it is told the numbers. */
	if (!error)
		error = bpf_program__set_type(skeleton->progs.bench_floor,
					      KERNEL_PROG_TYPE_NETFILTER);
	if (!error)
		error = bpf_program__set_expected_attach_type(skeleton->progs.bench_floor,
							      KERNEL_ATTACH_TYPE_NETFILTER);
	if (!error)
		error = floor_bpf__load(skeleton);
	if (error) {
		fprintf(stderr, "cannot load the empty program: %s\n", strerror(-error));
		return error;
	}
	return bpf_program__fd(skeleton->progs.bench_floor);
}

int floor_program_attach(int fd)
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
		.hook = NF_INET_LOCAL_IN,
		.priority = -10,
	};
	long link = syscall(SYS_bpf, BPF_LINK_CREATE, &create, sizeof(create));

	if (link >= 0)
		return (int)link;
	fprintf(stderr, "cannot attach the empty program: %s\n", strerror(errno));
	return -errno;
}
