/* SPDX-License-Identifier: GPL-2.0-only OR GPL-2.0-or-later */
/*
 * What matches keep from packet to packet, in the arena, beside the images: it outlives the
 * generation that it was made for as long as its rule stands in the table (ruleset_pair_states()).
 * User space fills a cell in before a program can find it, and only reads it then; programs on
 * several CPUs, of two generations, and of both kinds of hooks change it at the same time, by
 * atomic operations. Times are jiffies (arena_root.tick_rate of them are a second).
 */
#pragma once

#include <linux/types.h>

#define MATCH_CELL_SIZE 64u /* a cache line of its own */

/* xt_limit.c: a bucket of credits, of which each tick brings some and each match costs some. */
struct match_limit {
	__u64 previous; /* when the bucket was filled up last */
	__u32 credit;
	__u32 credit_cap;
	__u32 cost;
	__u32 credits_per_tick;
};

/* xt_statistic.c: @probability of 2^31 packets. */
struct match_random {
	__u32 probability;
	__u32 inverted;
};

/* xt_statistic.c: packets are counted from 0 to @every, and then again. */
struct match_nth {
	__u32 count;
	__u32 every;
	__u32 inverted;
};

/* xt_quota.c */
struct match_quota {
	__u64 left; /* bytes */
	__u32 inverted;
};

/*
 * Some things are too much for atomic operations. They have a lock, number MATCH_LOCK() in the map
 * match_locks: only programs can take it, with interrupts off, so that whoever has it is neither
 * interrupted nor preempted. User space has a program do what takes the lock.
 */
#define MATCH_LOCKS          64u
#define MATCH_LOCK(position) ((position) / MATCH_CELL_SIZE % MATCH_LOCKS)

/*
 * xt_recent.c: a list of addresses, of both families, which all rules that name it share. Rules
 * know this cell; the list takes another place when it has to remember more of each address.
 */
struct match_recent {
	__u32 list; /* position of a struct recent_list; to be read under the lock */
};

/* What is 0 is no position. */
struct recent_list {
	__u64 size;      /* bytes, entries included; a multiple of 8 */
	__u64 clock;     /* the last time at which the list was used: it does not go back */
	__u64 mask_high; /* of addresses, as IPv6 has them; of IPv4's the first word */
	__u64 mask_low;
	__u64 seed;        /* of the hash */
	__u32 first_entry; /* position in bytes from here, of max_entries * entry_size bytes */
	__u32 entry_size;
	__u32 max_entries;
	__u32 n_entries;
	__u32 n_used; /* entries from this one on have never been used */
	__u32 free;   /* the first that is not used any more; they are linked by `next` */
	__u32 oldest;
	__u32 newest;
	__u32 stamp_mask; /* places for times in an entry, a power of two, less 1 */
	__u32 bucket_mask;
	__u32 bucket[]; /* the first entry of each */
};

/* All positions count from the list's start, so that a list can be copied. */
struct recent_entry {
	__u64 high; /* address in host byte order, IPv4's in @low */
	__u64 low;
	__u32 next; /* in its bucket */
	__u32 previous;
	__u32 newer;
	__u32 older;
	__u16 family; /* NFPROTO_IPV4 ... */
	__u16 ttl;
	__u16 index; /* behind the last stamp that was written */
	__u16 n_stamps;
	__u64 stamp[];
};

/*
 * xt_hashlimit.c: how much may match of the packets with the same key. Numbers are the kernel's:
 * 64 bits wide, and they overflow where those do.
 */
struct hashlimit_rate {
	/* Buckets of credits. */
	__u64 credit;     /* in a new one */
	__u64 credit_cap; /* of a new one; if bytes count, how often it is filled up at once */
	__u64 cost;       /* of a packet, or of HASHLIMIT_CHUNK bytes */
	__u64 credits_per_tick;
	__u64 second_of_bytes; /* credits that a bucket has room for if bytes count */
	/* Rates: packets or bytes in a window of time. */
	__u64 rate;
	__u64 burst;  /* so many may match in a window */
	__u32 window; /* ticks */
	__u32 flags;  /* enum residual_hashlimit_flags: RATE, BYTES */
};

#define HASHLIMIT_CHUNK 16 /* 1 << XT_HASHLIMIT_BYTE_SHIFT */

#define HASHLIMIT_WORDS 4 /* of a key with IPv6 addresses: source, destination */

/*
 * A table, which all rules of a family that name it share. It is as the first of them wanted it.
 * Everything that looks at it holds its lock. What is 0 is no position; positions count from the
 * table's start.
 */
struct hashlimit_table {
	struct hashlimit_rate rate;
	__u64 clock; /* the last time at which the table was used: it does not go back */
	__u64 seed;  /* of the hash */
	/* In host byte order. IPv4's addresses are one word, the source's first. */
	__u64 mask[HASHLIMIT_WORDS];
	__u32 port_mask; /* as ports stand in the packet: 0 if none counts */
	__u32 n_words;
	/* What the kernel does with what was not seen for a time. */
	__u64 started;
	__u64 interval; /* expired entries go when another interval has passed since @started */
	__u64 expiry;   /* ticks */
	__u32 lock;     /* number in match_locks */
	__u32 max_entries;
	__u32 n_entries;   /* from this one on they have never been used */
	__u32 first_entry; /* of max_entries * entry_size bytes */
	__u32 entry_size;
	__u32 oldest;
	__u32 newest;
	__u32 bucket_mask;
	/* What is looked for. */
	__u32 key_ports;
	__u64 key[HASHLIMIT_WORDS];
	__u32 bucket[]; /* the first entry of each */
};

struct hashlimit_entry {
	__u64 seen;     /* when a packet has asked for it last */
	__u64 previous; /* when it got credits last, or when its window began */
	__u64 credit;   /* of a rate: packets or bytes in this window */
	__u64 credit_cap;
	__u32 next; /* in its bucket */
	__u32 newer;
	__u32 older;
	__u32 exceeded; /* of a rate: in the window before this one */
	__u32 ports;    /* the key, masked */
	__u32 unused;
	__u64 words[];
};

enum recent_operation {
	RECENT_LIST_ADD,    /* the address, or the time at which it is seen now */
	RECENT_LIST_REMOVE, /* the address, if it is there */
	RECENT_LIST_COPY,   /* to the position @list, where as much room is */
	RECENT_LIST_MOVE,   /* to the list at @list, which is empty: what was seen is forgotten */
};

/* What user space asks of the program bpf_iptables_recent. */
struct recent_request {
	__u32 cell; /* position of the struct match_recent */
	__u32 operation;
	__u64 high;
	__u64 low;
	__u32 family;
	__u32 list;
	__s32 result; /* 0 or -errno */
	__u32 unused;
};
