/* SPDX-License-Identifier: GPL-2.0-only OR GPL-2.0-or-later */
/*
 * Layout of the arena, the memory that the daemon and the eBPF programs share. Positions in it are
 * byte offsets from ARENA_ADDRESS. The first page is the root; the rest belongs to the daemon's
 * allocator.
 */
#pragma once

#include <linux/types.h>

/*
 * The arena is mapped at one fixed address everywhere, so that a later process can adopt it. It
 * must lie on a 4 GiB boundary (kernel/bpf/arena.c: user memory must not cross one).
 */
#define ARENA_ADDRESS 0x200000000000ull
#define ARENA_PAGE    4096u
#define ARENA_PAGES   (1u << 20) /* 4 GiB of addresses; memory is taken only as it is used */

#define ARENA_LAYOUT 1 /* of everything in here and in image.h */

/* CPUs that have numbers above share counters; they are added to atomically. */
#define ARENA_CPUS 64u

enum arena_family {
	ARENA_IPV4,
	ARENA_IPV6,
	ARENA_FAMILIES,
};

enum arena_hook {
	ARENA_INPUT,
	ARENA_FORWARD,
	ARENA_OUTPUT,
	ARENA_HOOKS,
};

struct arena_counter {
	__u64 packets;
	__u64 bytes;
};

/*
 * The rulesets that are in force together: an image for each hook, and its counters. A generation
 * never changes; a new one takes its place.
 */
struct arena_generation {
	struct {
		__u32 image;
		__u32 counters;        /* arena_counter[cpus][counters_stride] */
		__u32 counters_stride; /* in counters */
		__u32 unused;
	} hook[ARENA_HOOKS];
	__u32 stacks; /* offset of struct arena_stack[ARENA_STACKS], 0 if no chain is nested deeply
		       */
	__u32 stack_size; /* bytes of one */
	__u32 stack_entries;
	__u32 unused;
};

/*
 * Return stacks for rulesets that nest deeper than struct walk's own. A walk takes one that is
 * free; there are enough for the walks that can be under way.
 */
#define ARENA_STACKS 256u

struct arena_stack {
	__u64 taken;
	__u32 bit[];
};

/*
 * Walks under way, counted for each parity of the generation: when those of the old parity are
 * gone from every CPU, nobody reads the old generation or adds to its counters any more.
 */
struct arena_readers {
	__u64 under_way[2];
	__u64 unused[6]; /* a cache line for each CPU */
};

/* Packets dropped because judging them was impossible. Each has a name in the daemon's status. */
enum arena_failure {
	ARENA_FAILURE_NO_RULESET, /* no generation in force */
	ARENA_FAILURE_FLIPPING,   /* the generation changed again and again while being entered */
	ARENA_FAILURE_STEPS,      /* the kernel's bound on loops was reached */
	ARENA_FAILURE_STACKS,     /* no return stack was free */
	ARENA_FAILURE_HEADER,     /* the packet could not be read */
	ARENA_FAILURES,
};

struct arena_root {
	__u32 layout; /* ARENA_LAYOUT */
	__u32 cpus;   /* number of counter arrays: at most ARENA_CPUS */
	/* Offset of the generation in force, a multiple of 64, plus its parity; 0: none. */
	__u64 current[ARENA_FAMILIES];
	__u64 failures[ARENA_FAILURES];
	__u64 tick_rate; /* jiffies per second */
	/* 1 if an IPv6 extension header that reaches past the packet's end breaks the chain. */
	__u64 ipv6_checks_length;
	__u64 unused[6]; /* readers begin on a cache line */
	struct arena_readers readers[ARENA_FAMILIES][ARENA_CPUS];
};
