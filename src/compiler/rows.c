// SPDX-License-Identifier: GPL-2.0-or-later
#include "compiler/rows.h"

#include "common/cleanup.h"

#include <errno.h>
#include <string.h>

#define TABLE_INITIAL_SIZE 1024u

uint32_t rows_levels(uint32_t n_bits)
{
	if (n_bits <= 64)
		return 1;
	return n_bits <= 64 * 64 ? 2 : 3;
}

int rows_init(struct rows *rows, struct writer *writer, uint32_t levels)
{
	*rows = (struct rows){.writer = writer, .levels = levels, .table_size = TABLE_INITIAL_SIZE};
	rows->table = calloc(rows->table_size, sizeof(*rows->table));
	rows->hashes = calloc(rows->table_size, sizeof(*rows->hashes));
	if (rows->table && rows->hashes)
		return 0;
	rows_free(rows);
	return -ENOMEM;
}

void rows_free(struct rows *rows)
{
	free(rows->table);
	free(rows->hashes);
	*rows = (struct rows){};
}

static bool is_dense(uint64_t summary)
{
	return (uint32_t)__builtin_popcountll(summary) > IMAGE_GROUP_WORDS / 2;
}

static void write_group(struct writer *writer, struct image_group *group, const struct bitset *set,
			uint32_t number)
{
	const uint64_t *words = &set->words[(size_t)number * IMAGE_GROUP_WORDS];
	uint64_t left = set->summary[number];
	bool dense = is_dense(left);
	size_t stored = dense ? IMAGE_GROUP_WORDS : (size_t)__builtin_popcountll(left);
	uint32_t offset = writer_reserve(writer, stored * sizeof(*words));
	uint64_t *word = writer_at(writer, offset);

	*group = (struct image_group){
		.summary = left,
		.words = offset | (dense ? IMAGE_GROUP_DENSE : 0),
	};
	if (left)
		group->first = number << 12 | (uint32_t)__builtin_ctzll(left) << 6;
	if (writer->full)
		return;
	if (dense)
		memcpy(word, words, stored * sizeof(*words));
	for (; left && !dense; left &= left - 1)
		*word++ = words[__builtin_ctzll(left)];
}

static uint32_t write_three_levels(struct writer *writer, const struct bitset *set)
{
	size_t groups = (size_t)__builtin_popcountll(set->top);
	uint32_t offset = writer_reserve(writer, sizeof(struct image_row) +
							 groups * sizeof(struct image_group));
	struct image_row *row = writer_at(writer, offset);
	struct image_group *group = row->group;

	if (writer->full)
		return offset;
	row->top = set->top;
	for (uint64_t left = set->top; left; left &= left - 1)
		write_group(writer, group++, set, (uint32_t)__builtin_ctzll(left));
	return offset;
}

static uint32_t write_row(struct rows *rows, const struct bitset *set)
{
	struct writer *writer = rows->writer;
	uint32_t offset;

	if (rows->levels == 3)
		return write_three_levels(writer, set);
	if (rows->levels == 2) {
		offset = writer_reserve(writer, sizeof(struct image_group));
		if (!writer->full)
			write_group(writer, writer_at(writer, offset), set, 0);
		return offset;
	}
	offset = writer_reserve(writer, sizeof(uint64_t));
	if (!writer->full)
		*(uint64_t *)writer_at(writer, offset) = set->words[0];
	return offset;
}

static bool group_equals(const struct writer *writer, const struct image_group *group,
			 const struct bitset *set, uint32_t number)
{
	const uint64_t *words = &set->words[(size_t)number * IMAGE_GROUP_WORDS];
	const uint64_t *word = writer_at(writer, group->words & ~IMAGE_GROUP_DENSE);

	if (group->summary != set->summary[number])
		return false;
	if (group->words & IMAGE_GROUP_DENSE)
		return !memcmp(word, words, IMAGE_GROUP_WORDS * sizeof(*words));
	for (uint64_t left = group->summary; left; left &= left - 1)
		if (*word++ != words[__builtin_ctzll(left)])
			return false;
	return true;
}

static bool row_equals(const struct rows *rows, uint32_t offset, const struct bitset *set)
{
	const struct writer *writer = rows->writer;
	const struct image_row *row = writer_at(writer, offset);
	const struct image_group *group = row->group;

	if (rows->levels == 1)
		return row->top == set->words[0];
	if (rows->levels == 2)
		return group_equals(writer, writer_at(writer, offset), set, 0);
	if (row->top != set->top)
		return false;
	for (uint64_t left = row->top; left; left &= left - 1)
		if (!group_equals(writer, group++, set, (uint32_t)__builtin_ctzll(left)))
			return false;
	return true;
}

static int grow_table(struct rows *rows)
{
	uint32_t size = rows->table_size * 2;
	_cleanup_free_ uint32_t *table = calloc(size, sizeof(*table));
	_cleanup_free_ uint64_t *hashes = calloc(size, sizeof(*hashes));

	if (!table || !hashes)
		return -ENOMEM;
	for (uint32_t i = 0; i < rows->table_size; i++) {
		uint32_t place = (uint32_t)rows->hashes[i] & (size - 1);

		if (!rows->table[i])
			continue;
		while (table[place])
			place = (place + 1) & (size - 1);
		table[place] = rows->table[i];
		hashes[place] = rows->hashes[i];
	}
	free(rows->table);
	free(rows->hashes);
	rows->table = take_pointer(table);
	rows->hashes = take_pointer(hashes);
	rows->table_size = size;
	return 0;
}

int rows_find(struct rows *rows, const struct bitset *set, uint32_t *ret_offset)
{
	uint32_t place, offset;

	if (rows->n_rows >= rows->table_size / 2 && grow_table(rows))
		return -ENOMEM;
	place = (uint32_t)set->hash & (rows->table_size - 1);
	while (rows->table[place]) {
		if (rows->hashes[place] == set->hash && row_equals(rows, rows->table[place], set)) {
			*ret_offset = rows->table[place];
			return 0;
		}
		place = (place + 1) & (rows->table_size - 1);
	}
	offset = write_row(rows, set);
	*ret_offset = offset;
	if (rows->writer->full)
		return 0;
	rows->table[place] = offset;
	rows->hashes[place] = set->hash;
	rows->n_rows++;
	return 0;
}
