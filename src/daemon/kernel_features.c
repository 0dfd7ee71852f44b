// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/kernel_features.h"

#include "common/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>

/* From linux/bpf.h of Linux 6.9, for distributions whose headers are older. */
#define MAP_TYPE_ARENA              33
#define PROGRAM_TYPE_NETFILTER      32
#define ATTACH_TYPE_NETFILTER       45
#define INSTRUCTION_MOV64_IMMEDIATE (BPF_ALU64 | BPF_MOV | BPF_K)
#define INSTRUCTION_EXIT            (BPF_JMP | BPF_EXIT)

static bool has_capability(const struct __user_cap_data_struct *data, unsigned int capability)
{
	return data[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability);
}

static int check_privileges(struct message *message)
{
	static const struct {
		unsigned int number;
		const char *name;
	} needed[] = {
		{CAP_NET_ADMIN, "CAP_NET_ADMIN"},
		{CAP_BPF, "CAP_BPF"},
		{CAP_PERFMON, "CAP_PERFMON"},
	};
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (geteuid() != 0)
		return message_error(message, EPERM, "only root can run it");
	if (syscall(SYS_capget, &header, data) < 0)
		return message_error(message, errno, "capget: %s", strerror(errno));

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		if (!has_capability(data, needed[i].number))
			return message_error(message, EPERM, "the capability %s is missing",
					     needed[i].name);
	}
	return 0;
}

static int bpf(enum bpf_cmd command, union bpf_attr *attribute)
{
	int fd = (int)syscall(SYS_bpf, command, attribute, sizeof(*attribute));

	return fd < 0 ? -errno : fd;
}

static int try_arena(void)
{
	union bpf_attr attribute = {
		.map_type = MAP_TYPE_ARENA,
		.map_flags = BPF_F_MMAPABLE,
		.max_entries = 1,
	};

	return bpf(BPF_MAP_CREATE, &attribute);
}

static int try_netfilter_program(void)
{
	const struct bpf_insn accept[] = {
		{.code = INSTRUCTION_MOV64_IMMEDIATE, .dst_reg = BPF_REG_0, .imm = 1},
		{.code = INSTRUCTION_EXIT},
	};
	union bpf_attr attribute = {
		.prog_type = PROGRAM_TYPE_NETFILTER,
		.expected_attach_type = ATTACH_TYPE_NETFILTER,
		.insns = (uintptr_t)accept,
		.insn_cnt = ARRAY_SIZE(accept),
		.license = (uintptr_t)"GPL",
	};

	return bpf(BPF_PROG_LOAD, &attribute);
}

static int try_type_information(void)
{
	int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int kernel_features_check(struct message *message)
{
	static const struct {
		int (*try)(void); /* a file descriptor or a negative errno */
		const char *name;
	} features[] = {
		{try_type_information, "type information (CONFIG_DEBUG_INFO_BTF)"},
		{try_netfilter_program, "eBPF netfilter programs (CONFIG_NETFILTER_BPF_LINK)"},
		{try_arena, "eBPF arenas"},
	};
	int error = check_privileges(message);

	for (size_t i = 0; i < ARRAY_SIZE(features) && !error; i++) {
		_cleanup_close_ int fd = features[i].try();

		if (fd < 0)
			error = message_error(message, -fd,
					      "this kernel has no %s, Linux 6.9 or later has: %s",
					      features[i].name, strerror(-fd));
	}
	return error;
}
