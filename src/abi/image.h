/* SPDX-License-Identifier: GPL-2.0-only OR GPL-2.0-or-later */
/*
 * The classifier image of one hook: everything that eBPF reads to judge a packet. The compiler
 * builds it in user space with plain stores, the program reads it with plain loads; once it is in
 * force nobody changes it. Positions are byte offsets from the image's start, so an image works at
 * any address. Offset 0, the header, is never a row.
 *
 * A rule is a bit (several, if it has alternatives), numbered in the order in which chains are laid
 * out: each chain is a range of bits. A field's lookup maps a packet's value to a row: the bits
 * that accept it. Effective row = row | wildcard row, and the AND over all fields is what may
 * match. docs/algorithm.md explains the rows and their cost.
 */
#pragma once

#include "abi/packet.h"

#include <linux/types.h>

#define IMAGE_MAX_FIELDS 16
#define IMAGE_MAX_BITS   (64u * 64 * 64) /* what three levels of 64 address */

/*
 * Levels of a row. With one level (up to 64 bits) a row is its word. With two (up to 4,096 bits) it
 * is a struct image_group, with three a struct image_row with its groups behind it. Of the words of
 * a group, and of the groups of a row, those from the first to the last that is not empty are
 * stored, in order; offsets say where number 0 would be, so that nothing is counted to find one.
 */
struct image_group {
	__u64 summary; /* bit w: word w of this group is not zero */
	__u32 words;   /* word w is the __u64 at this offset + 8 * w */
	__u32 first;   /* number of the first bit of the first word that is not zero */
};

#define IMAGE_GROUP_WORDS 64u

/*
 * Rows without a bit, and those with one, are not stored: the bit's number stands in place of their
 * offset, so that they cost no access. The lowest two bits of offsets and of these numbers are 0.
 */
#define IMAGE_ROW_INLINE (1u << 31)
#define IMAGE_ROW_EMPTY  image_inline_row(~0u)

/* The row that has only @bit. */
static inline __u32 image_inline_row(__u32 bit)
{
	return IMAGE_ROW_INLINE | (bit << 2 & ~IMAGE_ROW_INLINE);
}

/* Its bit: greater than any, if it has none. */
static inline __u32 image_inline_bit(__u32 row)
{
	return (row & ~IMAGE_ROW_INLINE) >> 2;
}

/*
 * In an image with IMAGE_IS_DIRECT all that a packet's rules look at is one address or interface,
 * so that its row says what becomes of it: where that is to be counted and decided, the rule's
 * short form stands in place of the bit, and the policy's in place of none.
 */
#define IMAGE_ROW_FINAL (1u << 30)

static inline __u32 image_final_row(__u32 shortly)
{
	return IMAGE_ROW_INLINE | IMAGE_ROW_FINAL | shortly << 2;
}

/* In short, of a row that is final: IMAGE_RULE_COUNTER, IMAGE_RULE_ACCEPT. */
static inline __u32 image_final_rule(__u32 row)
{
	return (row & ~(IMAGE_ROW_INLINE | IMAGE_ROW_FINAL)) >> 2;
}

struct image_row {
	__u64 top;    /* bit g: group g is not empty */
	__u32 groups; /* group g is the struct image_group at this offset + 16 * g */
	__u32 unused;
	struct image_group group[];
};

/*
 * Lookup: a trie whose entries carry their kind in the two lowest bits. ROW is the row itself. LIST
 * is for few boundaries, NODE for many. There are two forms.
 *
 * Values up to 32 bits: the lists are struct image_list4 and struct image_list16, a node is an
 * array of entries; the root has one for each value >> root_shift, the others 256.
 *
 * Values up to 128 bits: the lists are struct image_wide_list, of up to 16 boundaries, a node is a
 * struct image_wide_node: it skips the bytes that all its boundaries have in common.
 */
enum image_entry_kind {
	IMAGE_ENTRY_ROW = 0,
	IMAGE_ENTRY_LIST4 = 1,
	IMAGE_ENTRY_LIST16 = 2,
	IMAGE_ENTRY_NODE = 3,
	IMAGE_ENTRY_KIND_MASK = 3,
};

#define IMAGE_NODE_BITS    8
#define IMAGE_NODE_ENTRIES (1u << IMAGE_NODE_BITS)

/*
 * Sorted lower bounds, and the row of each: the row of the greatest bound that is not above the
 * value. Unused places repeat UINT32_MAX and the last row.
 */
struct image_list4 {
	__u32 bound[4];
	__u32 row[5]; /* row[0] below bound[0] */
	__u32 unused[3];
};

struct image_list16 {
	__u32 bound[16];
	__u32 row[17];
	__u32 unused[3];
};

/* The same for wide values; it has as many places as it needs. Kind IMAGE_ENTRY_LIST16. */
struct image_wide_list {
	__u32 count;
	__u32 below; /* row below the first bound */
	struct image_wide_bound {
		__u64 high;
		__u64 low;
		__u32 row;
		__u32 unused;
	} bound[];
};

struct image_wide_node {
	__u64 mask_high; /* the bytes in front, which all boundaries have in common */
	__u64 mask_low;
	__u64 prefix_high; /* what they are */
	__u64 prefix_low;
	__u32 byte;  /* number of the next byte, 0 to 15: the index into entry */
	__u32 below; /* row of values whose first bytes are less than the prefix */
	__u32 above; /* and greater */
	__u32 unused;
	__u32 entry[IMAGE_NODE_ENTRIES];
};

enum image_lookup {
	IMAGE_LOOKUP_NARROW,
	IMAGE_LOOKUP_WIDE,
};

struct image_field {
	__u8 field;      /* enum field */
	__u8 lookup;     /* enum image_lookup */
	__u8 root_shift; /* IMAGE_LOOKUP_NARROW */
	__u8 masked;     /* wide fields: the value is ANDed with mask first */
	__u8 shift;      /* the others: place in struct packet's number, before mask_low */
	__u8 readable;   /* SHAPE_BIT()s of packets that have such a value */
	__u16 unused;
	__u32 root; /* entry */
	__u32 none; /* row of packets that have no such value */
	/*
	 * Rows to be ORed to every row of this field, by the packet's shape; 0: nothing. A rule
	 * that drops packets of some shape before it looks at this field is in that shape's row.
	 */
	__u32 wildcard[SHAPE_COUNT];
	__u64 mask_high;
	__u64 mask_low;
};

/* What a bit does once it is known to match. */
struct image_rule {
	__u32 counter;   /* index into the hook's counters */
	__u32 next;      /* the first bit behind the rule, alternatives included */
	__u32 chain;     /* the chain that it stands in */
	__u32 target;    /* chain, of a jump or goto */
	__u32 residuals; /* offset of struct residual ..., or 0 */
	__u8 verdict;    /* enum image_verdict */
	__u8 hotdrop;    /* SHAPE_BIT()s that are dropped before any residual */
	__u16 action;    /* what is delegated to the kernel (struct arena_docket), or 0 */
};

/*
 * The same in short, one word for each bit: most rules only count and decide. Else IMAGE_RULE_LONG
 * is set, and the rest counts for nothing.
 */
#define IMAGE_RULE_COUNTER 0xffffffu
#define IMAGE_RULE_ACCEPT  (1u << 24) /* else drop */
#define IMAGE_RULE_LONG    (1u << 25)
#define IMAGE_RULE_WHOLE   (1u << 26) /* for packets with SHAPE_WHOLE only */

/*
 * Bits can stand in another order than their rules within a run: rules one behind the other in a
 * chain each of which ends a packet's walk if it matches. Of those that match, the one with the
 * lowest rank is the first.
 */
struct image_place {
	__u32 rank;
	__u32 run_end; /* the first place behind the run */
};

enum image_verdict {
	IMAGE_ACCEPT,
	IMAGE_DROP,
	IMAGE_RETURN,
	IMAGE_CONTINUE,
	IMAGE_JUMP,
	IMAGE_GOTO,
};

struct image_chain {
	__u32 begin;
	__u32 end;
};

/* What of the packet has to be read. */
enum image_needs {
	IMAGE_NEEDS_INTERFACES = 1 << 0,
	IMAGE_NEEDS_TRANSPORT = 1 << 1, /* shape and transport header */
	IMAGE_NEEDS_CONNTRACK = 1 << 2,
	IMAGE_NEEDS_NAT = 1 << 3, /* CONNTRACK_SNAT, CONNTRACK_DNAT */
	IMAGE_IS_DIRECT = 1 << 4, /* rows can be IMAGE_ROW_FINAL */
	/* What is looked up is in fewer cache lines than flows, of which more come than are kept.
	 */
	IMAGE_WITHOUT_FLOWS = 1 << 5,
};

/*
 * A packet as far as the image's rules look at it: two packets whose keys are equal take the same
 * way through the chains, unless a residual is evaluated on it. The words are struct packet's:
 * `narrow`, the addresses (in IPv4 both in one word, source above, else the high and the low half
 * of each) and, with IMAGE_NEEDS_INTERFACES, the high and the low half of each interface's name;
 * each ANDed with the image's mask.
 */
#define IMAGE_KEY_NARROW    0
#define IMAGE_KEY_ADDRESSES 1
#define IMAGE_KEY_WORDS     9 /* at most */

/* The number of the first word of the interfaces. */
static inline __u32 image_key_interfaces(int ipv6)
{
	return IMAGE_KEY_ADDRESSES + (ipv6 ? 4 : 1);
}

struct image {
	__u32 size; /* bytes, of all */
	__u32 levels;
	__u32 n_bits;
	__u32 n_chains;
	__u32 n_counters; /* one for each rule, in the order of the chains, then the policy's */
	__u32 needs;
	__u32 depth;       /* longest path of jumps */
	__u32 policy;      /* IMAGE_ACCEPT or IMAGE_DROP */
	__u32 chains;      /* offset of struct image_chain[n_chains]; the first is the base chain */
	__u32 rules;       /* offset of struct image_rule[n_bits] */
	__u32 shorts;      /* offset of their short forms, __u32[n_bits] */
	__u32 first_shift; /* the bits that one bit of a row's first word stands for, as a power of
			      2 */
	__u32 n_fields;    /* at least one */
	__u32 key_words;
	__u64 key_mask[IMAGE_KEY_WORDS];
	__u32 places;     /* offset of struct image_place[n_bits]; 0: bits stand in their order */
	__u32 word_ranks; /* offset of the lowest rank in each 64 places, __u32[] */
	/*
	 * Offset of what is done with each packet that has a value of FIELD_CONNTRACK, whatever
	 * else is in it, in short, __u32[CONNTRACK_VALUES]: IMAGE_RULE_LONG where that depends on
	 * more. 0 if it does for all of them.
	 */
	__u32 by_state;
	__u32 unused_word;
	__u64 unused[6]; /* fields begin on a cache line */
	struct image_field fields[IMAGE_MAX_FIELDS];
};
