/* SPDX-License-Identifier: GPL-2.0-only OR GPL-2.0-or-later */
/*
 * Layout of the arena, the memory that the daemon and the eBPF programs share. Positions in it are
 * byte offsets from ARENA_ADDRESS. The first page is the root; the rest belongs to the daemon's
 * allocator.
 */
#pragma once

#include "abi/image.h"

#include <linux/types.h>

/*
 * The arena is mapped at one fixed address everywhere, so that a later process can adopt it. It
 * must lie on a 4 GiB boundary (kernel/bpf/arena.c: user memory must not cross one).
 */
#define ARENA_ADDRESS 0x200000000000ull
#define ARENA_PAGE    4096u
#define ARENA_PAGES   (1u << 20) /* 4 GiB of addresses; memory is taken only as it is used */

#define ARENA_LAYOUT 5 /* of everything in here and in image.h */

/* There are lanes for so many CPUs; those that have numbers above share them. */
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
	struct arena_ruleset {
		__u32 image;
		/* arena_counter[lanes + 1][stride]: the last for the walks without a lane. */
		__u32 counters;
		__u32 counters_stride; /* in bytes */
		__u32 needs;           /* of the image, as key_mask is */
		__u64 tag;             /* of its flows: no other ruleset has ever had it */
		__u32 always;   /* what is done with every packet, in short, if there is no rule */
		__u32 by_state; /* position of the image's table; 0: there is none */
		__u64 key_mask[IMAGE_KEY_WORDS];
		__u64 unused_line[3]; /* two cache lines */
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
 * A flow that has been judged: its key, and what that did. Whoever has the lane in which it is
 * reads and writes it.
 */
#define ARENA_FLOW_COUNTERS 11u
#define ARENA_FLOW_WORDS    2u /* of the key; in IPv4 without interfaces that is all of it */
#define ARENA_FLOW_PLACES   4u /* where a key's flow can be, one beside the other */

struct arena_flow {
	__u64 tag; /* arena_ruleset.tag; 0: nothing is here */
	__u64 key[ARENA_FLOW_WORDS];
	__u16 verdict;    /* IMAGE_ACCEPT or IMAGE_DROP */
	__u16 n_counters; /* at least one */
	__u32 counter;    /* the first */
};

/* What not every flow needs: it would only make the others lie farther apart. */
struct arena_flow_rest {
	__u64 key[IMAGE_KEY_WORDS - ARENA_FLOW_WORDS];
	__u32 counter[ARENA_FLOW_COUNTERS - 1]; /* from the second on */
};

/*
 * What a walk has for itself while it is under way: the counters of its CPU, which it adds to
 * without atomic operations, and the flows that were judged there. The first walk on a CPU takes
 * the lane; those that come while it has it (they interrupted it, or it was preempted) do without:
 * struct arena_readers.
 */
struct arena_lane {
	__u64 holder; /* the position of the generation that the walk is in; 0: it is free */
	__u32 flows;  /* offset of struct arena_flow[ARENA_FLOW_PLACES << arena_root.flow_bits] */
	__u32 rests;  /* and of their struct arena_flow_rest[] */
	__s32 credit; /* what looking for flows has paid for of late; see bpf/flows.h */
	__u32 pause;  /* so many packets are still judged without looking for their flows */
	__u32 turn;   /* which of the places of a flow is filled next */
	__u32 n_counted;
	__u32 counted[ARENA_FLOW_COUNTERS]; /* by this walk */
	__u32 unused_word;
	__u64 unused[6]; /* two cache lines */
};

/*
 * Walks without a lane, counted for each parity of the generation. When those of the old parity are
 * gone and no lane is held in the old generation, nobody reads it or adds to its counters any more.
 */
struct arena_readers {
	__u64 under_way[2];
	__u64 unused[6]; /* a cache line for each CPU */
};

/*
 * What eBPF cannot do at a netfilter hook (to log, to reject with an answer ...) is delegated to
 * the kernel's own targets, which nftables chains right behind the hook carry out; and what it
 * cannot know is found out by the kernel's own matches, in chains right in front of it. A packet
 * for which there is something of that kind has a docket while it is on its way through these
 * chains. docs/delegation.md
 */
#define DOCKET_BUCKETS    512u /* a power of two */
#define DOCKET_PLACES     8u
#define DOCKET_ACTIONS    28u  /* at most, the verdict included */
#define DOCKET_BITS       12u  /* of an action's number */
#define DOCKET_CONDITIONS 512u /* numbers that conditions can have */

#define DOCKET_DROP                                                                   \
	0u /* the action that ends a packet which the rules drop; others have numbers \
	      from 1 on */

struct arena_docket {
	__u8 n_actions;
	__u8 next;     /* number of the first that is not done yet */
	__u16 current; /* the action that is being done */
	__u16 begun;   /* by the chains in front of the hook, which the packet has not passed yet */
	__u16 step;    /* number of the condition that these are at, plus one */
	__u16 action[DOCKET_ACTIONS];
	__u64 condition[DOCKET_CONDITIONS / 64]; /* bit: it holds */
};

struct arena_dockets {
	/* The packets that have dockets: the addresses of their struct sk_buff. 0: free. */
	__u64 packet[DOCKET_BUCKETS][DOCKET_PLACES];
	struct arena_docket docket[DOCKET_BUCKETS][DOCKET_PLACES];
};

/* Packets dropped because judging them was impossible. Each has a name in the daemon's status. */
enum arena_failure {
	ARENA_FAILURE_NO_RULESET, /* no generation in force */
	ARENA_FAILURE_FLIPPING,   /* the generation changed again and again while being entered */
	ARENA_FAILURE_STEPS,      /* the kernel's bound on loops was reached */
	ARENA_FAILURE_STACKS,     /* no return stack was free */
	ARENA_FAILURE_HEADER,     /* the packet could not be read */
	ARENA_FAILURE_ROUTE,      /* its chain is not known */
	ARENA_FAILURES,
};

/*
 * From the clock that eBPF can ask, international atomic time, to those that rules are for. The
 * kernel changes that one whenever it changes the time of day; what they differ by is kept up to
 * date by the daemon while a rule asks for the time.
 */
struct arena_clock {
	__s64 atomic_time_ahead; /* of UTC, ns: adjtimex(2), timex.tai */
	__s64 seconds_west;      /* of Greenwich: the kernel's time zone, settimeofday(2) */
};

struct arena_root {
	__u32 layout;    /* ARENA_LAYOUT */
	__u32 judges;    /* enum judges of abi/handover.h */
	__u32 flow_bits; /* a lane has ARENA_FLOW_PLACES << flow_bits flows */
	__u32 dockets;   /* offset of struct arena_dockets, 0 while nothing is delegated */
	/* Offset of the generation in force, a multiple of 64, plus its parity; 0: none. */
	__u64 current[ARENA_FAMILIES];
	__u64 failures[ARENA_FAILURES];
	__u64 tick_rate; /* jiffies per second */
	/* 1 if an IPv6 extension header that reaches past the packet's end breaks the chain. */
	__u64 ipv6_checks_length;
	__u64 last_tag; /* the greatest arena_ruleset.tag so far */
	/* Hooks on devices: a rule asks for the state of connections. */
	__u64 tracks[ARENA_FAMILIES];
	__u64 undelegated; /* actions that were lost because there was no room for them */
	__u32 lanes;       /* one for each CPU, at most ARENA_CPUS */
	__u32 handover;    /* offset of struct handover; 0: there is none */
	__u64 ticks;       /* jiffies, when the program bpf_iptables_clock was run last */
	__u64 test_ticks;  /* the time for matches, if it is not 0; for tests */
	__u64 unused[5];   /* lanes begin on a cache line */
	struct arena_lane lane[ARENA_CPUS];
	struct arena_readers readers[ARENA_FAMILIES][ARENA_CPUS];
	struct arena_clock clock;
};
