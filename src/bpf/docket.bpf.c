// SPDX-License-Identifier: GPL-2.0-only
/*
 * How the chains behind the hooks (datapath/delegation.c) see what is in a packet's docket: socket
 * filters, as matches in nftables rules (net/netfilter/xt_bpf.c). Each says yes or no. Their
 * context is the struct sk_buff that was judged.
 */
#include "bpf/kernel.h"

#include "bpf/docket.h"

char _license[] SEC("license") = "GPL";

INLINE __u32 docket_of(struct __sk_buff *ctx)
{
	return arena_root()->dockets ? find_docket(packet_number(ctx)) : 0;
}

/*
 * In front of the hook. The packet gets an empty docket; if there is no room the conditions stay
 * unknown, and the hook drops the packet if it has to know one.
 */
SEC("socket")
int docket_begin(struct __sk_buff *ctx)
{
	__u32 number = arena_root()->dockets ? take_docket(packet_number(ctx)) : 0;

	if (number)
		docket_at(number)->begun = 1;
	return number != 0;
}

/* Always yes: the next condition follows. */
SEC("socket")
int docket_step(struct __sk_buff *ctx)
{
	__u32 number = docket_of(ctx);

	if (number)
		docket_at(number)->step++;
	return true;
}

/* That condition holds. */
SEC("socket")
int docket_note(struct __sk_buff *ctx)
{
	__u32 number = docket_of(ctx);
	__u32 condition;

	if (number) {
		condition = (docket_at(number)->step - 1u) % DOCKET_CONDITIONS;
		docket_at(number)->condition[condition / 64] |= 1ull << condition % 64;
	}
	return true;
}

/* Behind the hook. Has the packet a docket? */
SEC("socket")
int docket_present(struct __sk_buff *ctx)
{
	return docket_of(ctx) != 0;
}

/*
 * Has everything been done? Then the packet has no docket any more. Else the next action has become
 * the current one.
 */
SEC("socket")
int docket_done(struct __sk_buff *ctx)
{
	__u32 number = docket_of(ctx);
	struct arena_docket ARENA *docket;
	__u32 next;

	if (!number)
		return false;
	docket = docket_at(number);
	next = docket->next;
	if (next >= docket->n_actions || next >= DOCKET_ACTIONS) {
		release_docket(number);
		return true;
	}
	docket->current = docket->action[next];
	docket->next = (__u8)(next + 1);
	return false;
}

/* Yes, and what follows is the last: the packet has no docket any more. */
SEC("socket")
int docket_last(struct __sk_buff *ctx)
{
	__u32 number = docket_of(ctx);

	if (number)
		release_docket(number);
	return true;
}

/* Is a bit of the current action's number set? */
#define DOCKET_BIT_PROGRAM(bit)                                             \
	SEC("socket")                                                       \
	int docket_bit_##bit(struct __sk_buff *ctx)                         \
	{                                                                   \
		__u32 number = docket_of(ctx);                              \
                                                                            \
		return number && (docket_at(number)->current >> (bit) & 1); \
	}

DOCKET_BIT_PROGRAM(0)
DOCKET_BIT_PROGRAM(1)
DOCKET_BIT_PROGRAM(2)
DOCKET_BIT_PROGRAM(3)
DOCKET_BIT_PROGRAM(4)
DOCKET_BIT_PROGRAM(5)
DOCKET_BIT_PROGRAM(6)
DOCKET_BIT_PROGRAM(7)
DOCKET_BIT_PROGRAM(8)
DOCKET_BIT_PROGRAM(9)
DOCKET_BIT_PROGRAM(10)
DOCKET_BIT_PROGRAM(11)
