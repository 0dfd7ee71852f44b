// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * frame_cost: what a packet costs a whole machine, in CPU time of one core.
 *
 *   frame_cost CPU HOW FLOWS DEVICE SCRATCH-DEVICE MAC
 *
 * Sends frames with the packets of the flow table FLOWS out of DEVICE, a veth, to the MAC address
 * of its other end. Generator, veth, the receiving network stack and its filter all run on the one
 * CPU, inside the system call that starts the generator, so its CPU time is the packets', to the
 * nanosecond. generator_run() says what HOW is, and what is printed.
 */
#include "bench/flow_table.h"
#include "bench/generator.h"
#include "frames.skel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* include/uapi/linux/bpf.h; Debian 12's headers have it, too, but not all that build this. */
#ifndef BPF_F_TEST_XDP_LIVE_FRAMES
#define BPF_F_TEST_XDP_LIVE_FRAMES (1u << 1)
#endif

#define FRAME_SIZE 60 /* of frames.bpf.c */

struct frame_generator {
	struct generator generator; /* first: it is what generator_run() knows */
	int program;
};

static int send_frames(struct generator *generator, uint32_t count, uint32_t batch)
{
	const struct frame_generator *frames = (const struct frame_generator *)generator;
	struct xdp_md context = {.data_end = FRAME_SIZE};
	uint8_t frame[FRAME_SIZE] = {};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(frame),
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = (int)count,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = batch);

	if (!bpf_prog_test_run_opts(frames->program, &options))
		return 0;
	fprintf(stderr, "frame_cost: cannot send frames: %s\n", strerror(errno));
	return -errno;
}

static int fill(const struct bpf_map *map, const struct flow_table *table)
{
	long page = sysconf(_SC_PAGESIZE);
	size_t size = table->count * sizeof(*table->flows);
	size_t mapped = (size + (size_t)page - 1) & ~((size_t)page - 1);
	void *memory = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	if (memory == MAP_FAILED)
		return -errno;
	memcpy(memory, table->flows, size);
	munmap(memory, mapped);
	return 0;
}

static int load(const struct ether_addr *to, unsigned int device, const struct flow_table *table,
		int *ret_program)
{
	struct frames_bpf *skeleton = frames_bpf__open();
	int error = skeleton ? 0 : -errno;

	if (!error) {
		memcpy((void *)&skeleton->rodata->to, to, sizeof(*to));
		skeleton->rodata->interface = device;
		skeleton->rodata->flow_count = table->count;
		error = bpf_map__set_max_entries(skeleton->maps.flows, table->count);
	}
	if (!error)
		error = frames_bpf__load(skeleton);
	if (!error)
		error = fill(skeleton->maps.flows, table);
	if (error) {
		fprintf(stderr, "frame_cost: cannot load the generator: %s\n", strerror(-error));
		return error;
	}
	*ret_program = bpf_program__fd(skeleton->progs.bench_frames);
	return 0;
}

/*
 * A program that is attached somewhere is known to the kernel's XDP dispatcher; else each test run
 * would change the dispatcher, and wait for that for milliseconds.
 */
static int attach(int program, unsigned int scratch)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);

	if (bpf_link_create(program, (int)scratch, BPF_XDP, &options) >= 0)
		return 0;
	fprintf(stderr, "frame_cost: cannot attach the generator: %s\n", strerror(errno));
	return -errno;
}

static int prepare(char **arguments, int *ret_program)
{
	unsigned int device = if_nametoindex(arguments[4]);
	unsigned int scratch = if_nametoindex(arguments[5]);
	const struct ether_addr *to = ether_aton(arguments[6]);
	struct flow_table table;
	int error = flow_table_read(arguments[3], &table);

	if (error)
		return error;
	if (!device || !scratch || !to) {
		fprintf(stderr, "frame_cost: no such device or address\n");
		return -ENODEV;
	}
	error = load(to, device, &table, ret_program);
	return error ? error : attach(*ret_program, scratch);
}

int main(int count, char **arguments)
{
	struct frame_generator frames = {.generator.send = send_frames};

	if (count != 7) {
		fprintf(stderr, "usage: frame_cost CPU HOW FLOWS DEVICE SCRATCH-DEVICE MAC\n");
		return EXIT_FAILURE;
	}
	if (prepare(arguments, &frames.program))
		return EXIT_FAILURE;
	return generator_run(&frames.generator, arguments[1], arguments[2]);
}
