// SPDX-License-Identifier: GPL-2.0-or-later
#include "compiler/rows.h"

#include "common/cleanup.h"

#include <errno.h>
#include <string.h>

#define TABLE_INITIAL_SIZE 1024u

/* What a row leaves out in front of its first group or word lies within the image's header. */
_Static_assert(sizeof(struct image) >= 64 * sizeof(struct image_group), "offsets stay positive");

uint32_t rows_levels(uint32_t n_bits)
{
	if (n_bits <= 64)
		return 1;
	return n_bits <= 64 * 64 ? 2 : 3;
}

int rows_init(struct rows *rows, struct writer *writer, uint32_t levels)
{
	*rows = (struct rows){
		.writer = writer,
		.levels = levels,
		.table_size = TABLE_INITIAL_SIZE,
		.shared_size = TABLE_INITIAL_SIZE,
	};
	rows->table = calloc(rows->table_size, sizeof(*rows->table));
	rows->hashes = calloc(rows->table_size, sizeof(*rows->hashes));
	rows->shared = calloc(rows->shared_size, sizeof(*rows->shared));
	if (rows->table && rows->hashes && rows->shared)
		return 0;
	rows_free(rows);
	return -ENOMEM;
}

void rows_free(struct rows *rows)
{
	free(rows->table);
	free(rows->hashes);
	free(rows->shared);
	*rows = (struct rows){};
}

/* What is stored of 64: from the first to the last of which @summary, not 0, has a bit. */
struct span {
	uint32_t first;
	uint32_t size;
};

static struct span span_of(uint64_t summary)
{
	uint32_t first = (uint32_t)__builtin_ctzll(summary);

	return (struct span){first, 64 - (uint32_t)__builtin_clzll(summary) - first};
}

static uint32_t hash_words(const uint64_t *words, uint32_t count)
{
	uint64_t hash = count;

	for (uint32_t i = 0; i < count; i++) {
		hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15ull;
		hash ^= hash >> 29;
	}
	return (uint32_t)hash;
}

static int grow_shared(struct rows *rows)
{
	uint32_t size = rows->shared_size * 2;
	struct shared_words *shared = calloc(size, sizeof(*shared));

	if (!shared)
		return -ENOMEM;
	for (uint32_t i = 0; i < rows->shared_size; i++) {
		uint32_t place = rows->shared[i].hash & (size - 1);

		if (!rows->shared[i].offset)
			continue;
		while (shared[place].offset)
			place = (place + 1) & (size - 1);
		shared[place] = rows->shared[i];
	}
	free(rows->shared);
	rows->shared = shared;
	rows->shared_size = size;
	return 0;
}

static uint32_t write_words(struct writer *writer, const uint64_t *words, uint32_t count)
{
	uint32_t offset = writer_reserve(writer, count * sizeof(*words));

	if (!writer->full)
		memcpy(writer_at(writer, offset), words, count * sizeof(*words));
	return offset;
}

/*
 * Offset of words that are equal to @words, written now if no group has them yet. Classes that
 * follow each other differ in the groups of a rule or two; without this, rules that accept many
 * values would be in as many copies of all their groups.
 */
static uint32_t find_words(struct rows *rows, const uint64_t *words, uint32_t count)
{
	const struct shared_words *shared;
	uint32_t hash, place, offset;

	/* A word of its own is smaller than its place in the table. */
	if (count == 1)
		return write_words(rows->writer, words, count);
	if (rows->n_shared >= rows->shared_size / 2 && grow_shared(rows)) {
		rows->failed = true;
		return 0;
	}
	hash = hash_words(words, count);
	place = hash & (rows->shared_size - 1);
	for (; rows->shared[place].offset; place = (place + 1) & (rows->shared_size - 1)) {
		shared = &rows->shared[place];
		if (shared->hash == hash && shared->count == count &&
		    !memcmp(writer_at(rows->writer, shared->offset), words, count * sizeof(*words)))
			return shared->offset;
	}
	offset = write_words(rows->writer, words, count);
	if (rows->writer->full)
		return 0;
	rows->shared[place] = (struct shared_words){offset, hash, count};
	rows->n_shared++;
	return offset;
}

static void write_group(struct rows *rows, struct image_group *group, const struct bitset *set,
			uint32_t number)
{
	uint64_t summary = set->summary[number];
	struct span span;
	uint32_t offset;

	*group = (struct image_group){.summary = summary};
	if (!summary)
		return;
	span = span_of(summary);
	group->first = number << 12 | span.first << 6;
	offset = find_words(rows, &set->words[(size_t)number * IMAGE_GROUP_WORDS + span.first],
			    span.size);
	/* The image's header is larger than what is left out in front. */
	group->words = offset - span.first * (uint32_t)sizeof(uint64_t);
}

static uint32_t write_three_levels(struct rows *rows, const struct bitset *set)
{
	struct writer *writer = rows->writer;
	struct span span = set->top ? span_of(set->top) : (struct span){};
	uint32_t offset = writer_reserve(
		writer, sizeof(struct image_row) + (size_t)span.size * sizeof(struct image_group));
	struct image_row *row = writer_at(writer, offset);

	if (writer->full)
		return offset;
	row->top = set->top;
	row->groups =
		offset + (uint32_t)sizeof(*row) - span.first * (uint32_t)sizeof(struct image_group);
	for (uint32_t i = 0; i < span.size; i++)
		write_group(rows, &row->group[i], set, span.first + i);
	return offset;
}

static uint32_t write_row(struct rows *rows, const struct bitset *set)
{
	struct writer *writer = rows->writer;
	uint32_t offset;

	if (rows->levels == 3)
		return write_three_levels(rows, set);
	if (rows->levels == 2) {
		offset = writer_reserve(writer, sizeof(struct image_group));
		if (!writer->full)
			write_group(rows, writer_at(writer, offset), set, 0);
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
	uint64_t summary = set->summary[number];
	struct span span;

	if (group->summary != summary)
		return false;
	if (!summary)
		return true;
	span = span_of(summary);
	return !memcmp(writer_at(writer, group->words + span.first * (uint32_t)sizeof(uint64_t)),
		       &set->words[(size_t)number * IMAGE_GROUP_WORDS + span.first],
		       (size_t)span.size * sizeof(uint64_t));
}

static bool row_equals(const struct rows *rows, uint32_t offset, const struct bitset *set)
{
	const struct writer *writer = rows->writer;
	const struct image_row *row = writer_at(writer, offset);
	struct span span;

	if (rows->levels == 1)
		return row->top == set->words[0];
	if (rows->levels == 2)
		return group_equals(writer, writer_at(writer, offset), set, 0);
	if (row->top != set->top)
		return false;
	if (!set->top)
		return true;
	span = span_of(set->top);
	for (uint32_t i = 0; i < span.size; i++)
		if (!group_equals(writer, &row->group[i], set, span.first + i))
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

/* The row that has only @bit. */
static uint32_t row_of_bit(const struct rows *rows, uint32_t bit)
{
	if (rows->finals && !(rows->finals[bit] & (IMAGE_RULE_LONG | IMAGE_RULE_WHOLE)))
		return image_final_row(rows->finals[bit]);
	return image_inline_row(bit);
}

/* Sets of at most one bit need no memory. */
static bool is_inline(const struct rows *rows, const struct bitset *set, uint32_t *ret_row)
{
	uint32_t group, word;

	if (!set->top) {
		*ret_row = rows->finals ? image_final_row(rows->policy) : IMAGE_ROW_EMPTY;
		return true;
	}
	if (set->used_words > 1)
		return false;
	group = (uint32_t)__builtin_ctzll(set->top);
	word = group * IMAGE_GROUP_WORDS + (uint32_t)__builtin_ctzll(set->summary[group]);
	if (set->words[word] & (set->words[word] - 1))
		return false;
	*ret_row = row_of_bit(rows, word * 64 + (uint32_t)__builtin_ctzll(set->words[word]));
	return true;
}

int rows_find(struct rows *rows, const struct bitset *set, uint32_t *ret_offset)
{
	uint32_t place, offset;

	if (is_inline(rows, set, ret_offset))
		return 0;
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
	if (rows->failed)
		return -ENOMEM;
	if (rows->writer->full)
		return 0;
	rows->table[place] = offset;
	rows->hashes[place] = set->hash;
	rows->n_rows++;
	return 0;
}
