/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arrays that grow, and shrink to what they hold. */
#pragma once

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

/* Makes room for @needed elements of @size bytes in *@array; doubles. Returns 0 or -ENOMEM. */
static inline int grow_array(void **array, uint32_t *max, uint64_t needed, size_t size)
{
	uint64_t larger = *max ? *max : 16;
	void *moved;

	if (needed <= *max)
		return 0;
	while (larger < needed)
		larger *= 2;
	if (larger > UINT32_MAX)
		return -ENOMEM;
	moved = reallocarray(*array, larger, size);
	if (!moved)
		return -ENOMEM;
	*array = moved;
	*max = (uint32_t)larger;
	return 0;
}

#define GROW(array, max, needed) grow_array((void **)&(array), &(max), needed, sizeof(*(array)))

/* Gives back the room behind the first @n elements, if there is any. Returns their size in bytes.
 */
static inline size_t trim_array(void **array, uint32_t *max, uint32_t n, size_t size)
{
	void *trimmed = n < *max ? realloc(*array, (n + !n) * size) : NULL;

	if (trimmed) {
		*array = trimmed;
		*max = n + !n;
	}
	return n * size;
}

#define TRIM(array, max, n) trim_array((void **)&(array), &(max), n, sizeof(*(array)))
