/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A datapath without a kernel, by the contract of datapath/datapath.h: it keeps the tables and
 * their counters in memory, counts what a test tells it to, and fails when a test wants it to.
 */
#pragma once

#include "datapath/datapath.h"

/* Entry @index of the family's table in force has seen @packets more packets and @bytes more bytes.
 */
void datapath_stub_count(struct datapath *datapath, uint8_t family, uint32_t index,
			 uint64_t packets, uint64_t bytes);

/* The next datapath_replace() fails with @error (positive). */
void datapath_stub_fail_replace(struct datapath *datapath, int error);

/* Called in datapath_replace() before the table changes; NULL takes it away. */
void datapath_stub_on_replace(struct datapath *datapath,
			      void (*callback)(void *data, const struct ruleset *ruleset),
			      void *data);
