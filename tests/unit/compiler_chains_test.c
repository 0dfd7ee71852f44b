// SPDX-License-Identifier: GPL-2.0-or-later
#include "blob.h"
#include "common/cleanup.h"
#include "compiler/chains.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct blob *blob;

static int set_up(void **state)
{
	(void)state;
	blob = blob_new();
	for (const char *name = "a\0b\0c\0d\0"; *name; name += 2)
		blob_chain(blob, name);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	blob_free(blob);
	return 0;
}

static void go_to(const char *from, const char *to)
{
	blob_rule(blob, from, to)->flags |= IPT_F_GOTO;
}

/* Jumps from some packets, so that what stands behind it can be reached. */
static void jump(const char *from, const char *to)
{
	blob_rule(blob, from, to)->proto = IPPROTO_TCP;
}

static uint32_t depth_of(unsigned int hook)
{
	_cleanup_free_ struct ipt_replace *replace = NULL;
	struct message message = {};
	struct ruleset *ruleset;
	uint32_t depth = 4711;
	size_t length;

	replace = blob_build(blob, &length);
	if (ruleset_decode(NFPROTO_IPV4, replace, length, &ruleset, &message))
		fail_msg("refused: %s", message.text);
	assert_int_equal(chains_depth(ruleset, hook, &depth), 0);
	ruleset_free(ruleset);
	return depth;
}

static void test_without_jumps(void **state)
{
	(void)state;
	assert_int_equal(depth_of(NF_INET_LOCAL_IN), 0);
	blob_rule(blob, "INPUT", "ACCEPT");
	assert_int_equal(depth_of(NF_INET_LOCAL_IN), 0);
}

static void test_each_hook_has_its_own(void **state)
{
	(void)state;
	jump("INPUT", "a");
	jump("a", "b");
	jump("FORWARD", "b");
	assert_int_equal(depth_of(NF_INET_LOCAL_IN), 2);
	assert_int_equal(depth_of(NF_INET_FORWARD), 1);
	assert_int_equal(depth_of(NF_INET_LOCAL_OUT), 0);
}

static void test_the_longest_path_counts_wherever_it_begins(void **state)
{
	(void)state;
	jump("INPUT", "c");
	jump("INPUT", "a");
	jump("INPUT", "c");
	jump("a", "c");
	jump("a", "b");
	jump("b", "c");
	jump("b", "c");
	jump("c", "d");
	assert_int_equal(depth_of(NF_INET_LOCAL_IN), 4);
}

static void test_gotos_leave_nothing_on_the_stack(void **state)
{
	(void)state;
	go_to("INPUT", "a");
	go_to("a", "b");
	assert_int_equal(depth_of(NF_INET_LOCAL_IN), 0);
	jump("b", "c");
	go_to("c", "d");
	assert_int_equal(depth_of(NF_INET_LOCAL_IN), 1);
}

/* As many as the stack of a recursion would not hold. */
static void test_very_many_nested_chains(void **state)
{
	enum { N = 200000 };
	char from[16] = "INPUT", to[16];

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		snprintf(to, sizeof(to), "n%u", i);
		blob_chain(blob, to);
		jump(from, to);
		memcpy(from, to, sizeof(from));
	}
	assert_int_equal(depth_of(NF_INET_LOCAL_IN), N);
}

#define chains_test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		chains_test(test_without_jumps),
		chains_test(test_each_hook_has_its_own),
		chains_test(test_the_longest_path_counts_wherever_it_begins),
		chains_test(test_gotos_leave_nothing_on_the_stack),
		chains_test(test_very_many_nested_chains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
