/* SPDX-License-Identifier: GPL-2.0-only OR GPL-2.0-or-later */
/*
 * Who judges packets: the programs on netfilter's hooks, those on devices, or, while the one takes
 * over from the other, both. Then the one that a packet meets first notes what it has accepted, and
 * the other one does not judge, nor count, what it finds noted. A note is for one packet: it is
 * taken away with it.
 *
 * Packets are noted by their bytes, as nothing that both hooks see could carry a mark that cannot
 * be forged. So of packets that are equal in all their headers any one may take the note: as many
 * pass as were accepted, and each is equal to one that was.
 */
#pragma once

#include <linux/types.h>

/* Of arena_root.judges; 0 before any ruleset is in force: then netfilter's hooks judge. */
enum judges {
	/* Every packet is judged at netfilter's hooks, whatever its device carries. */
	JUDGES_NETFILTER = 1 << 0,
	/* Programs on devices judge what comes in, and what leaves; else they let it pass. */
	JUDGES_INGRESS = 1 << 1,
	JUDGES_EGRESS = 1 << 2,
	/* Accepted packets are noted, and those that are noted are not judged again. */
	JUDGES_HANDOVER = 1 << 3,
};

/* Where a packet was judged, for whom it meets later. */
enum handover_stage {
	HANDOVER_XDP,       /* for TC and netfilter's hooks */
	HANDOVER_TC,        /* for netfilter's hooks */
	HANDOVER_NETFILTER, /* LOCAL_OUT, for TC */
};

/* So many bytes of a packet tell it from others, with its length, its chain and its device. */
#define HANDOVER_BYTES 128u

/* 32-bit words of what is hashed: the bytes, then stage, chain and family; device; length; 0. */
#define HANDOVER_WORDS (HANDOVER_BYTES / 4 + 4)

/* Places for notes: a power of two. A note is in one of a few that follow each other. */
#define HANDOVER_PLACES 65536u
#define HANDOVER_PROBES 4u

/*
 * A place is 0, or the packet's number, which is its hash but for the lowest byte, and in that how
 * many such packets have been noted. A packet that finds no place is not noted.
 */
#define HANDOVER_COUNT_MASK 0xffull

/*
 * The hash is NH (Black et al., UMAC, 1999) with these random keys, which are new for each change:
 * whatever packets somebody sends, two of them have the same number once in 2^32 times at most.
 */
struct handover {
	__u32 key[HANDOVER_WORDS + 2];
	__u64 place[HANDOVER_PLACES];
};
