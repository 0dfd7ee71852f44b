/* SPDX-License-Identifier: GPL-2.0-only OR GPL-2.0-or-later */
/*
 * What the classifier's code needs in order to be the same C in eBPF and in user space, where the
 * tests and tools run it.
 */
#pragma once

#include <linux/types.h>

#ifdef __bpf__

/* Arena memory has an address space of its own: clang casts, the verifier needs no bounds checks.
 */
#define ARENA __attribute__((address_space(1)))

/*
 * In the body of every loop whose length the verifier cannot see. Leaves the loop when the kernel's
 * bound on iterations (or time) is reached; the code behind the loop must notice that. It is the
 * may_goto instruction, spelled in bytes because assemblers before LLVM 20 do not all know it.
 */
#define LOOP_BOUND                                                                        \
	({                                                                                \
		__label__ reached, within;                                                \
		asm volatile goto("1: .byte 0xe5; .byte 0;"                               \
				  ".long ((%l[reached] - 1b - 8) / 8) & 0xffff; .short 0" \
				  :                                                       \
				  :                                                       \
				  :                                                       \
				  : reached);                                             \
		goto within;                                                              \
	reached:                                                                          \
		break;                                                                    \
	within:;                                                                          \
	})

/*
 * An index into the stack is masked, so that the verifier sees its bound; clang, which knows the
 * bound from elsewhere, must not leave out the mask.
 */
#define MASKED_INDEX(index, mask)                \
	({                                       \
		__u32 index_ = (index);          \
		asm volatile("" : "+r"(index_)); \
		index_ &(mask);                  \
	})

#define INLINE   static inline __attribute__((always_inline))
#define NOINLINE static __attribute__((noinline))

/*
 * A function that the verifier checks once, by its types alone, instead of at each call with all
 * that it knows there: what keeps nested loops verifiable.
 */
#define GLOBAL      __attribute__((noinline))
#define ARENA_ARG   __attribute__((btf_decl_tag("arg:arena")))
#define NONNULL_ARG __attribute__((btf_decl_tag("arg:nonnull")))

#else

#define ARENA
#define LOOP_BOUND                ((void)0)
#define MASKED_INDEX(index, mask) ((index) & (mask))
#define INLINE                    static inline
#define NOINLINE                  static __attribute__((noinline, unused))
#define GLOBAL                    static __attribute__((noinline, unused))
#define ARENA_ARG
#define NONNULL_ARG

#endif

#ifndef __cplusplus
#include <stdbool.h>
#endif

/* Position of the lowest set bit; @word is not 0. eBPF has no instruction for it. */
INLINE __u32 lowest_bit(__u64 word)
{
#ifdef __bpf__
	return (__u32)__builtin_popcountll((word & -word) - 1);
#else
	return (__u32)__builtin_ctzll(word);
#endif
}
