// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libbpfiptables-preload.so: loaded into the unmodified iptables program, it stands between it and
 * the kernel. What concerns the filter table goes to bpf-iptablesd, everything else to the kernel.
 * Loaded into any other program it does nothing, unless that program uses these very socket
 * options.
 *
 * posix_spawn() is overridden in module_loading.c, fopen() in table_names.c.
 */
#include <netinet/in.h>

#include <errno.h>
#include <linux/netfilter.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "frontend/filter_table.h"
#include "frontend/kernel_guard.h"
#include "frontend/module_loading.h"
#include "frontend/preload_version.h"

#define EXPORTED __attribute__((visibility("default")))

/* A section whose name begins with .note is one of notes. */
__attribute__((used, aligned(4),
	       section(".note." PRELOAD_NOTE_OWNER))) static const struct preload_note note = {
	.header = {sizeof(PRELOAD_NOTE_OWNER), sizeof(PRELOAD_VERSION), PRELOAD_NOTE_TYPE},
	.owner = PRELOAD_NOTE_OWNER,
	.version = PRELOAD_VERSION,
};

static uint8_t family_of_level(int level)
{
	return level == SOL_IP ? NFPROTO_IPV4 : NFPROTO_IPV6;
}

static int fail(int error)
{
	errno = -error;
	return -1;
}

/* The marker is for the system call guard; an option that the guard does not cover ignores it. */
static int kernel_getsockopt(int fd, int level, int option, void *value, socklen_t *length)
{
	return (int)syscall(SYS_getsockopt, fd, level, option, value, length, KERNEL_GUARD_MARKER);
}

static int kernel_setsockopt(int fd, int level, int option, const void *value, socklen_t length)
{
	return (int)syscall(SYS_setsockopt, fd, level, option, value, (unsigned long)length,
			    KERNEL_GUARD_MARKER);
}

EXPORTED int getsockopt(int fd, int level, int option, void *restrict value,
			socklen_t *restrict length)
{
	int ret;

	if (!kernel_guard_covers(level, option) || !value || !length)
		return kernel_getsockopt(fd, level, option, value, length);

	ret = filter_table_get(family_of_level(level), option, value, *length);
	if (ret != FILTER_TABLE_KERNEL)
		return ret ? fail(ret) : 0;

	ret = kernel_getsockopt(fd, level, option, value, length);
	if (ret < 0 && errno == ENOPROTOOPT) {
		if (module_loading_needed())
			return kernel_getsockopt(fd, level, option, value, length);
		errno = ENOPROTOOPT;
	}
	return ret;
}

EXPORTED int setsockopt(int fd, int level, int option, const void *value, socklen_t length)
{
	int ret;

	if (!kernel_guard_covers(level, option) || !value)
		return kernel_setsockopt(fd, level, option, value, length);

	ret = filter_table_set(family_of_level(level), option, value, length);
	if (ret != FILTER_TABLE_KERNEL)
		return ret ? fail(ret) : 0;
	return kernel_setsockopt(fd, level, option, value, length);
}
