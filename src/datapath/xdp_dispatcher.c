// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/xdp_dispatcher.h"

#include "common/cleanup.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <string.h>

/*
 * libxdp's prog_dispatcher.h: all versions of the dispatcher have their version among the types of
 * this section, by which libxdp itself knows them.
 */
#define DISPATCHER_NAME "xdp_dispatcher"
#define METADATA        "xdp_metadata"
#define VERSION         "dispatcher_version"

static bool has_dispatcher_version(uint32_t btf_id)
{
	struct btf *btf = btf_id ? btf__load_from_kernel_by_id(btf_id) : NULL;
	bool found = btf && btf__find_by_name_kind(btf, METADATA, BTF_KIND_DATASEC) > 0 &&
		     btf__find_by_name_kind(btf, VERSION, BTF_KIND_VAR) > 0;

	btf__free(btf);
	return found;
}

int xdp_dispatcher_is(uint32_t id)
{
	_cleanup_close_ int fd = bpf_prog_get_fd_by_id(id);
	struct bpf_prog_info information = {};
	__u32 size = sizeof(information);

	if (fd < 0)
		return errno == ENOENT ? -ENOENT : 0;
	if (bpf_obj_get_info_by_fd(fd, &information, &size))
		return 0;
	return strncmp(information.name, DISPATCHER_NAME, sizeof(information.name)) == 0 &&
	       has_dispatcher_version(information.btf_id);
}
