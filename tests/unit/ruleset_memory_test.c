// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory runs out at each place in turn (linked with --wrap). Decoding says so and keeps nothing; a
 * predicate remembers it.
 */
#include "test_family.h"

#include "ruleset/ruleset.h"

#include <errno.h>
#include <limits.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static unsigned int allocations_left = UINT_MAX;

static bool may_allocate(void)
{
	return allocations_left > 0 && allocations_left-- > 0;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_reallocarray(void *memory, size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_reallocarray(void *memory, size_t count, size_t size);

void *__wrap_malloc(size_t size)
{
	return may_allocate() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
	return may_allocate() ? __real_calloc(count, size) : NULL;
}

void *__wrap_reallocarray(void *memory, size_t count, size_t size)
{
	return may_allocate() ? __real_reallocarray(memory, count, size) : NULL;
}

static struct ipt_replace *build(size_t *ret_length)
{
	const struct xt_tcp tcp = {.spts = {1, 2}, .dpts = {3, 4}, .option = 2};
	const struct xt_conntrack_mtinfo3 conntrack = {.match_flags = 0x1fff};
	struct blob *blob = table_new();
	struct ipt_replace *replace;

	blob_chain(blob, "b");
	blob_chain(blob, "a");
	table_rule(blob, "INPUT", "a")->proto = IPPROTO_TCP;
	blob_match(blob, "tcp", 0, &tcp, sizeof(tcp));
	blob_match(blob, "conntrack", 3, &conntrack, sizeof(conntrack));
	replace = blob_build(blob, ret_length);
	blob_free(blob);
	return replace;
}

static void a_table_needs_all_of_its_memory(void **state)
{
	size_t length;
	struct ipt_replace *replace = build(&length);
	struct ruleset *ruleset = NULL;
	unsigned int n_allocations = 0;
	int r;

	(void)state;
	for (;;) {
		struct message message = {0};

		allocations_left = n_allocations;
		r = ruleset_decode(TEST_FAMILY, replace, length, &ruleset, &message);
		allocations_left = UINT_MAX;
		if (r == 0)
			break;
		assert_int_equal(r, -ENOMEM);
		assert_string_not_equal(message.text, "");
		assert_null(ruleset);
		n_allocations++;
	}
	assert_in_range(n_allocations, 4, 100);
	ruleset_free(ruleset);

	allocations_left = 2;
	ruleset = NULL;
	assert_int_equal(ruleset_new_empty(TEST_FAMILY, &ruleset), -ENOMEM);
	allocations_left = UINT_MAX;
	assert_null(ruleset);
	free(replace);
}

static void a_predicate_remembers_that_it_failed(void **state)
{
	size_t length;
	struct ipt_replace *replace = build(&length);
	struct ruleset *ruleset = NULL;
	unsigned int n_allocations = 0;
	bool failed;

	(void)state;
	assert_int_equal(ruleset_decode(TEST_FAMILY, replace, length, &ruleset, NULL), 0);
	do {
		struct predicate predicate = {0};

		allocations_left = n_allocations++;
		ruleset_compile_entry(ruleset, 0, &predicate);
		allocations_left = UINT_MAX;
		failed = predicate.failed;
		predicate_free(&predicate);
	} while (failed);
	assert_in_range(n_allocations, 4, 100);
	ruleset_free(ruleset);
	free(replace);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_needs_all_of_its_memory),
		cmocka_unit_test(a_predicate_remembers_that_it_failed),
	};

	return cmocka_run_group_tests_name(TEST_NAME("ruleset_memory"), tests, NULL, NULL);
}
