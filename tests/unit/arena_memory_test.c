// SPDX-License-Identifier: GPL-2.0-or-later
/* Who uses which part of the arena. A file in memory stands for the map. */
#include "common/cleanup.h"
#include "datapath/arena_memory.h"
#include "evaluate.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#define ARENA_SIZE ((uint64_t)ARENA_PAGES * ARENA_PAGE)
#define MAX_BLOCKS 1000u

struct fixture {
	struct arena_memory memory;
	int fd;
	uint64_t free; /* at the beginning */
};

static uint64_t largest_hole(const struct fixture *fixture)
{
	uint64_t largest = 0;

	for (uint32_t i = 0; i < fixture->memory.n_holes; i++)
		if (fixture->memory.holes[i].size > largest)
			largest = fixture->memory.holes[i].size;
	return largest;
}

static int set_up(void **state)
{
	static struct fixture fixture;
	struct message message = {};

	fixture.fd = memfd_create("arena", MFD_CLOEXEC);
	assert_true(fixture.fd >= 0);
	assert_int_equal(ftruncate(fixture.fd, (off_t)ARENA_SIZE), 0);
	if (arena_memory_open(&fixture.memory, fixture.fd, &message))
		fail_msg("%s", message.text);
	fixture.free = largest_hole(&fixture);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	arena_memory_close(&fixture->memory);
	close(fixture->fd);
	return 0;
}

static struct arena_block take(struct fixture *fixture, uint64_t size)
{
	struct arena_block block = {};

	assert_int_equal(arena_memory_take(&fixture->memory, size, &block), 0);
	assert_true(block.size >= size && block.size < size + ARENA_ALIGNMENT);
	assert_int_equal(block.position % ARENA_ALIGNMENT, 0);
	assert_true(block.position >= sizeof(struct arena_root));
	assert_true(block.position + block.size <= ARENA_SIZE);
	return block;
}

static void assert_all_is_free(const struct fixture *fixture)
{
	assert_int_equal(fixture->memory.n_blocks, 0);
	assert_int_equal(fixture->memory.n_holes, 1);
	assert_int_equal(largest_hole(fixture), fixture->free);
}

static void test_all_but_the_root_is_free(void **state)
{
	const struct fixture *fixture = *state;
	struct arena_block largest = fixture->memory.holes[0];

	assert_int_equal(largest.position + largest.size, ARENA_SIZE);
	assert_in_range(largest.position, sizeof(struct arena_root),
			sizeof(struct arena_root) + ARENA_PAGE - 1);
	assert_int_equal((uintptr_t)arena_memory_root(&fixture->memory), ARENA_ADDRESS);
}

static void test_the_address_must_be_free(void **state)
{
	const struct fixture *fixture = *state;
	struct arena_memory second;
	struct message message = {};

	assert_int_equal(arena_memory_open(&second, fixture->fd, &message), -EEXIST);
	assert_non_null(strstr(message.text, "0x200000000000"));
	arena_memory_close(&second);
}

static void test_more_than_there_is_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct arena_block none = {1, 2}, all;

	assert_int_equal(arena_memory_take(&fixture->memory, fixture->free + 1, &none), -ENOMEM);
	assert_int_equal(none.position, 1);
	all = take(fixture, fixture->free);
	assert_int_equal(largest_hole(fixture), 0);
	assert_int_equal(arena_memory_take(&fixture->memory, 1, &none), -ENOMEM);
	arena_memory_release(&fixture->memory, all);
	assert_all_is_free(fixture);
}

/* What has been in use before is used again before new pages are. */
static void test_the_lowest_that_is_large_enough(void **state)
{
	struct fixture *fixture = *state;
	struct arena_block first = take(fixture, 4096), second = take(fixture, 64);

	arena_memory_release(&fixture->memory, first);
	assert_true(take(fixture, 4097).position > second.position);
	assert_int_equal(take(fixture, 4096).position, first.position);
}

static void test_no_block_is_nothing_to_release(void **state)
{
	struct fixture *fixture = *state;

	arena_memory_release(&fixture->memory, (struct arena_block){});
	assert_all_is_free(fixture);
}

static void assert_apart(const struct arena_block *blocks, uint32_t n, struct arena_block block)
{
	for (uint32_t i = 0; i < n; i++)
		assert_true(blocks[i].position >= block.position + block.size ||
			    block.position >= blocks[i].position + blocks[i].size);
}

static void assert_nothing_is_lost(const struct fixture *fixture, const struct arena_block *blocks,
				   uint32_t n)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += blocks[i].size;
	for (uint32_t i = 0; i < fixture->memory.n_holes; i++)
		sum += fixture->memory.holes[i].size;
	assert_int_equal(sum, fixture->free);
	assert_true(fixture->memory.n_holes <= n + 1);
}

static void test_blocks_come_and_go_in_any_order(void **state)
{
	struct fixture *fixture = *state;
	struct arena_block blocks[MAX_BLOCKS];
	uint32_t n = 0;

	for (int round = 0; round < 20000; round++) {
		bool grows = round / 2000 % 2 == 0;

		if (n < MAX_BLOCKS && random_below(8) < (grows ? 6 : 2)) {
			struct arena_block block = take(fixture, 1 + random_below(20000));

			assert_apart(blocks, n, block);
			blocks[n++] = block;
		} else if (n) {
			uint32_t i = random_below(n);

			arena_memory_release(&fixture->memory, blocks[i]);
			blocks[i] = blocks[--n];
		}
		if (round % 100 == 0)
			assert_nothing_is_lost(fixture, blocks, n);
	}
	while (n)
		arena_memory_release(&fixture->memory, blocks[--n]);
	assert_all_is_free(fixture);
}

/* The most holes that there can be: one between any two blocks. */
static void test_every_second_block_is_given_back(void **state)
{
	struct fixture *fixture = *state;
	struct arena_block blocks[MAX_BLOCKS];

	for (uint32_t i = 0; i < MAX_BLOCKS; i++)
		blocks[i] = take(fixture, 64);
	for (uint32_t i = 0; i < MAX_BLOCKS; i += 2)
		arena_memory_release(&fixture->memory, blocks[i]);
	assert_int_equal(fixture->memory.n_holes, MAX_BLOCKS / 2 + 1);
	assert_true(fixture->memory.n_holes <= fixture->memory.max_holes);
	for (uint32_t i = 1; i < MAX_BLOCKS; i += 2)
		arena_memory_release(&fixture->memory, blocks[i]);
	assert_all_is_free(fixture);
}

#define arena_test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		arena_test(test_all_but_the_root_is_free),
		arena_test(test_the_address_must_be_free),
		arena_test(test_more_than_there_is_is_refused),
		arena_test(test_the_lowest_that_is_large_enough),
		arena_test(test_no_block_is_nothing_to_release),
		arena_test(test_blocks_come_and_go_in_any_order),
		arena_test(test_every_second_block_is_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
