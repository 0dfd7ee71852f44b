/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory that an image is written to: it grows from the start and never moves. Running out of
 * it is remembered; positions handed out after that are inside the image but meaningless, so that
 * callers need to look at `full` only at the end of each step.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct writer {
	uint8_t *memory;
	size_t capacity;
	size_t used;
	bool full;
};

/* Offset of @size fresh bytes, aligned to 8, not initialized. 0 when they do not fit. */
static inline uint32_t writer_reserve(struct writer *writer, size_t size)
{
	size_t offset = (writer->used + 7) & ~(size_t)7;

	if (writer->full || size > writer->capacity || offset > writer->capacity - size) {
		writer->full = true;
		return 0;
	}
	writer->used = offset + size;
	return (uint32_t)offset;
}

static inline void *writer_at(const struct writer *writer, uint32_t offset)
{
	return writer->memory + offset;
}
