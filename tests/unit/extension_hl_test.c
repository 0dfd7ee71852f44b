// SPDX-License-Identifier: GPL-2.0-or-later
#include "evaluate.h"

#include <errno.h>
#include <linux/netfilter_ipv6/ip6t_hl.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char *const names[] = {"ttl", "hl"};

static struct predicate predicate;

/* xt_hl.c hl_mt6(); ttl_mt() is the same. */
static bool kernel_matches(const struct ip6t_hl_info *info, unsigned int hop_limit)
{
	switch (info->mode) {
	case IP6T_HL_EQ:
		return hop_limit == info->hop_limit;
	case IP6T_HL_NE:
		return hop_limit != info->hop_limit;
	case IP6T_HL_LT:
		return hop_limit < info->hop_limit;
	default:
		return hop_limit > info->hop_limit;
	}
}

static void every_limit_is_compared_as_in_the_kernel(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 2 * 4 * 256; i++) {
		const struct ip6t_hl_info info = {
			.mode = (uint8_t)(i / 2 % 4),
			.hop_limit = (uint8_t)(i / 8),
		};

		compile_match(find_match(names[i % 2], 0), 0, &info, &predicate);
		for (unsigned int value = 0; value < 256; value++) {
			struct packet packet = {.fields[FIELD_HOP_LIMIT] = VALUE(value)};

			assert_int_equal(predicate_evaluate(&predicate, &packet),
					 kernel_matches(&info, value) ? MATCH : NO_MATCH);
		}
	}
}

static void unknown_modes_are_refused(void **state)
{
	struct ip6t_hl_info info = {0};

	(void)state;
	for (unsigned int i = 0; i < 2 * 256; i++) {
		info.mode = (uint8_t)(i / 2);
		assert_int_equal(check_match(find_match(names[i % 2], 0), 0, false, &info),
				 info.mode <= IP6T_HL_GT ? 0 : -EINVAL);
	}
}

static void each_is_for_one_family(void **state)
{
	(void)state;
	assert_false(extension_known(EXTENSION_MATCH, "ttl", NFPROTO_IPV6));
	assert_false(extension_known(EXTENSION_MATCH, "hl", NFPROTO_IPV4));
	assert_int_equal(find_match("ttl", 0)->size, 2);
	assert_int_equal(find_match("hl", 0)->size, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_limit_is_compared_as_in_the_kernel),
		cmocka_unit_test(unknown_modes_are_refused),
		cmocka_unit_test(each_is_for_one_family),
	};
	int failed = cmocka_run_group_tests_name("extension_hl", tests, NULL, NULL);

	predicate_free(&predicate);
	return failed;
}
