// SPDX-License-Identifier: GPL-2.0-or-later
#include "ruleset/extension.h"

#include <linux/netfilter/xt_comment.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void a_comment_matches_everything(void **state)
{
	const struct extension *extension =
		extension_find(EXTENSION_MATCH, "comment", 0, NFPROTO_IPV4);

	(void)state;
	assert_non_null(extension);
	assert_int_equal(extension->size, 256);
	assert_int_equal(extension->protocol, 0);
	assert_false(extension->conntrack);
	assert_null(extension->check);
	assert_null(extension->compile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_comment_matches_everything),
	};

	return cmocka_run_group_tests_name("extension_comment", tests, NULL, NULL);
}
