/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How undisturbed is this CPU? On a shared machine the same code takes up to twice as long while
 * the physical core works for somebody else, too, and no clock shows it. So a fixed piece of work
 * is timed before and after each measured slice; only slices between two fast ones count.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* CPU time of the calling thread, in nanoseconds. */
int64_t canary_thread_time(void);

/* Real time, in nanoseconds. */
int64_t canary_real_time(void);

/* Keeps the calling thread on @cpu, at a raised priority if it may. Returns 0 or -errno. */
int canary_settle(int cpu);

/* CPU time of the fixed work, in nanoseconds. */
int64_t canary_sing(void);

/* What canary_sing() is when the CPU is undisturbed, found within @milliseconds. */
int64_t canary_reference(int milliseconds);

/* A stretch of time that a canary surrounds. */
struct canary_slice {
	int64_t before;
	int64_t start;
	long switches;
};

void canary_begin(struct canary_slice *slice);

/*
 * Ends the slice. Returns its CPU time in nanoseconds, as if the CPU had the speed at which the
 * canary takes @reference; *@ret_clean tells whether it counts: whether both canaries took about as
 * long as each other, and not much longer than @reference, and the thread was never taken off the
 * CPU.
 */
int64_t canary_end(const struct canary_slice *slice, int64_t reference, bool *ret_clean);

/* The first quartile of @count values, which are sorted by this: disturbance only ever adds. */
double canary_first_quartile(double *values, uint32_t count);

/* Their median, for a CPU that is meant to be disturbed. */
double canary_median(double *values, uint32_t count);
