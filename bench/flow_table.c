// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/flow_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_FLOWS (1u << 20)

static int read_flows(FILE *file, struct flow_table *ret_table)
{
	struct stat status;
	struct flow_table table;

	if (fstat(fileno(file), &status))
		return -errno;
	if (status.st_size % (off_t)sizeof(*table.flows) || status.st_size == 0 ||
	    status.st_size > (off_t)(MAX_FLOWS * sizeof(*table.flows)))
		return -EINVAL;
	table.count = (uint32_t)((size_t)status.st_size / sizeof(*table.flows));
	table.flows = calloc(table.count, sizeof(*table.flows));
	if (!table.flows)
		return -ENOMEM;
	if (fread(table.flows, sizeof(*table.flows), table.count, file) != table.count) {
		free(table.flows);
		return -EIO;
	}
	*ret_table = table;
	return 0;
}

int flow_table_read(const char *path, struct flow_table *ret_table)
{
	FILE *file = fopen(path, "re");
	int error = file ? read_flows(file, ret_table) : -errno;

	if (file)
		fclose(file);
	if (error)
		fprintf(stderr, "flow table %s: %s\n", path, strerror(-error));
	return error;
}
