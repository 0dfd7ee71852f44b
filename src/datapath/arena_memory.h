/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The arena, mapped, and who uses which part of it. Blocks are never moved; memory that is given
 * back is used again.
 */
#pragma once

#include "abi/arena.h"
#include "common/message.h"

#include <stddef.h>
#include <stdint.h>

#define ARENA_ALIGNMENT 64u

/* A part of the arena: position in bytes from its start. */
struct arena_block {
	uint64_t position;
	uint64_t size;
};

struct arena_memory {
	uint8_t *base;
	struct arena_block *holes; /* by position */
	uint32_t n_holes;
	uint32_t max_holes;
	uint32_t n_blocks; /* in use */
};

/*
 * Maps the arena of map @fd at ARENA_ADDRESS; all but the root is free. Errors, with a reason in
 * @message: EEXIST (something else is mapped there), ENOMEM.
 */
int arena_memory_open(struct arena_memory *memory, int fd, struct message *message);
void arena_memory_close(struct arena_memory *memory); /* accepts a zeroed one */

/*
 * Takes @size bytes (rounded up) of the first free block that has them, so that what has been in
 * use before is used again before new pages are. -ENOMEM if there is none.
 */
int arena_memory_take(struct arena_memory *memory, uint64_t size, struct arena_block *ret_block);

/* Gives @block back. Nobody, in no CPU, uses it any more. A block of size 0 is none. */
void arena_memory_release(struct arena_memory *memory, struct arena_block block);

static inline void *arena_memory_at(const struct arena_memory *memory, uint64_t position)
{
	return memory->base + position;
}

static inline struct arena_root *arena_memory_root(const struct arena_memory *memory)
{
	return (struct arena_root *)memory->base;
}
