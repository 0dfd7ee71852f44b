// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/arena_memory.h"

#include "common/cleanup.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define ARENA_SIZE ((uint64_t)ARENA_PAGES * ARENA_PAGE)

/* The root, rounded up to pages. */
#define ROOT_SIZE ((sizeof(struct arena_root) + ARENA_PAGE - 1) / ARENA_PAGE * ARENA_PAGE)

_Static_assert(offsetof(struct arena_root, lane) % 64 == 0 &&
		       offsetof(struct arena_root, readers) % 64 == 0,
	       "lanes and readers have their own cache lines");
_Static_assert(sizeof(struct arena_lane) == 128 && sizeof(struct arena_readers) == 64,
	       "nothing is shared by two CPUs");
_Static_assert(sizeof(struct arena_flow) * ARENA_FLOW_PLACES == 128,
	       "a flow's places are in two cache lines side by side");
_Static_assert(sizeof(struct arena_ruleset) == 128, "as few cache lines as possible");

int arena_memory_open(struct arena_memory *memory, int fd, struct message *message)
{
	void *address = (void *)ARENA_ADDRESS; /* NOLINT(performance-no-int-to-ptr) */
	void *base;

	*memory = (struct arena_memory){.max_holes = 16};
	memory->holes = calloc(memory->max_holes, sizeof(*memory->holes));
	if (!memory->holes)
		return message_error(message, ENOMEM, "out of memory");
	base = mmap(address, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE,
		    fd, 0);
	if (base == MAP_FAILED) {
		int error = errno;

		arena_memory_close(memory);
		return message_error(message, error, "cannot map the arena at %#llx: %s",
				     ARENA_ADDRESS, strerror(error));
	}
	memory->base = base;
	memset(base, 0, ROOT_SIZE);
	memory->holes[memory->n_holes++] = (struct arena_block){ROOT_SIZE, ARENA_SIZE - ROOT_SIZE};
	return 0;
}

void arena_memory_close(struct arena_memory *memory)
{
	if (memory->base)
		munmap(memory->base, ARENA_SIZE);
	free(memory->holes);
	*memory = (struct arena_memory){};
}

static void remove_hole(struct arena_memory *memory, uint32_t index)
{
	memory->n_holes--;
	memmove(&memory->holes[index], &memory->holes[index + 1],
		(memory->n_holes - index) * sizeof(*memory->holes));
}

int arena_memory_take(struct arena_memory *memory, uint64_t size, struct arena_block *ret_block)
{
	size = (size + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
	/* Giving back cannot fail: there is room for a hole on both sides of each block in use. */
	if (memory->n_blocks + 3 > memory->max_holes) {
		struct arena_block *holes =
			reallocarray(memory->holes, (size_t)memory->max_holes * 2, sizeof(*holes));

		if (!holes)
			return -ENOMEM;
		memory->holes = holes;
		memory->max_holes *= 2;
	}
	for (uint32_t i = 0; i < memory->n_holes; i++) {
		struct arena_block *hole = &memory->holes[i];

		if (hole->size < size)
			continue;
		*ret_block = (struct arena_block){hole->position, size};
		memory->n_blocks++;
		hole->position += size;
		hole->size -= size;
		if (!hole->size)
			remove_hole(memory, i);
		return 0;
	}
	return -ENOMEM;
}

void arena_memory_release(struct arena_memory *memory, struct arena_block block)
{
	uint32_t index = 0;
	struct arena_block *hole;

	if (!block.size)
		return;
	memory->n_blocks--;
	while (index < memory->n_holes && memory->holes[index].position < block.position)
		index++;
	memmove(&memory->holes[index + 1], &memory->holes[index],
		(memory->n_holes - index) * sizeof(*memory->holes));
	memory->n_holes++;
	hole = &memory->holes[index];
	*hole = block;
	if (index + 1 < memory->n_holes && hole->position + hole->size == hole[1].position) {
		hole->size += hole[1].size;
		remove_hole(memory, index + 1);
	}
	if (index > 0 && hole[-1].position + hole[-1].size == hole->position) {
		hole[-1].size += hole->size;
		remove_hole(memory, index);
	}
}
