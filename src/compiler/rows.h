/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rows of an image, each kept once. */
#pragma once

#include "compiler/bitset.h"
#include "compiler/writer.h"

/* Words that groups of rows share. */
struct shared_words {
	uint32_t offset; /* 0: free */
	uint32_t hash;
	uint32_t count;
};

struct rows {
	struct writer *writer;
	uint32_t levels;
	uint32_t *table; /* open addressing: offsets of rows, 0 where free */
	uint64_t *hashes;
	uint32_t table_size; /* a power of two */
	uint32_t n_rows;
	struct shared_words *shared; /* open addressing */
	uint32_t shared_size;        /* a power of two */
	uint32_t n_shared;
	bool failed;            /* there was no memory for it */
	const uint32_t *finals; /* of IMAGE_IS_DIRECT: the bits' rules in short; NULL: it is not */
	uint32_t policy;        /* the same of the policy */
};

/* Returns 0 or -ENOMEM. @writer must outlive @rows. */
int rows_init(struct rows *rows, struct writer *writer, uint32_t levels);
void rows_free(struct rows *rows); /* accepts a zeroed one */

/*
 * Stores the row that holds exactly @set: its offset, written now if it was not there yet, or its
 * only bit (IMAGE_ROW_INLINE, IMAGE_ROW_FINAL).
 * Returns 0, or -ENOMEM; a full writer is found in writer->full.
 */
int rows_find(struct rows *rows, const struct bitset *set, uint32_t *ret_offset);

/* The number of levels that @n_bits bits need. */
uint32_t rows_levels(uint32_t n_bits);
