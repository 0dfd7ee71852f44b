// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/generator.h"

#include "bench/canary.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_BATCH 64u /* what a driver takes from a network card at once */

#define SLICE_NANOSECONDS   2000000
#define MEASURE_NANOSECONDS 600000000LL
#define LOAD_NANOSECONDS    60000000000LL
#define CLEAN_SLICES        16
#define MAX_SLICES          1000

struct pace {
	uint32_t batch;
	uint32_t count; /* packets of a slice */
};

static int send_packets(struct generator *generator, uint32_t count, uint32_t batch)
{
	int error = generator->send(generator, count, batch);

	if (!error)
		generator->sent += count;
	return error;
}

/*
 * Warms up, and finds how many packets a slice has. Where one takes very long a batch is smaller,
 * so that the CPU is not kept from all else.
 */
static int calibrate(struct generator *generator, struct pace *ret_pace)
{
	struct pace pace = {.batch = 1};
	double cost = 0;

	for (int i = 0; i < 8; i++) {
		uint32_t count = pace.batch * (i ? 4 : 1);
		int64_t start = canary_thread_time();
		int error = send_packets(generator, count, pace.batch);

		if (error)
			return error;
		cost = (double)(canary_thread_time() - start) / count;
		while (pace.batch < MAX_BATCH && cost * pace.batch * 2 < 1e6)
			pace.batch *= 2;
	}
	pace.count = (uint32_t)(SLICE_NANOSECONDS / cost) + 1;
	pace.count = (pace.count + pace.batch - 1) / pace.batch * pace.batch;
	*ret_pace = pace;
	return 0;
}

static int clean_slice(struct generator *generator, const struct pace *pace, int64_t reference,
		       double *costs, uint32_t *n)
{
	struct canary_slice slice;
	int64_t taken;
	bool clean;
	int error;

	canary_begin(&slice);
	error = send_packets(generator, pace->count, pace->batch);
	taken = canary_end(&slice, reference, &clean);
	if (clean)
		costs[(*n)++] = (double)taken / pace->count;
	return error;
}

static int any_slice(struct generator *generator, const struct pace *pace, double *costs,
		     uint32_t *n)
{
	int64_t start = canary_thread_time();
	int error = send_packets(generator, pace->count, pace->batch);

	costs[(*n)++] = (double)(canary_thread_time() - start) / pace->count;
	return error;
}

/* With a @reference of 0 all slices count. */
static int measure(struct generator *generator, int64_t reference, double *ret_cost)
{
	int64_t end = canary_real_time() + MEASURE_NANOSECONDS;
	uint32_t n = 0, wanted = reference ? CLEAN_SLICES : MAX_SLICES;
	double costs[MAX_SLICES];
	struct pace pace;
	int error = calibrate(generator, &pace);

	for (int i = 0; i < MAX_SLICES && !error && n < wanted && canary_real_time() < end; i++)
		error = reference ? clean_slice(generator, &pace, reference, costs, &n)
				  : any_slice(generator, &pace, costs, &n);
	*ret_cost = reference ? canary_first_quartile(costs, n) : canary_median(costs, n);
	return error;
}

static bool input_ended(void)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	char byte;

	return poll(&input, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0;
}

static int load(struct generator *generator)
{
	int64_t end = canary_real_time() + LOAD_NANOSECONDS;
	struct pace pace;
	int error = calibrate(generator, &pace);

	puts("ready");
	fflush(stdout);
	while (!error && canary_real_time() < end && !input_ended())
		error = send_packets(generator, pace.count, pace.batch);
	return error;
}

static int do_as_told(struct generator *generator, const char *how, double *ret_cost)
{
	*ret_cost = 0;
	if (!strcmp(how, "load"))
		return load(generator);
	if (!strncmp(how, "send=", strlen("send=")))
		return send_packets(generator, (uint32_t)atoi(how + strlen("send=")), 1);
	if (!strcmp(how, "all"))
		return measure(generator, 0, ret_cost);
	return measure(generator, atoll(how), ret_cost);
}

int generator_run(struct generator *generator, const char *cpu, const char *how)
{
	double cost;

	if (canary_settle(atoi(cpu)) || do_as_told(generator, how, &cost))
		return EXIT_FAILURE;
	if (cost > 0)
		printf("%.1f", cost);
	else
		printf("-");
	printf(" %llu %llu\n", (unsigned long long)generator->sent,
	       (unsigned long long)generator->refused);
	return EXIT_SUCCESS;
}
