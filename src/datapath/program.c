// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/program.h"

#include "abi/kernel_constants.h"
#include "common/cleanup.h"
#include "netfilter.skel.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <string.h>
#include <sys/syscall.h>

/* The kernel refuses a priority that another hook of the same place has: try some. */
#define PRIORITY_TRIES 16
#define PRIORITY_STEP  3

static const unsigned int hook_numbers[ARENA_HOOKS] = {
	[ARENA_INPUT] = NF_INET_LOCAL_IN,
	[ARENA_FORWARD] = NF_INET_FORWARD,
	[ARENA_OUTPUT] = NF_INET_LOCAL_OUT,
};

static const unsigned int protocol_families[ARENA_FAMILIES] = {
	[ARENA_IPV4] = NFPROTO_IPV4,
	[ARENA_IPV6] = NFPROTO_IPV6,
};

/* libbpf's complaints, of which the last is the most telling; the daemon has one thread. */
static struct message libbpf_complaint;

static int note_complaint(enum libbpf_print_level level, const char *format, va_list arguments)
{
	char text[MESSAGE_SIZE];

	if (level != LIBBPF_WARN)
		return 0;
	vsnprintf(text, sizeof(text), format, arguments);
	text[strcspn(text, "\n")] = '\0';
	if (!libbpf_complaint.text[0])
		memcpy(libbpf_complaint.text, text, sizeof(text));
	return 0;
}

static int load_error(int error, struct message *message)
{
	const char *hint = "";

	if (error == -EPERM || error == -EACCES)
		hint = "; it takes root, or CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN";
	else if (error == -EINVAL || error == -ENOENT || error == -ESRCH)
		hint = "; it takes Linux 6.9 with CONFIG_NETFILTER_BPF_LINK and BTF";
	return message_error(message, -error, "cannot load the eBPF programs: %s (%s)%s",
			     strerror(-error), libbpf_complaint.text, hint);
}

static struct bpf_program *program_of(const struct netfilter_bpf *skeleton, int family)
{
	return family == ARENA_IPV4 ? skeleton->progs.bpf_iptables_ipv4
				    : skeleton->progs.bpf_iptables_ipv6;
}

/* libbpf 1.1 knows neither this program type nor arenas: it is told the numbers. */
static int load_skeleton(struct netfilter_bpf *skeleton)
{
	int error = bpf_map__set_map_extra(skeleton->maps.arena, ARENA_ADDRESS);

	for (int family = 0; family < ARENA_FAMILIES && !error; family++) {
		struct bpf_program *program = program_of(skeleton, family);

		error = bpf_program__set_type(program, KERNEL_PROG_TYPE_NETFILTER);
		if (!error)
			error = bpf_program__set_expected_attach_type(program,
								      KERNEL_ATTACH_TYPE_NETFILTER);
	}
	return error ? error : netfilter_bpf__load(skeleton);
}

int program_load(struct program *program, struct message *message)
{
	int error;

	memset(program, 0, sizeof(*program));
	memset(program->links, -1, sizeof(program->links));
	libbpf_complaint.text[0] = '\0';
	libbpf_set_print(note_complaint);
	program->skeleton = netfilter_bpf__open();
	if (!program->skeleton)
		return load_error(-errno, message);
	error = load_skeleton(program->skeleton);
	if (!error)
		return 0;
	program_close(program);
	return load_error(error, message);
}

int program_arena_fd(const struct program *program)
{
	return bpf_map__fd(program->skeleton->maps.arena);
}

int program_covered_fd(const struct program *program)
{
	return bpf_map__fd(program->skeleton->maps.covered);
}

int program_covered_low_fd(const struct program *program)
{
	return bpf_map__fd(program->skeleton->maps.covered_low);
}

struct match_programs program_for_matches(const struct program *program)
{
	return (struct match_programs){
		.clock = bpf_program__fd(program->skeleton->progs.bpf_iptables_clock),
		.recent = bpf_program__fd(program->skeleton->progs.bpf_iptables_recent),
	};
}

int program_locks_fd(const struct program *program)
{
	return bpf_map__fd(program->skeleton->maps.match_locks);
}

int program_fd(const struct program *program, enum arena_family family)
{
	return bpf_program__fd(program_of(program->skeleton, family));
}

/* BPF_LINK_CREATE for a netfilter hook (include/uapi/linux/bpf.h), which libbpf 1.1 lacks. */
struct netfilter_link_attributes {
	__u32 prog_fd;
	__u32 target_fd;
	__u32 attach_type;
	__u32 flags;
	__u32 protocol_family;
	__u32 hook_number;
	__s32 priority;
	__u32 netfilter_flags;
};

static int create_link(int fd, unsigned int family, unsigned int hook, int priority)
{
	union {
		struct netfilter_link_attributes netfilter;
		union bpf_attr attributes; /* the kernel wants the rest of it zero */
	} create;
	long link;

	memset(&create, 0, sizeof(create));
	create.netfilter = (struct netfilter_link_attributes){
		.prog_fd = (__u32)fd,
		.attach_type = KERNEL_ATTACH_TYPE_NETFILTER,
		.protocol_family = family,
		.hook_number = hook,
		.priority = priority,
	};
	link = syscall(SYS_bpf, BPF_LINK_CREATE, &create, sizeof(create.netfilter));
	return link < 0 ? -errno : (int)link;
}

static void close_links(int *links)
{
	for (int hook = 0; hook < ARENA_HOOKS; hook++) {
		cleanup_close(&links[hook]);
		links[hook] = -1;
	}
}

static int attach_at(struct program *program, enum arena_family family, int priority)
{
	int *links = program->links[family];

	for (int hook = 0; hook < ARENA_HOOKS; hook++) {
		int link = create_link(program_fd(program, family), protocol_families[family],
				       hook_numbers[hook], priority);

		if (link < 0) {
			close_links(links);
			return link;
		}
		links[hook] = link;
	}
	return 0;
}

int program_attach(struct program *program, enum arena_family family, struct message *message)
{
	int priority = NF_IP_PRI_FILTER + 1, error = -EBUSY;

	for (int i = 0; i < PRIORITY_TRIES && error == -EBUSY; i++) {
		priority -= PRIORITY_STEP;
		error = attach_at(program, family, priority);
	}
	if (error == -EBUSY)
		return message_error(message, EBUSY,
				     "cannot attach to the netfilter hooks: the priorities from %d "
				     "to %d are all taken by others (see `nft list hooks`)",
				     priority, NF_IP_PRI_FILTER + 1 - PRIORITY_STEP);
	if (error)
		return message_error(message, -error, "cannot attach to the netfilter hooks: %s",
				     strerror(-error));
	program->priority[family] = priority;
	return 0;
}

void program_close(struct program *program)
{
	for (int family = 0; family < ARENA_FAMILIES; family++)
		close_links(program->links[family]);
	netfilter_bpf__destroy(program->skeleton);
	program->skeleton = NULL;
}
