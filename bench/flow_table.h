/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "bench/flow.h"

#include <stdint.h>

struct flow_table {
	struct flow *flows;
	uint32_t count;
};

/* Reads the file; the table is never freed. Returns 0 or -errno, which is told on stderr. */
int flow_table_read(const char *path, struct flow_table *ret_table);
