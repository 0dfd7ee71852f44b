/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory to compile an image in, before it is known how large it becomes: many addresses, of which
 * pages are taken as they are used. Some stay for the next time, because the kernel takes longer to
 * clear and map them than the compiler to fill them.
 */
#pragma once

#include <stddef.h>

struct scratch {
	void *memory;
	size_t size;
};

/* As many addresses as can be had, at most @size bytes. -ENOMEM if it is not even a MiB. */
int scratch_open(struct scratch *scratch, size_t size);

/* Gives all pages but the first few back to the kernel. */
void scratch_trim(struct scratch *scratch);

void scratch_close(struct scratch *scratch); /* accepts a zeroed one */
