// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel_tracker.h"

#include "abi/arena.h"
#include "abi/kernel_constants.h"
#include "daemon/conntrack_switch.h"
#include "kernel_tracker.skel.h"
#include "tracker_bytes.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define DEVICE "hosts"

static struct kernel_tracker *skeleton;
static struct conntrack_switch *conntrack;
static int tun = -1;

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail_msg("cannot write %s: %s", path, strerror(errno));
	close(fd);
}

static void run(const char *command)
{
	if (system(command)) /* NOLINT(cert-env33-c): fixed commands, as root in a test */
		fail_msg("failed: %s", command);
}

static void open_device(void)
{
	struct ifreq request = {.ifr_name = DEVICE, .ifr_flags = IFF_TUN | IFF_NO_PI};

	tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (tun < 0 || ioctl(tun, TUNSETIFF, &request))
		fail_msg("no TUN device: %s", strerror(errno));
	run("ip link set lo up && ip link set " DEVICE " up mtu 9000");
	write_file("/proc/sys/net/ipv4/ip_forward", "1");
	write_file("/proc/sys/net/ipv6/conf/all/forwarding", "1");
	write_file("/proc/sys/net/ipv4/conf/all/rp_filter", "0");
	write_file("/proc/sys/net/ipv4/conf/" DEVICE "/rp_filter", "0");
	write_file("/proc/sys/net/ipv4/conf/all/send_redirects", "0");
	write_file("/proc/sys/net/ipv4/conf/" DEVICE "/send_redirects", "0");
	run("ip address add 10.255.0.1/32 dev " DEVICE);
	run("ip route add 10.0.0.0/8 dev " DEVICE);
	run("ip -6 route add fd00::/8 dev " DEVICE);
}

/* libbpf 1.1 has no netfilter links: see datapath/program.c. */
static void attach(const struct bpf_program *program, uint32_t family, uint32_t hook,
		   int32_t priority)
{
	struct {
		uint32_t prog_fd, target_fd, attach_type, flags, family, hook;
		int32_t priority;
		uint32_t netfilter_flags;
	} create = {
		.prog_fd = (uint32_t)bpf_program__fd(program),
		.attach_type = KERNEL_ATTACH_TYPE_NETFILTER,
		.family = family,
		.hook = hook,
		.priority = priority,
	};

	/* The link stays as long as the file descriptor, that is as long as this process. */
	if (syscall(SYS_bpf, BPF_LINK_CREATE, &create, sizeof(create)) < 0)
		fail_msg("cannot attach at hook %u: %s", hook, strerror(errno));
}

static void load_programs(void)
{
	struct bpf_program *program;

	skeleton = kernel_tracker__open();
	assert_non_null(skeleton);
	bpf_object__for_each_program(program, skeleton->obj)
	{
		bpf_program__set_type(program, KERNEL_PROG_TYPE_NETFILTER);
		bpf_program__set_expected_attach_type(program, KERNEL_ATTACH_TYPE_NETFILTER);
	}
	if (kernel_tracker__load(skeleton))
		fail_msg("the kernel refuses the programs: %s", strerror(errno));
	for (int i = 0; i < 2; i++) {
		uint32_t family = i ? NFPROTO_IPV6 : NFPROTO_IPV4;

		attach(skeleton->progs.kernel_tracker_observe, family, NF_INET_PRE_ROUTING,
		       NF_IP_PRI_CONNTRACK + 10);
		attach(skeleton->progs.kernel_tracker_judge, family, NF_INET_FORWARD, 10);
	}
}

void kernel_tracker_open(void)
{
	struct message message = {};

	if (unshare(CLONE_NEWNET))
		fail_msg("no network namespace: %s", strerror(errno));
	open_device();
	if (conntrack_switch_open(&conntrack, &message) ||
	    conntrack_switch_set(conntrack, NFPROTO_IPV4, true, &message) ||
	    conntrack_switch_set(conntrack, NFPROTO_IPV6, true, &message))
		fail_msg("%s", message.text);
	write_file("/proc/sys/net/netfilter/nf_conntrack_checksum", "0");
	load_programs();
}

void kernel_tracker_close(void)
{
	kernel_tracker__destroy(skeleton);
	conntrack_switch_close(conntrack);
	close(tun);
}

struct observation kernel_tracker_run(const struct tracker_packet *packet, bool accept)
{
	volatile struct observation *observation = &skeleton->bss->observation;
	uint8_t bytes[TRACKER_BYTES];
	uint32_t size = tracker_bytes(packet, bytes), seen = observation->seen;

	skeleton->bss->accept = accept;
	if (write(tun, bytes, size) != (ssize_t)size)
		fail_msg("cannot send a packet of %u bytes: %s", size, strerror(errno));
	if (observation->seen == seen)
		fail_msg("a packet of %u bytes did not come to PRE_ROUTING", size);
	while (read(tun, bytes, sizeof(bytes)) > 0)
		;
	return *(struct observation *)observation;
}
