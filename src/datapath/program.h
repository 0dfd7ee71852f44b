/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The eBPF programs: loaded, and attached to the hooks of the calling thread's network namespace.
 */
#pragma once

#include "abi/arena.h"
#include "common/message.h"
#include "datapath/match_states.h"

#include <stdbool.h>

struct netfilter_bpf;

struct program {
	struct netfilter_bpf *skeleton;
	int links[ARENA_FAMILIES][ARENA_HOOKS]; /* -1 where there is none */
	int priority[ARENA_FAMILIES];           /* of the hooks, once they are attached */
};

/*
 * Loads the programs. The message says what the kernel lacks. EPERM, EINVAL, ENOMEM ...
 */
int program_load(struct program *program, struct message *message);

/* The map of abi/devices.h, for arena_root.judges that leave devices to others. */
int program_covered_fd(const struct program *program);
int program_covered_low_fd(const struct program *program);

/* File descriptor of the arena, of the program of @family; owned by @program. */
int program_arena_fd(const struct program *program);
int program_fd(const struct program *program, enum arena_family family);

/* The programs that user space runs for the sake of matches. */
struct match_programs program_for_matches(const struct program *program);

/* The locks that all programs share. */
int program_locks_fd(const struct program *program);

/*
 * Attaches the program of @family to its three hooks, all of them or none, at a priority that
 * nobody else has, next to iptables' own filter table; the priorities in front of and behind it are
 * for the chains to which it delegates (datapath/delegation.h). EBUSY if there is none.
 */
int program_attach(struct program *program, enum arena_family family, struct message *message);

/* Detaches and unloads; accepts what program_load() failed to load. */
void program_close(struct program *program);
