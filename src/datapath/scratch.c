// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/scratch.h"

#include <errno.h>
#include <sys/mman.h>

#define SMALLEST ((size_t)1 << 20)
#define KEPT     ((size_t)4 << 20)

int scratch_open(struct scratch *scratch, size_t size)
{
	/* Where the kernel does not overcommit (vm.overcommit_memory 2), less must do. */
	for (; size >= SMALLEST; size /= 2) {
		void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (memory == MAP_FAILED)
			continue;
		*scratch = (struct scratch){memory, size};
		return 0;
	}
	return -ENOMEM;
}

void scratch_trim(struct scratch *scratch)
{
	if (scratch->size > KEPT)
		madvise((char *)scratch->memory + KEPT, scratch->size - KEPT, MADV_DONTNEED);
}

void scratch_close(struct scratch *scratch)
{
	if (scratch->memory)
		munmap(scratch->memory, scratch->size);
	*scratch = (struct scratch){NULL, 0};
}
