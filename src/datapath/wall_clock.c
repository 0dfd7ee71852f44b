// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/wall_clock.h"

#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <unistd.h>

#define NANOSECONDS 1000000000ll

struct arena_clock wall_clock_read(void)
{
	struct timex state = {.modes = 0};
	struct timezone zone = {0};

	adjtimex(&state);
	/* Not glibc's gettimeofday(), which says 0 for every time zone. */
	syscall(SYS_gettimeofday, NULL, &zone);
	return (struct arena_clock){
		.atomic_time_ahead = state.tai * NANOSECONDS,
		.seconds_west = 60ll * zone.tz_minuteswest,
	};
}
