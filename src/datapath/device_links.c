// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/device_links.h"

#include "abi/kernel_constants.h"
#include "common/cleanup.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <string.h>
#include <sys/syscall.h>

/* bpf() structures of include/uapi/linux/bpf.h of Linux 6.6, which libbpf 1.1 lacks. */
struct tcx_link_attributes {
	__u32 prog_fd;
	__u32 target_ifindex;
	__u32 attach_type;
	__u32 flags;
	__u32 relative_fd;
	__u32 unused;
	__u64 expected_revision;
};

struct device_link_info {
	__u32 type;
	__u32 id;
	__u32 prog_id;
	__u32 unused;
	__u32 ifindex; /* of XDP and tcx alike */
	__u32 attach_type;
};

/* The kernel wants the rest of its structure to be zero. */
union request {
	struct tcx_link_attributes create;
	union bpf_attr attributes;
};

static __u32 tcx_attach_type(enum device_link_kind kind)
{
	return kind == DEVICE_LINK_TCX_INGRESS ? KERNEL_ATTACH_TYPE_TCX_INGRESS
					       : KERNEL_ATTACH_TYPE_TCX_EGRESS;
}

static int create_tcx(enum device_link_kind kind, uint32_t ifindex, int program_fd)
{
	union request request;
	long link;

	memset(&request, 0, sizeof(request));
	request.create = (struct tcx_link_attributes){
		.prog_fd = (__u32)program_fd,
		.target_ifindex = ifindex,
		.attach_type = tcx_attach_type(kind),
		.flags = KERNEL_FLAG_BEFORE, /* of nothing in particular: of all */
	};
	link = syscall(SYS_bpf, BPF_LINK_CREATE, &request, sizeof(request));
	return link < 0 ? -errno : (int)link;
}

static int create_xdp(enum device_link_kind kind, uint32_t ifindex, int program_fd)
{
	LIBBPF_OPTS(bpf_link_create_opts, options,
		    .flags = kind == DEVICE_LINK_XDP_NATIVE ? XDP_FLAGS_DRV_MODE
							    : XDP_FLAGS_SKB_MODE);
	int link = bpf_link_create(program_fd, (int)ifindex, BPF_XDP, &options);

	return link < 0 ? -errno : link;
}

int device_link_create(enum device_link_kind kind, uint32_t ifindex, int program_fd)
{
	if (kind == DEVICE_LINK_TCX_INGRESS || kind == DEVICE_LINK_TCX_EGRESS)
		return create_tcx(kind, ifindex, program_fd);
	return create_xdp(kind, ifindex, program_fd);
}

int device_link_update(int link_fd, int program_fd)
{
	return bpf_link_update(link_fd, program_fd, NULL) ? -errno : 0;
}

uint32_t device_link_ifindex(int link_fd)
{
	union {
		struct device_link_info device;
		struct bpf_link_info information;
	} link;
	__u32 size = sizeof(link);

	memset(&link, 0, sizeof(link));
	return bpf_obj_get_info_by_fd(link_fd, &link, &size) ? 0 : link.device.ifindex;
}

void device_link_program_name(uint32_t id, char ret_name[DEVICE_LINK_PROGRAM_NAME])
{
	_cleanup_close_ int fd = bpf_prog_get_fd_by_id(id);
	struct bpf_prog_info information = {};
	__u32 size = sizeof(information);

	memcpy(ret_name, "?", 2);
	if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &information, &size) && information.name[0])
		memcpy(ret_name, information.name, DEVICE_LINK_PROGRAM_NAME);
}
