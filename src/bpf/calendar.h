/* SPDX-License-Identifier: GPL-2.0-only OR GPL-2.0-or-later */
/*
 * Is a moment one of those that a rule is for? net/netfilter/xt_time.c time_mt(), with what it does
 * before 1970 and behind 2039. Also compiled for user space, where the tests run it.
 */
#pragma once

#include "bpf/portable.h"

#include <linux/netfilter/xt_time.h>

#define CALENDAR_DAY_SECONDS 86400
#define CALENDAR_FIRST_YEAR  1970
#define CALENDAR_LAST_YEAR   2039 /* whose days do not end */

INLINE bool calendar_is_leap(__u32 year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days from the beginning of 1970 to that of @year, which is one of those up to 2039. */
INLINE __u32 calendar_days_before(__u32 year)
{
	__u32 years = year - CALENDAR_FIRST_YEAR;

	return years * 365 + (years + 1) / 4;
}

/* Days from the beginning of the year to that of @month, 0 to 11. */
INLINE __u32 calendar_month_begin(__u32 month, bool leap)
{
	/* From March on months have 31 and 30 days by turns, with a break behind July. */
	if (month < 2)
		return month * 31;
	return 59 + leap + ((month - 2) * 153 + 2) / 5;
}

/* localtime_3(): the day of the month, from 1 on, of a number of days since 1970. */
INLINE __u32 calendar_month_day(__u32 days)
{
	__u32 year = CALENDAR_FIRST_YEAR + days / 366; /* or the year behind it */
	__u32 month = 11;
	bool leap;

	if (year > CALENDAR_LAST_YEAR)
		year = CALENDAR_LAST_YEAR;
	if (year < CALENDAR_LAST_YEAR && calendar_days_before(year + 1) <= days)
		year++;
	leap = calendar_is_leap(year);
	days -= calendar_days_before(year);
	while (month > 0 && calendar_month_begin(month, leap) > days) {
		month--;
		LOOP_BOUND;
	}
	return (__u8)(days - calendar_month_begin(month, leap) + 1);
}

/* @now: seconds since 1970, in the time zone that the rule is for. */
INLINE bool calendar_matches(const struct xt_time_info ARENA *info, __s64 now)
{
	__u32 start = info->daytime_start, stop = info->daytime_stop;
	__u32 second, days;

	if (now < (__s64)info->date_start || now > (__s64)info->date_stop)
		return false;
	second = (__u64)now % CALENDAR_DAY_SECONDS;
	if (start < stop) {
		if (second < start || second > stop)
			return false;
	} else {
		if (second < start && second > stop)
			return false;
		/* What is behind midnight belongs to the day before. */
		if ((info->flags & XT_TIME_CONTIGUOUS) && second <= stop)
			now -= CALENDAR_DAY_SECONDS;
	}
	days = (__u32)((__u64)now / CALENDAR_DAY_SECONDS);
	if (!(info->weekdays_match >> ((days + 3) % 7 + 1) & 1))
		return false;
	if (info->monthdays_match == XT_TIME_ALL_MONTHDAYS)
		return true;
	/* Shifts by 32 bits and more are by the rest, as x86's are: behind 2039 there are such. */
	return info->monthdays_match >> (calendar_month_day(days) & 31) & 1;
}
