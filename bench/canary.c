// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/canary.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define WORK_STEPS 150000

/* Percent that a canary may be above the reference: more is a neighbour, not the frequency. */
#define TOLERANCE 20

/* Percent that the two canaries of a slice may differ. */
#define STEADINESS 4

static int64_t clock_nanoseconds(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int64_t canary_thread_time(void)
{
	return clock_nanoseconds(CLOCK_THREAD_CPUTIME_ID);
}

int64_t canary_real_time(void)
{
	return clock_nanoseconds(CLOCK_MONOTONIC);
}

int canary_settle(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	setpriority(PRIO_PROCESS, 0, -10);
	return sched_setaffinity(0, sizeof(cpus), &cpus) ? -errno : 0;
}

/* Independent additions: bound by throughput, which is what a neighbour on the core takes away. */
static void work(void)
{
	uint64_t a = 1, b = 2, c = 3, d = 4, e = 5, f = 6;

	for (uint64_t i = 0; i < WORK_STEPS; i++) {
		a += i;
		b ^= i;
		c -= i;
		d += i;
		e ^= i;
		f -= i;
		__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
	}
}

static int64_t timed_work(void)
{
	int64_t start = canary_thread_time();

	work();
	return canary_thread_time() - start;
}

/* The better of two: the first warms up after what was measured. */
int64_t canary_sing(void)
{
	int64_t first = timed_work();
	int64_t second = timed_work();

	return first < second ? first : second;
}

int64_t canary_reference(int milliseconds)
{
	int64_t end = canary_real_time() + milliseconds * 1000000LL;
	double songs[4096];
	uint32_t n = 0;

	while (canary_real_time() < end && n < sizeof(songs) / sizeof(songs[0]))
		songs[n++] = (double)canary_sing();
	return (int64_t)canary_first_quartile(songs, n);
}

static long context_switches(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nivcsw + usage.ru_nvcsw;
}

void canary_begin(struct canary_slice *slice)
{
	slice->before = canary_sing();
	slice->switches = context_switches();
	slice->start = canary_thread_time();
}

static bool is_steady(int64_t before, int64_t after, int64_t reference)
{
	int64_t difference = before < after ? after - before : before - after;

	return before * 100 <= reference * (100 + TOLERANCE) &&
	       difference * 100 <= reference * STEADINESS;
}

int64_t canary_end(const struct canary_slice *slice, int64_t reference, bool *ret_clean)
{
	int64_t taken = canary_thread_time() - slice->start;
	bool stayed = context_switches() == slice->switches;
	int64_t after = canary_sing();

	*ret_clean = stayed && is_steady(slice->before, after, reference);
	return taken * reference / ((slice->before + after) / 2);
}

static int compare_values(const void *a, const void *b)
{
	double one = *(const double *)a, other = *(const double *)b;

	return (one > other) - (one < other);
}

static double quartile(double *values, uint32_t count, uint32_t number)
{
	qsort(values, count, sizeof(*values), compare_values);
	return count ? values[(count - 1) * number / 4] : 0;
}

double canary_first_quartile(double *values, uint32_t count)
{
	return quartile(values, count, 1);
}

double canary_median(double *values, uint32_t count)
{
	return quartile(values, count, 2);
}
