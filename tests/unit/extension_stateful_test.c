// SPDX-License-Identifier: GPL-2.0-or-later
/* Matches that keep something from packet to packet: limit, statistic, quota; how they begin. */
#include "abi/match_state.h"
#include "common/tick_rate.h"
#include "evaluate.h"

#include <errno.h>
#include <linux/netfilter/xt_hashlimit.h>
#include <linux/netfilter/xt_limit.h>
#include <linux/netfilter/xt_quota.h>
#include <linux/netfilter/xt_recent.h>
#include <linux/netfilter/xt_statistic.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define NOW 4300000000ull

static struct predicate predicate;

static union {
	struct match_limit limit;
	struct match_nth nth;
	struct match_quota quota;
	struct match_random random;
	uint8_t bytes[MATCH_CELL_SIZE];
} cell;

/* The cell of a rule that begins at NOW; checks that one residual of @kind looks at it. */
static void begin(const char *name, const void *payload, enum residual_kind kind)
{
	const struct extension *extension = find_match(name, 0);

	assert_int_equal(extension->state, STATE_CELL);
	assert_int_equal(check_match(extension, 0, false, payload), 0);
	compile_match(extension, 0, payload, &predicate);
	assert_non_null(predicate_operand(&predicate, kind, 0));
	assert_true(RESIDUAL_HAS_STATE(kind) && RESIDUAL_HAS_EFFECT(kind));
	memset(cell.bytes, 0, sizeof(cell.bytes));
	extension->begin(payload, NOW, &cell);
}

/* CREDITS_PER_JIFFY of the tick rates that kernels can be built with. */
static uint32_t kernel_credits(void)
{
	switch (tick_rate()) {
	case 100:
		return 256;
	case 250:
	case 300:
		return 128;
	case 1000:
		return 32;
	}
	fail_msg("a tick rate of %u", tick_rate());
	return 0;
}

static void a_bucket_is_full_at_first(void **state)
{
	uint32_t per_second = tick_rate() * kernel_credits();

	(void)state;
	for (uint32_t burst = 1; burst < 100; burst++) {
		/* 10 a second: all numbers are small. */
		const struct xt_rateinfo info = {.avg = 1000, .burst = burst};

		begin("limit", &info, RESIDUAL_LIMIT);
		assert_int_equal(cell.limit.previous, NOW);
		assert_int_equal(cell.limit.credits_per_tick, kernel_credits());
		assert_int_equal(cell.limit.cost, per_second / 10);
		assert_int_equal(cell.limit.credit, per_second * burst / 10);
		assert_int_equal(cell.limit.credit_cap, cell.limit.credit);
	}
}

/* An hour is XT_LIMIT_SCALE * 3600: multiplied first, it would overflow. */
static void long_times_do_not_overflow(void **state)
{
	const struct xt_rateinfo info = {.avg = XT_LIMIT_SCALE * 3600, .burst = 2};

	(void)state;
	begin("limit", &info, RESIDUAL_LIMIT);
	assert_int_equal(cell.limit.cost, 3600 * tick_rate() * kernel_credits());
	assert_int_equal(cell.limit.credit, 2 * cell.limit.cost);
}

static void what_overflows_is_refused(void **state)
{
	const struct extension *extension = find_match("limit", 0);
	struct xt_rateinfo info = {.avg = 1000};

	(void)state;
	assert_int_equal(check_match(extension, 0, false, &info), -ERANGE);
	info.burst = 1;
	assert_int_equal(check_match(extension, 0, false, &info), 0);
	/* One a day, and two days' worth of them: more than 32 bits of credits. */
	info = (struct xt_rateinfo){.avg = XT_LIMIT_SCALE * 60 * 60 * 24, .burst = 2};
	assert_int_equal(check_match(extension, 0, false, &info), -ERANGE);
	info.burst = 1;
	assert_int_equal(check_match(extension, 0, false, &info), 0);
}

static void a_cost_that_is_given_counts(void **state)
{
	const struct xt_rateinfo info = {.avg = 1000, .burst = 5, .cost = 7, .credit_cap = 70};

	(void)state;
	begin("limit", &info, RESIDUAL_LIMIT);
	assert_int_equal(cell.limit.cost, 7);
	assert_int_equal(cell.limit.credit_cap, 70);
	assert_int_equal(cell.limit.credit, tick_rate() * kernel_credits() / 2);
}

static void statistic_begins_where_it_says(void **state)
{
	struct xt_statistic_info info = {
		.mode = XT_STATISTIC_MODE_NTH,
		.flags = XT_STATISTIC_INVERT,
		.u.nth = {.every = 4, .packet = 1, .count = 2},
	};

	(void)state;
	begin("statistic", &info, RESIDUAL_NTH);
	assert_int_equal(cell.nth.every, 4);
	assert_int_equal(cell.nth.count, 2);
	assert_true(cell.nth.inverted);
	info = (struct xt_statistic_info){.u.random.probability = 12345};
	begin("statistic", &info, RESIDUAL_RANDOM);
	assert_int_equal(cell.random.probability, 12345);
	assert_false(cell.random.inverted);
	info.mode = XT_STATISTIC_MODE_MAX + 1;
	assert_int_equal(check_match(find_match("statistic", 0), 0, false, &info), -EINVAL);
	info = (struct xt_statistic_info){.flags = 2};
	assert_int_equal(check_match(find_match("statistic", 0), 0, false, &info), -EINVAL);
}

static void a_quota_begins_whole(void **state)
{
	struct xt_quota_info info = {.flags = XT_QUOTA_INVERT, .quota = 1ull << 40};

	(void)state;
	begin("quota", &info, RESIDUAL_QUOTA);
	assert_int_equal(cell.quota.left, 1ull << 40);
	assert_true(cell.quota.inverted);
	info.flags = 2;
	assert_int_equal(check_match(find_match("quota", 0), 0, false, &info), -EINVAL);
}

static struct xt_recent_mtinfo_v1 recent(uint8_t check_set)
{
	return (struct xt_recent_mtinfo_v1){.check_set = check_set, .name = "list"};
}

/* Each combination of flags, beside recent_mt_check(). */
static void what_recent_does_not_know_is_refused(void **state)
{
	const struct extension *extension = find_match("recent", 1);

	(void)state;
	for (uint32_t i = 0; i < 256 * 4; i++) {
		struct xt_recent_mtinfo_v1 info = recent((uint8_t)i);
		uint32_t commands = info.check_set & 15;
		bool looks = commands == XT_RECENT_CHECK || commands == XT_RECENT_UPDATE;
		bool good = info.check_set < 64 && (commands & (commands - 1)) == 0 && commands;

		info.seconds = i & 256 ? 7 : 0;
		info.hit_count = i & 512 ? 7 : 0;
		if (!looks && (info.check_set & 48 || info.seconds || info.hit_count))
			good = false;
		if (info.check_set & XT_RECENT_REAP && !info.seconds)
			good = false;
		assert_int_equal(check_match(extension, 0, false, &info), good ? 0 : -EINVAL);
	}
}

static void lists_have_names(void **state)
{
	static const char *const bad[] = {"", ".", "..", "a/b", "/"};
	const struct extension *extension = find_match("recent", 1);
	struct xt_recent_mtinfo_v1 info = recent(XT_RECENT_CHECK);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		strcpy(info.name, bad[i]);
		assert_int_equal(check_match(extension, 0, false, &info), -EINVAL);
	}
	memset(info.name, 'n', sizeof(info.name));
	assert_int_equal(check_match(extension, 0, false, &info), -ENAMETOOLONG);
	info = recent(XT_RECENT_CHECK);
	info.hit_count = 65535;
	assert_int_equal(check_match(extension, 0, false, &info), 0);
	info.hit_count = 65536;
	assert_int_equal(check_match(extension, 0, false, &info), -EINVAL);
}

static struct xt_hashlimit_mtinfo3 hashlimit(uint32_t mode)
{
	return (struct xt_hashlimit_mtinfo3){
		.cfg = {.mode = mode,
			.avg = XT_HASHLIMIT_SCALE_v2,
			.burst = 5,
			.gc_interval = 1000,
			.expire = 1000,
			.interval = 1,
			.srcmask = 32,
			.dstmask = 32},
		.name = "table",
	};
}

/* hashlimit_mt_check_common() */
static void what_hashlimit_does_not_know_is_refused(void **state)
{
	const struct extension *extension = find_match("hashlimit", 3);
	struct xt_hashlimit_mtinfo3 info = hashlimit(XT_HASHLIMIT_HASH_SIP);

	(void)state;
	assert_int_equal(check_match(extension, 0, false, &info), 0);
	info.cfg.srcmask = 33;
	assert_int_equal(check_match(extension, 0, false, &info), -EINVAL);
	info = hashlimit(XT_HASHLIMIT_RATE_MATCH << 1);
	assert_int_equal(check_match(extension, 0, false, &info), -EINVAL);
	info = hashlimit(0);
	info.cfg.expire = 0;
	assert_int_equal(check_match(extension, 0, false, &info), -EINVAL);
	info = hashlimit(0);
	info.cfg.gc_interval = 0;
	assert_int_equal(check_match(extension, 0, false, &info), -EINVAL);
	info = hashlimit(0);
	info.cfg.burst = 0;
	assert_int_equal(check_match(extension, 0, false, &info), -ERANGE);
	info.cfg.avg = info.cfg.burst = 1ull << 32;
	assert_int_equal(check_match(extension, 0, false, &info), -ERANGE);
	info = hashlimit(XT_HASHLIMIT_BYTES);
	assert_int_equal(check_match(extension, 0, false, &info), 0);
	info.cfg.avg = 0;
	assert_int_equal(check_match(extension, 0, false, &info), -EINVAL);
	info = hashlimit(XT_HASHLIMIT_RATE_MATCH);
	assert_int_equal(check_match(extension, 0, false, &info), 0);
	info.cfg.interval = 0;
	assert_int_equal(check_match(extension, 0, false, &info), -EINVAL);
	info = hashlimit(XT_HASHLIMIT_RATE_MATCH);
	info.cfg.avg = 1ull << 32;
	assert_int_equal(check_match(extension, 0, false, &info), -ERANGE);
	info = hashlimit(0);
	info.name[0] = 0;
	assert_int_equal(check_match(extension, 0, false, &info), -EINVAL);
}

/* The kernel writes into the rule what it makes of it, which the listing shows. */
static void sizes_of_hashlimit_are_bounded(void **state)
{
	const struct extension *extension = find_match("hashlimit", 3);
	struct xt_hashlimit_mtinfo3 info = hashlimit(0);

	(void)state;
	info.cfg.size = 1048576;
	info.cfg.max = 1048577;
	extension->settle(&info);
	assert_int_equal(info.cfg.size, 1048576);
	assert_int_equal(info.cfg.max, 1048576);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bucket_is_full_at_first),
		cmocka_unit_test(long_times_do_not_overflow),
		cmocka_unit_test(what_overflows_is_refused),
		cmocka_unit_test(a_cost_that_is_given_counts),
		cmocka_unit_test(statistic_begins_where_it_says),
		cmocka_unit_test(a_quota_begins_whole),
		cmocka_unit_test(what_recent_does_not_know_is_refused),
		cmocka_unit_test(lists_have_names),
		cmocka_unit_test(what_hashlimit_does_not_know_is_refused),
		cmocka_unit_test(sizes_of_hashlimit_are_bounded),
	};
	int failed = cmocka_run_group_tests_name("extension_stateful", tests, NULL, NULL);

	predicate_free(&predicate);
	return failed;
}
