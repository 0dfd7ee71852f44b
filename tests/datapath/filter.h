/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The filter in the kernel, loaded into a network namespace of the test's own, and packets put to
 * it by BPF_PROG_TEST_RUN, beside the rules taken one after the other. For the family that the test
 * is built for (test_family.h).
 */
#pragma once

#include "datapath/datapath.h"
#include "packet_bytes.h"
#include "test_family.h"

#include <stdbool.h>

struct filter {
	struct datapath *datapath;
	const struct ruleset *ruleset; /* in force */
	struct xt_counters *expected;  /* one for each of its entries */
};

/* For cmocka: makes the namespace; *@state becomes a struct filter with an empty table. */
int filter_set_up(void **state);
int filter_tear_down(void **state);

/* Before each test: an empty table again, whatever the last test has left behind. */
int filter_reset(void **state);

#define filter_test(function) cmocka_unit_test_setup(function, filter_reset)

/* Puts @ruleset in force, which it takes over, and checks the counters of the one before. */
void filter_replace(struct filter *filter, struct ruleset *ruleset);

/* The ruleset of @blob, which is freed. */
struct ruleset *filter_ruleset(struct blob *blob);

/*
 * The verdict of the program on @packet at @hook (NF_INET_LOCAL_IN ...): true for ACCEPT. Nothing
 * is compared.
 */
bool filter_run(struct filter *filter, unsigned int hook, const struct packet_bytes *packet);

/*
 * Fails the test unless @packet's verdict and all counters are as the rules say: judged for the
 * first time, as a flow that is known, without looking for flows, and without a lane.
 */
void filter_check(struct filter *filter, unsigned int hook, const struct packet_bytes *packet);

/* Fails the test unless the counters in force are the expected ones. */
void filter_check_counters(struct filter *filter);

/* The arena's root. */
struct arena_root *filter_root(void);
