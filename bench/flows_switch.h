/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A daemon's programs remember the flows that they have judged (src/bpf/flows.h). This makes them
 * judge every packet anew, and remember again: it writes to the arena of the running daemon.
 */
#pragma once

#include <stdbool.h>

/* Opens the memory of daemon @pid. Returns a file descriptor or -errno, told on stderr. */
int flows_switch_open(int pid);

/* Returns 0 or -errno, told on stderr. Flows are off for some billion packets at most. */
int flows_switch(int fd, bool on);
