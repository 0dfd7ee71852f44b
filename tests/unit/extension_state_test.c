// SPDX-License-Identifier: GPL-2.0-or-later
#include "evaluate.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/xt_state.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct predicate predicate;

/* xt_state.c state_mt(): the bit of each state, which direction and address translation share. */
static const unsigned int bits[] = {
	[CONNTRACK_INVALID] = 1 << 0,   [CONNTRACK_ESTABLISHED] = 1 << 1,
	[CONNTRACK_RELATED] = 1 << 2,   [CONNTRACK_NEW] = 1 << 3,
	[CONNTRACK_UNTRACKED] = 1 << 6,
};

static void every_mask_accepts_its_states(void **state)
{
	const struct extension *extension = find_match("state", 0);

	(void)state;
	for (unsigned int mask = 0; mask < 256; mask++) {
		struct xt_state_info info = {.statemask = mask};

		compile_match(extension, 0, &info, &predicate);
		for (uint32_t value = 0; value < CONNTRACK_VALUES; value++) {
			struct packet packet = {.fields[FIELD_CONNTRACK] = VALUE(value)};
			uint32_t number = conntrack_state(value);

			assert_int_equal(predicate_evaluate(&predicate, &packet) == MATCH,
					 !!(mask & bits[number]));
		}
	}
}

static void all_states_are_no_requirement(void **state)
{
	const struct xt_state_info info = {.statemask = 0x4f};

	(void)state;
	compile_match(find_match("state", 0), 0, &info, &predicate);
	assert_int_equal(predicate.n_steps, 0);
}

static void it_needs_connection_tracking(void **state)
{
	(void)state;
	assert_true(find_match("state", 0)->conntrack);
	assert_int_equal(find_match("state", 0)->size, sizeof(struct xt_state_info));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_mask_accepts_its_states),
		cmocka_unit_test(all_states_are_no_requirement),
		cmocka_unit_test(it_needs_connection_tracking),
	};
	int failed = cmocka_run_group_tests_name("extension_state", tests, NULL, NULL);

	predicate_free(&predicate);
	return failed;
}
