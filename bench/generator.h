/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How traffic is generated and its cost taken, whatever sends it: in slices that are short enough
 * for a CPU to stay undisturbed meanwhile.
 */
#pragma once

#include <stdint.h>

struct generator {
	/* Sends @count packets, at most @batch at once. Returns 0 or -errno, told on stderr. */
	int (*send)(struct generator *generator, uint32_t count, uint32_t batch);
	uint64_t sent;
	uint64_t refused; /* of these, by the kernel */
};

/*
 * Pins the caller to @cpu and does what @how says:
 *
 *   a number  measures; it is canary_reference(), slices count only if the CPU is undisturbed
 *   all       measures, and all slices count: the CPU is meant to be disturbed
 *   send=N    sends N packets
 *   load      says "ready" and sends until its input ends, a minute at most
 *
 * Prints the nanoseconds of a packet ("-" if there are none), how many packets were sent in all,
 * and how many of these were refused. Returns an exit status.
 */
int generator_run(struct generator *generator, const char *cpu, const char *how);
