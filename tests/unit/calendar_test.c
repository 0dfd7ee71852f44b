// SPDX-License-Identifier: GPL-2.0-or-later
/* The time match's arithmetic against the C library's. */
#include "bpf/calendar.h"

#include "evaluate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#define DAY          86400u
#define END_OF_TABLE 2208988800u /* 2040-01-01 */

static const struct xt_time_info always = {
	.date_stop = UINT32_MAX,
	.daytime_stop = DAY - 1,
	.monthdays_match = XT_TIME_ALL_MONTHDAYS,
	.weekdays_match = XT_TIME_ALL_WEEKDAYS,
};

static struct tm date_of(time_t moment)
{
	struct tm date;

	assert_non_null(gmtime_r(&moment, &date));
	return date;
}

static int weekday_of(const struct tm *date)
{
	return date->tm_wday ? date->tm_wday : 7;
}

static void every_day_up_to_2039_has_its_date(void **state)
{
	(void)state;
	for (uint32_t moment = 0; moment < END_OF_TABLE; moment += DAY) {
		struct tm date = date_of(moment);
		struct xt_time_info info = always;

		info.monthdays_match = 1u << date.tm_mday;
		info.weekdays_match = (uint8_t)(1u << weekday_of(&date));
		for (uint32_t second = 0; second < DAY; second += DAY - 1) {
			assert_true(calendar_matches(&info, moment + second));
			info.monthdays_match = ~info.monthdays_match & XT_TIME_ALL_MONTHDAYS;
			assert_false(calendar_matches(&info, moment + second));
			info.monthdays_match = 1u << date.tm_mday;
		}
		info.weekdays_match ^= XT_TIME_ALL_WEEKDAYS;
		assert_false(calendar_matches(&info, moment));
	}
}

/* xt_time.c localtime_3(): its table ends with 2039, whose days are counted on and on. */
static void days_behind_2039_are_the_kernels(void **state)
{
	const uint32_t first_day_of_2039 = 25202, december = 334;

	(void)state;
	for (uint32_t day = END_OF_TABLE / DAY; day <= UINT32_MAX / DAY; day++) {
		uint8_t month_day = (uint8_t)(day - first_day_of_2039 - december + 1);
		struct xt_time_info info = always;

		info.monthdays_match = 1u << (month_day & 31);
		assert_true(calendar_matches(&info, (int64_t)day * DAY));
		info.monthdays_match ^= UINT32_MAX;
		/* All days but number 0 stand for all days. */
		assert_int_equal(calendar_matches(&info, (int64_t)day * DAY),
				 info.monthdays_match == XT_TIME_ALL_MONTHDAYS);
	}
}

static bool expected(const struct xt_time_info *info, time_t moment)
{
	uint32_t start = info->daytime_start, stop = info->daytime_stop;
	uint32_t second = (uint32_t)(moment % DAY);
	struct tm date;

	if (moment < info->date_start || moment > info->date_stop)
		return false;
	if (start < stop ? second < start || second > stop : second < start && second > stop)
		return false;
	if (info->flags & XT_TIME_CONTIGUOUS && second <= stop)
		moment -= DAY;
	date = date_of(moment);
	return info->weekdays_match >> weekday_of(&date) & 1 &&
	       info->monthdays_match >> date.tm_mday & 1;
}

static void random_conditions_hold_when_they_should(void **state)
{
	unsigned int n_matched = 0;

	(void)state;
	for (unsigned int round = 0; round < 200000; round++) {
		time_t moment = (time_t)(DAY + random_below(END_OF_TABLE - DAY));
		struct xt_time_info info = always;

		if (random_below(2))
			info.date_start = (uint32_t)moment + random_below(3) - 1;
		if (random_below(2))
			info.date_stop = (uint32_t)moment + random_below(3) - 1;
		info.daytime_start = random_below(2) ? (uint32_t)(moment % DAY) : random_below(DAY);
		info.daytime_stop = random_below(2) ? (uint32_t)(moment % DAY) : random_below(DAY);
		if (info.daytime_start >= info.daytime_stop && random_below(2))
			info.flags = XT_TIME_CONTIGUOUS;
		if (random_below(2))
			info.weekdays_match = (uint8_t)(random_below(128) << 1);
		if (random_below(2))
			info.monthdays_match = random_below(UINT32_MAX) & ~1u;
		assert_int_equal(calendar_matches(&info, moment), expected(&info, moment));
		n_matched += calendar_matches(&info, moment);
	}
	assert_in_range(n_matched, 20000, 180000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_day_up_to_2039_has_its_date),
		cmocka_unit_test(days_behind_2039_are_the_kernels),
		cmocka_unit_test(random_conditions_hold_when_they_should),
	};

	return cmocka_run_group_tests_name("calendar", tests, NULL, NULL);
}
