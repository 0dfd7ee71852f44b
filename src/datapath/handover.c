// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/handover.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define QUEUES_NANOSECONDS 100000000 /* what is in such a queue waits for its CPU only */
#define GRACE_NANOSECONDS  50000000  /* where the kernel cannot be asked */

void handover_set_judges(struct arena_memory *memory, uint32_t judges)
{
	__atomic_store_n(&arena_memory_root(memory)->judges, judges, __ATOMIC_SEQ_CST);
}

int handover_open(struct arena_memory *memory, struct arena_block *ret_notes,
		  struct message *message)
{
	struct handover *handover;
	struct arena_block notes;

	if (arena_memory_take(memory, sizeof(*handover), &notes))
		return message_error(message, ENOMEM, "the arena has no room for a change of hook");
	handover = arena_memory_at(memory, notes.position);
	memset(handover, 0, sizeof(*handover));
	if (getrandom(handover->key, sizeof(handover->key), 0) != sizeof(handover->key)) {
		arena_memory_release(memory, notes);
		return message_error(message, EIO, "the kernel has no random numbers");
	}
	*ret_notes = notes;
	__atomic_store_n(&arena_memory_root(memory)->handover, notes.position, __ATOMIC_SEQ_CST);
	return 0;
}

void handover_close(struct arena_memory *memory, struct arena_block *notes)
{
	__atomic_store_n(&arena_memory_root(memory)->handover, 0, __ATOMIC_SEQ_CST);
	handover_wait_for_programs();
	arena_memory_release(memory, *notes);
	*notes = (struct arena_block){0};
}

void handover_wait_for_programs(void)
{
	static const struct timespec grace = {.tv_nsec = GRACE_NANOSECONDS};

	/* An RCU grace period; not on kernels that run with nohz_full. */
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		nanosleep(&grace, NULL);
}

void handover_wait_for_queues(void)
{
	static const struct timespec queues = {.tv_nsec = QUEUES_NANOSECONDS};

	handover_wait_for_programs();
	nanosleep(&queues, NULL);
	handover_wait_for_programs();
}
