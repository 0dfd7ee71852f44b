// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * packet_cost: what packets cost in loaded netfilter programs, by BPF_PROG_TEST_RUN.
 *
 *   packet_cost CPU REFERENCE ROUNDS <CASES
 *
 * A case is a line "case PROGRAM-ID HOOK VERDICT MANNER PID" and, in the lines behind it, its
 * packets (packet_parse()). HOOK is a number of enum nf_inet_hooks; VERDICT is what the program
 * must return for each packet, or -1. PID is that of the daemon, if it shall remember no flows
 * meanwhile, or 0. The MANNER is one of these:
 *
 *   repeated  one packet, thousands of times in a row: nothing but the program runs;
 *   rotated   all packets in turn, each once: a system call lies between two packets, about as much
 *             other code as a network stack runs for one.
 *
 * All cases are measured in turn, ROUNDS times. Prints, a line for each round, the nanoseconds of a
 * packet: of the program of floor.bpf.c, repeated and rotated, then of each case; "-" where the CPU
 * was never undisturbed.
 *
 * With ROUNDS 0 each packet is run once, and its verdict is printed, in a line of its own.
 */
#include "bench/canary.h"
#include "bench/floor_program.h"
#include "bench/flows_switch.h"
#include "bench/packet.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CASES 256

/* A slice is about a millisecond, so that few are interrupted. */
#define SLICE_REPETITIONS 8000
#define SLICE_NANOSECONDS 1000000LL
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
	uint8_t hook;
	bool rotated;
	int verdict;
	int flows;              /* flows_switch(); -1: as they are */
	struct packet *packets; /* never freed */
	uint32_t n_packets;
	uint32_t max_packets;
	uint32_t next; /* packet */
};

static int add_packet(struct measured_case *to, const char *text)
{
	if (to->n_packets == to->max_packets) {
		uint32_t max = to->max_packets ? to->max_packets * 2 : 1;
		struct packet *packets = reallocarray(to->packets, max, sizeof(*packets));

		if (!packets)
			return -ENOMEM;
		to->packets = packets;
		to->max_packets = max;
	}
	return packet_parse(text, &to->packets[to->n_packets++]);
}

static int parse_case(const char *text, struct measured_case *ret_case)
{
	struct measured_case made = {};
	char manner[16];
	uint32_t id;
	int pid;

	if (sscanf(text, "case %u %hhu %d %15s %d", &id, &made.hook, &made.verdict, manner, &pid) !=
	    5) {
		fprintf(stderr, "packet_cost: not a case: %s\n", text);
		return -EINVAL;
	}
	made.rotated = !strcmp(manner, "rotated");
	made.fd = bpf_prog_get_fd_by_id(id);
	if (made.fd < 0) {
		fprintf(stderr, "packet_cost: program %u: %s\n", id, strerror(errno));
		return -errno;
	}
	made.flows = pid ? flows_switch_open(pid) : -1;
	if (pid && made.flows < 0)
		return made.flows;
	*ret_case = made;
	return 0;
}

/* Reads what follows the floors, which are the first two of the cases. */
static int read_cases(FILE *file, struct measured_case *cases, uint32_t *n_cases)
{
	char line[256];
	int error = 0;

	while (!error && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "case ", 5) != 0)
			error = *n_cases > 2 ? add_packet(&cases[*n_cases - 1], line) : -EINVAL;
		else if (*n_cases == MAX_CASES)
			error = -E2BIG;
		else
			error = parse_case(line, &cases[(*n_cases)++]);
	}
	for (uint32_t i = 0; i < *n_cases && !error; i++)
		if (!cases[i].n_packets)
			error = -EINVAL;
	if (error)
		fprintf(stderr, "packet_cost: the cases cannot be read: %s\n", strerror(-error));
	return error;
}

static int add_floors(struct measured_case *cases, uint32_t *n_cases)
{
	int fd = floor_program_load(NF_DROP);

	if (fd < 0)
		return fd;
	for (; *n_cases < 2; ++*n_cases) {
		cases[*n_cases] = (struct measured_case){
			.fd = fd, .hook = NF_INET_LOCAL_IN, .flows = -1, .rotated = *n_cases == 1};
		if (add_packet(&cases[*n_cases], "192.0.2.1,192.0.2.2,1,2"))
			return -EINVAL;
	}
	return 0;
}

/*
 * Runs the next packet @times in a row. What the kernel says that a run took leaves out the
 * system call around them; it is in whole nanoseconds.
 */
static int run(struct measured_case *measured, int times, uint32_t *ret_verdict,
	       uint32_t *ret_nanoseconds)
{
	struct packet *packet = &measured->packets[measured->next];
	struct hook_context context = {.hook = measured->hook, .family = packet_family(packet)};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_size_in = sizeof(*packet),
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = times);

	if (bpf_prog_test_run_opts(measured->fd, &options)) {
		fprintf(stderr, "packet_cost: test run: %s\n", strerror(errno));
		return -errno;
	}
	measured->next = (measured->next + 1) % measured->n_packets;
	*ret_verdict = options.retval;
	*ret_nanoseconds = options.duration;
	return 0;
}

static int check_verdict(const struct measured_case *measured, uint32_t verdict)
{
	if (measured->verdict < 0 || (uint32_t)measured->verdict == verdict)
		return 0;
	fprintf(stderr, "packet_cost: the verdict is %u, not %d\n", verdict, measured->verdict);
	return -EBADMSG;
}

static int run_repeated(struct measured_case *measured, double *ret_share, uint32_t *ret_packets)
{
	uint32_t verdict, nanoseconds;
	int error = run(measured, SLICE_REPETITIONS, &verdict, &nanoseconds);

	*ret_share = 1;
	*ret_packets = SLICE_REPETITIONS;
	return error ? error : check_verdict(measured, verdict);
}

static int run_rotated(struct measured_case *measured, double *ret_share, uint32_t *ret_packets)
{
	int64_t start = canary_real_time(), taken = 0, end;
	uint32_t n = 0;

	do {
		uint32_t verdict, nanoseconds;
		int error = run(measured, 1, &verdict, &nanoseconds);

		if (!error)
			error = check_verdict(measured, verdict);
		if (error)
			return error;
		taken += nanoseconds;
		n++;
		end = canary_real_time();
	} while (end - start < SLICE_NANOSECONDS);
	*ret_share = (double)taken / (double)(end - start);
	*ret_packets = n;
	return 0;
}

/* Nanoseconds of a packet; 0 if there was no clean slice in time. */
static int measure(struct measured_case *measured, int64_t reference, double *ret_cost)
{
	int64_t end = canary_real_time() + ROUND_NANOSECONDS;
	double costs[CLEAN_SLICES];
	uint32_t n = 0;

	for (int i = 0; i < MAX_SLICES && n < CLEAN_SLICES && canary_real_time() < end; i++) {
		struct canary_slice slice;
		uint32_t packets;
		double share; /* of the slice, that the program ran */
		int64_t taken;
		bool clean;
		int error;

		canary_begin(&slice);
		error = measured->rotated ? run_rotated(measured, &share, &packets)
					  : run_repeated(measured, &share, &packets);
		if (error)
			return error;
		taken = canary_end(&slice, reference, &clean);
		if (clean)
			costs[n++] = (double)taken * share / packets;
	}
	*ret_cost = canary_first_quartile(costs, n);
	return 0;
}

static int measure_with_flows(struct measured_case *measured, int64_t reference, double *ret_cost)
{
	int error;

	if (measured->flows < 0)
		return measure(measured, reference, ret_cost);
	error = flows_switch(measured->flows, false);
	if (!error)
		error = measure(measured, reference, ret_cost);
	return error ? error : flows_switch(measured->flows, true);
}

static int measure_round(struct measured_case *cases, uint32_t n_cases, int64_t reference)
{
	for (uint32_t i = 0; i < n_cases; i++) {
		double cost;
		int error = measure_with_flows(&cases[i], reference, &cost);

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

static int print_verdicts(struct measured_case *measured)
{
	for (uint32_t i = 0; i < measured->n_packets; i++) {
		uint32_t verdict = 0, nanoseconds;
		int error = run(measured, 1, &verdict, &nanoseconds);

		if (error)
			return error;
		printf("%u\n", verdict);
	}
	return 0;
}

int main(int count, char **arguments)
{
	static struct measured_case cases[MAX_CASES];
	uint32_t n_cases = 0;
	int rounds, error;

	if (count != 4) {
		fprintf(stderr, "usage: packet_cost CPU REFERENCE ROUNDS <CASES\n");
		return EXIT_FAILURE;
	}
	rounds = atoi(arguments[3]);
	error = canary_settle(atoi(arguments[1]));
	if (!error)
		error = add_floors(cases, &n_cases);
	if (!error)
		error = read_cases(stdin, cases, &n_cases);
	for (uint32_t i = 2; i < n_cases && !rounds && !error; i++)
		error = print_verdicts(&cases[i]);
	for (int round = 0; round < rounds && !error; round++)
		error = measure_round(cases, n_cases, atoll(arguments[2]));
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
