// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * packet_cost: what a packet costs in loaded netfilter programs, by BPF_PROG_TEST_RUN.
 *
 *   packet_cost CPU REFERENCE ROUNDS CASE...
 *
 * A CASE is PROGRAM-ID,VERDICT,PACKET: what the program must return for the packet
 * (packet_parse()), which arrives at LOCAL_IN. All cases and the program of floor.bpf.c are
 * measured in turn, ROUNDS times. Prints, a line for each round, the nanoseconds of a packet: first
 * of the floor, then of each case; "-" where the CPU was never undisturbed.
 */
#include "bench/canary.h"
#include "bench/floor_program.h"
#include "bench/packet.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CASES 64

/* A slice is so many packets: about a millisecond, so that few are interrupted. */
#define SLICE_PACKETS     8000
#define CLEAN_SLICES      12
#define MAX_SLICES        400
#define ROUND_NANOSECONDS 400000000LL

/* The start of the kernel's struct nf_hook_state: all that a test run takes of it. */
struct hook_context {
	uint8_t hook;
	uint8_t family;
	uint8_t unused[6];
};

struct measured_case {
	int fd;
	struct packet packet;
	uint32_t verdict;
};

static int parse_case(const char *text, struct measured_case *ret_case)
{
	int length = 0;
	uint32_t id;

	if (sscanf(text, "%u,%u,%n", &id, &ret_case->verdict, &length) != 2 || !length) {
		fprintf(stderr, "packet_cost: not a case: %s\n", text);
		return -EINVAL;
	}
	ret_case->fd = bpf_prog_get_fd_by_id(id);
	if (ret_case->fd < 0) {
		fprintf(stderr, "packet_cost: program %u: %s\n", id, strerror(errno));
		return -errno;
	}
	return packet_parse(text + length, &ret_case->packet);
}

static int run(const struct measured_case *measured, int packets)
{
	struct hook_context context = {.hook = NF_INET_LOCAL_IN,
				       .family = packet_family(&measured->packet)};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = &measured->packet,
		    .data_size_in = sizeof(measured->packet), .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = packets);

	if (bpf_prog_test_run_opts(measured->fd, &options)) {
		fprintf(stderr, "packet_cost: test run: %s\n", strerror(errno));
		return -errno;
	}
	if (options.retval != measured->verdict) {
		fprintf(stderr, "packet_cost: the verdict is %u, not %u\n", options.retval,
			measured->verdict);
		return -EBADMSG;
	}
	return 0;
}

/* Nanoseconds of a packet; 0 if there was no clean slice in time. */
static int measure(const struct measured_case *measured, int64_t reference, double *ret_cost)
{
	int64_t end = canary_real_time() + ROUND_NANOSECONDS;
	double costs[CLEAN_SLICES];
	uint32_t n = 0;

	for (int i = 0; i < MAX_SLICES && n < CLEAN_SLICES && canary_real_time() < end; i++) {
		struct canary_slice slice;
		int64_t taken;
		bool clean;
		int error;

		canary_begin(&slice);
		error = run(measured, SLICE_PACKETS);
		if (error)
			return error;
		taken = canary_end(&slice, reference, &clean);
		if (clean)
			costs[n++] = (double)taken / SLICE_PACKETS;
	}
	*ret_cost = canary_first_quartile(costs, n);
	return 0;
}

static int measure_round(const struct measured_case *cases, uint32_t n_cases, int64_t reference)
{
	for (uint32_t i = 0; i < n_cases; i++) {
		double cost;
		int error = measure(&cases[i], reference, &cost);

		if (error)
			return error;
		if (cost > 0)
			printf("%s%.2f", i ? " " : "", cost);
		else
			printf("%s-", i ? " " : "");
	}
	printf("\n");
	fflush(stdout);
	return 0;
}

int main(int count, char **arguments)
{
	static struct measured_case cases[MAX_CASES];
	uint32_t n_cases = 0;
	int error;

	if (count < 5 || count - 4 >= MAX_CASES) {
		fprintf(stderr, "usage: packet_cost CPU REFERENCE ROUNDS CASE...\n");
		return EXIT_FAILURE;
	}
	error = canary_settle(atoi(arguments[1]));
	cases[n_cases].fd = floor_program_load(NF_DROP);
	if (error || cases[n_cases].fd < 0)
		return EXIT_FAILURE;
	if (packet_parse("192.0.2.1,192.0.2.2,1,2", &cases[n_cases++].packet))
		return EXIT_FAILURE;
	for (int i = 4; i < count; i++)
		if (parse_case(arguments[i], &cases[n_cases++]))
			return EXIT_FAILURE;
	for (int round = atoi(arguments[3]); round > 0 && !error; round--)
		error = measure_round(cases, n_cases, atoll(arguments[2]));
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
