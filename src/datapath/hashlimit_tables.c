// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/hashlimit_tables.h"

#include "abi/match_state.h"
#include "abi/residual.h"
#include "common/tick_rate.h"

#include <errno.h>
#include <linux/netfilter/xt_hashlimit.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* A table's memory is there from the beginning; so much for all of them together. */
#define MAX_SIZE ((uint64_t)512 << 20)

#define MIN_BUCKETS         16u
#define MAX_DEFAULT_BUCKETS 8192u
#define ENTRIES_OF_BUCKET   8u
#define MEMORY_SHARE        16384u /* of the machine's memory go into buckets by default */
#define MEMORY_OF_MAXIMUM   ((uint64_t)1 << 30)
#define FOREVER             (INT64_MAX / 2 - 1) /* MAX_JIFFY_OFFSET */

struct table {
	char name[NAME_MAX];
	uint8_t family;
	uint32_t references;      /* matches of rules */
	struct arena_block block; /* struct hashlimit_table */
};

struct hashlimit_tables {
	struct arena_memory *memory;
	struct table **tables;
	uint32_t n_tables;
	uint32_t n_made; /* ever */
	uint64_t size;   /* bytes of all of them */
};

int hashlimit_tables_new(struct arena_memory *memory, struct hashlimit_tables **ret_tables,
			 struct message *message)
{
	struct hashlimit_tables *tables = calloc(1, sizeof(*tables));

	if (!tables)
		return message_error(message, ENOMEM, "out of memory");
	tables->memory = memory;
	*ret_tables = tables;
	return 0;
}

static void free_table(struct hashlimit_tables *tables, struct table *table)
{
	tables->size -= table->block.size;
	arena_memory_release(tables->memory, table->block);
	free(table);
}

void hashlimit_tables_free(struct hashlimit_tables *tables)
{
	if (!tables)
		return;
	for (uint32_t i = 0; i < tables->n_tables; i++)
		free_table(tables, tables->tables[i]);
	free(tables->tables);
	free(tables);
}

/* htable_create(): buckets of a table that does not say how many. */
static uint32_t default_buckets(void)
{
	uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t n = memory / MEMORY_SHARE / sizeof(void *);

	if (memory > MEMORY_OF_MAXIMUM)
		return MAX_DEFAULT_BUCKETS;
	return n < MIN_BUCKETS ? MIN_BUCKETS : (uint32_t)n;
}

/* htable_create(): entries that a table has room for. */
static uint32_t entries_of(const struct hashlimit_cfg3 *limit)
{
	uint32_t n_buckets = limit->size ? limit->size : default_buckets();

	if (!limit->max)
		return ENTRIES_OF_BUCKET * n_buckets;
	return limit->max < n_buckets ? n_buckets : limit->max;
}

/* msecs_to_jiffies() */
static uint64_t ticks_of(uint32_t milliseconds)
{
	if (milliseconds > INT32_MAX)
		return FOREVER;
	return ((uint64_t)milliseconds * tick_rate() + 999) / 1000;
}

/* The first @n_bits of an address of @width bits. */
static uint64_t mask_of(uint32_t n_bits, uint32_t width)
{
	if (n_bits >= width)
		return UINT64_MAX >> (64 - width);
	return n_bits ? (UINT64_MAX << (width - n_bits)) & (UINT64_MAX >> (64 - width)) : 0;
}

/* hashlimit_init_dst(): what of a packet makes it the same as another. */
static void set_masks(struct hashlimit_table *table, const struct hashlimit_cfg3 *limit,
		      uint8_t family)
{
	uint32_t source = limit->mode & XT_HASHLIMIT_HASH_SIP ? limit->srcmask : 0;
	uint32_t destination = limit->mode & XT_HASHLIMIT_HASH_DIP ? limit->dstmask : 0;
	const uint16_t ports[] = {
		limit->mode & XT_HASHLIMIT_HASH_SPT ? UINT16_MAX : 0,
		limit->mode & XT_HASHLIMIT_HASH_DPT ? UINT16_MAX : 0,
	};

	memcpy(&table->port_mask, ports, sizeof(ports));
	if (family == NFPROTO_IPV4) {
		table->n_words = 1;
		table->mask[0] = mask_of(source, 32) << 32 | mask_of(destination, 32);
		return;
	}
	table->n_words = HASHLIMIT_WORDS;
	table->mask[0] = mask_of(source, 64);
	table->mask[1] = mask_of(source > 64 ? source - 64 : 0, 64);
	table->mask[2] = mask_of(destination, 64);
	table->mask[3] = mask_of(destination > 64 ? destination - 64 : 0, 64);
}

/* The least power of two that is not below @number, which is not 0. */
static uint32_t round_up(uint32_t number)
{
	return number == 1 ? 1 : 1u << (32 - __builtin_clz(number - 1));
}

/* An empty table. */
static int make_block(struct hashlimit_tables *tables, const struct xt_hashlimit_mtinfo3 *rule,
		      uint8_t family, struct arena_block *ret_block, struct message *message)
{
	uint32_t n_entries = entries_of(&rule->cfg), n_buckets = round_up(n_entries);
	uint32_t n_words = family == NFPROTO_IPV4 ? 1 : HASHLIMIT_WORDS;
	uint64_t entry_size = sizeof(struct hashlimit_entry) + n_words * sizeof(uint64_t);
	uint64_t first =
		(sizeof(struct hashlimit_table) + n_buckets * sizeof(uint32_t) + 63) & ~63ull;
	uint64_t size = first + entry_size * n_entries;
	struct hashlimit_table *table;

	if (size > MAX_SIZE - tables->size)
		return message_error(message, E2BIG,
				     "%u entries of table \"%s\" are too much: all tables together "
				     "have %llu MiB; see --hashlimit-htable-size and -max",
				     n_entries, rule->name, (unsigned long long)MAX_SIZE >> 20);
	if (arena_memory_take(tables->memory, size, ret_block))
		return message_error(message, ENOMEM, "the arena has no room for table \"%s\"",
				     rule->name);
	table = arena_memory_at(tables->memory, ret_block->position);
	/* Pages that user space has not touched would swallow what the program writes. */
	memset(table, 0, ret_block->size);
	set_masks(table, &rule->cfg, family);
	table->interval = ticks_of(rule->cfg.gc_interval);
	table->expiry = ticks_of(rule->cfg.expire);
	table->lock = tables->n_made++ % MATCH_LOCKS;
	table->max_entries = n_entries;
	table->first_entry = (uint32_t)first;
	table->entry_size = (uint32_t)entry_size;
	table->bucket_mask = n_buckets - 1;
	if (getrandom(&table->seed, sizeof(table->seed), GRND_NONBLOCK) < 0)
		table->seed = ret_block->position;
	return 0;
}

static struct hashlimit_table *table_at(const struct hashlimit_tables *tables,
					const struct table *table)
{
	return arena_memory_at(tables->memory, table->block.position);
}

/* htable_find_get() */
static struct table *find_table(const struct hashlimit_tables *tables, const char *name,
				uint8_t family)
{
	for (uint32_t i = 0; i < tables->n_tables; i++)
		if (tables->tables[i]->family == family &&
		    strcmp(tables->tables[i]->name, name) == 0)
			return tables->tables[i];
	return NULL;
}

/* htable_create(); nobody refers to the table yet. */
static int add_table(struct hashlimit_tables *tables, uint8_t family,
		     const struct match_state *state, uint64_t now, struct table **ret_table,
		     struct message *message)
{
	const struct xt_hashlimit_mtinfo3 *rule = state->payload;
	struct table **larger =
		reallocarray(tables->tables, tables->n_tables + 1ull, sizeof(struct table *));
	struct table *table = calloc(1, sizeof(*table));
	int error = 0;

	if (larger)
		tables->tables = larger;
	if (!larger || !table)
		error = message_error(message, ENOMEM, "out of memory");
	if (!error)
		error = make_block(tables, rule, family, &table->block, message);
	if (error) {
		free(table);
		return error;
	}
	memcpy(table->name, rule->name, sizeof(table->name));
	table->family = family;
	tables->size += table->block.size;
	table_at(tables, table)->clock = now;
	table_at(tables, table)->started = now;
	state->extension->begin(rule, now, &table_at(tables, table)->rate);
	tables->tables[tables->n_tables++] = table;
	*ret_table = table;
	return 0;
}

/* hashlimit_mt_check_common() */
int hashlimit_tables_take(struct hashlimit_tables *tables, uint8_t family,
			  struct match_state *state, uint64_t now, struct message *message)
{
	const struct xt_hashlimit_mtinfo3 *rule = state->payload;
	struct table *table = find_table(tables, rule->name, family);
	bool is_rate = rule->cfg.mode & XT_HASHLIMIT_RATE_MATCH;
	int error = table ? 0 : add_table(tables, family, state, now, &table, message);

	if (error)
		return error;
	if (is_rate != !!(table_at(tables, table)->rate.flags & RESIDUAL_HASHLIMIT_RATE))
		return message_error(message, EINVAL,
				     "of the rules with table \"%s\" either all have "
				     "--hashlimit-rate-match or none",
				     rule->name);
	table->references++;
	state->position = (uint32_t)table->block.position;
	return 0;
}

void hashlimit_tables_release(struct hashlimit_tables *tables, uint32_t position)
{
	uint32_t i = 0;

	while (tables->tables[i]->block.position != position)
		i++;
	if (--tables->tables[i]->references)
		return;
	free_table(tables, tables->tables[i]);
	tables->n_tables--;
	memmove(&tables->tables[i], &tables->tables[i + 1],
		(tables->n_tables - i) * sizeof(struct table *));
}
