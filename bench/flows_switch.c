// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/flows_switch.h"

#include "abi/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int refuse(int fd)
{
	fprintf(stderr, "the daemon's arena cannot be written: %s\n", strerror(errno));
	if (fd >= 0)
		close(fd);
	return -EIO;
}

int flows_switch_open(int pid)
{
	char path[64];
	__u32 layout;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || pread(fd, &layout, sizeof(layout), ARENA_ADDRESS) != sizeof(layout))
		return refuse(fd);
	errno = EPROTO;
	return layout == ARENA_LAYOUT ? fd : refuse(fd);
}

int flows_switch(int fd, bool on)
{
	__u32 pause = on ? 0 : UINT32_MAX;

	for (size_t lane = 0; lane < ARENA_CPUS; lane++) {
		size_t place = offsetof(struct arena_root, lane) +
			       lane * sizeof(struct arena_lane) +
			       offsetof(struct arena_lane, pause);

		if (pwrite(fd, &pause, sizeof(pause), (off_t)(ARENA_ADDRESS + place)) !=
		    sizeof(pause))
			return refuse(-1);
	}
	return 0;
}
