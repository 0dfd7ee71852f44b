// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * frame_cost: what a packet costs a whole machine, in CPU time of one core.
 *
 *   frame_cost CPU REFERENCE DEVICE SCRATCH-DEVICE MAC PACKET
 *
 * Sends frames with the PACKET (packet_parse()) out of DEVICE, a veth, to the MAC address of its
 * other end. Generator, veth, the receiving network stack and its filter all run on the one CPU,
 * inside the system call that starts the generator, so its CPU time is the packets', to the
 * nanosecond. Prints the nanoseconds of a packet ("-" if the CPU was never undisturbed) and how
 * many packets were sent in all.
 */
#include "bench/canary.h"
#include "bench/packet.h"
#include "frames.skel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* include/uapi/linux/bpf.h; Debian 12's headers have it, too, but not all that build this. */
#ifndef BPF_F_TEST_XDP_LIVE_FRAMES
#define BPF_F_TEST_XDP_LIVE_FRAMES (1u << 1)
#endif

#define MAX_BATCH 64u /* what a driver takes from a network card at once */

#define SLICE_NANOSECONDS   2000000
#define MEASURE_NANOSECONDS 1500000000LL
#define CLEAN_SLICES        16
#define MAX_SLICES          1000

struct generator {
	int program;
	struct packet packet;
	uint32_t batch;
	uint64_t sent;
};

static int send_frames(struct generator *generator, uint32_t count)
{
	struct xdp_md context = {.data_end = sizeof(generator->packet)};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = &generator->packet,
		    .data_size_in = sizeof(generator->packet), .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = (int)count,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = generator->batch);

	if (bpf_prog_test_run_opts(generator->program, &options)) {
		fprintf(stderr, "frame_cost: cannot send frames: %s\n", strerror(errno));
		return -errno;
	}
	generator->sent += count;
	return 0;
}

static int load(struct generator *generator, unsigned int device, unsigned int scratch)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);
	struct frames_bpf *skeleton = frames_bpf__open();
	int error = skeleton ? 0 : -errno;

	if (!error) {
		memcpy((void *)&skeleton->rodata->template, &generator->packet,
		       sizeof(generator->packet));
		skeleton->rodata->interface = device;
		error = frames_bpf__load(skeleton);
	}
	if (error) {
		fprintf(stderr, "frame_cost: cannot load the generator: %s\n", strerror(-error));
		return error;
	}
	generator->program = bpf_program__fd(skeleton->progs.bench_frames);
	/*
	 * A program that is attached somewhere is known to the kernel's XDP dispatcher; else each
	 * test run would change the dispatcher, and wait for that for milliseconds.
	 */
	if (bpf_link_create(generator->program, (int)scratch, BPF_XDP, &options) >= 0)
		return 0;
	fprintf(stderr, "frame_cost: cannot attach the generator: %s\n", strerror(errno));
	return -errno;
}

static int prepare(struct generator *generator, char **arguments)
{
	const struct ether_addr *to = ether_aton(arguments[5]);
	unsigned int device = if_nametoindex(arguments[3]);
	unsigned int scratch = if_nametoindex(arguments[4]);

	if (!device || !scratch || !to) {
		fprintf(stderr, "frame_cost: no such device or address\n");
		return -ENODEV;
	}
	if (packet_parse(arguments[6], &generator->packet))
		return -EINVAL;
	memcpy(generator->packet.ethernet.ether_dhost, to, ETH_ALEN);
	generator->packet.ethernet.ether_shost[0] = 2; /* locally administered */
	return load(generator, device, scratch);
}

/*
 * Warms up, and finds how many packets a slice has. Where one takes very long a batch is smaller,
 * so that the CPU is not kept from all else.
 */
static int calibrate(struct generator *generator, uint32_t *ret_count)
{
	double cost = 0;

	generator->batch = 4;
	for (int i = 0; i < 6; i++) {
		uint32_t count = generator->batch * (i ? 4 : 1);
		int64_t start = canary_thread_time();
		int error = send_frames(generator, count);

		if (error)
			return error;
		cost = (double)(canary_thread_time() - start) / count;
		while (generator->batch < MAX_BATCH && cost * generator->batch * 2 < 1e6)
			generator->batch *= 2;
	}
	*ret_count = (uint32_t)(SLICE_NANOSECONDS / cost);
	*ret_count = (*ret_count + generator->batch - 1) / generator->batch * generator->batch;
	return 0;
}

static int measure(struct generator *generator, int64_t reference, double *ret_cost)
{
	int64_t end = canary_real_time() + MEASURE_NANOSECONDS;
	double costs[CLEAN_SLICES];
	uint32_t n = 0, count;
	int error = calibrate(generator, &count);

	for (int i = 0; i < MAX_SLICES && !error && n < CLEAN_SLICES; i++) {
		struct canary_slice slice;
		int64_t taken;
		bool clean;

		if (canary_real_time() > end)
			break;
		canary_begin(&slice);
		error = send_frames(generator, count);
		taken = canary_end(&slice, reference, &clean);
		if (clean)
			costs[n++] = (double)taken / count;
	}
	*ret_cost = canary_first_quartile(costs, n);
	return error;
}

int main(int count, char **arguments)
{
	struct generator generator = {};
	double cost;

	if (count != 7) {
		fprintf(stderr,
			"usage: frame_cost CPU REFERENCE DEVICE SCRATCH-DEVICE MAC PACKET\n");
		return EXIT_FAILURE;
	}
	if (prepare(&generator, arguments) || canary_settle(atoi(arguments[1])) ||
	    measure(&generator, atoll(arguments[2]), &cost))
		return EXIT_FAILURE;
	if (cost > 0)
		printf("%.1f", cost);
	else
		printf("-");
	printf(" %llu\n", (unsigned long long)generator.sent);
	return EXIT_SUCCESS;
}
