// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The list of tables in use, which iptables-save without -t goes through: the kernel's, with the
 * daemon's filter table in the place of the kernel's.
 */

/* Both fopen() and fopen64() are defined here, so one must not be renamed to the other. */
#undef _FILE_OFFSET_BITS

#include <dlfcn.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "abi/control.h"
#include "common/cleanup.h"
#include "frontend/table_client.h"

typedef FILE *fopen_function(const char *, const char *);

static FILE *next_fopen(const char *path, const char *mode)
{
	fopen_function *next = (fopen_function *)dlsym(RTLD_NEXT, "fopen");

	if (!next) {
		errno = ENOSYS;
		return NULL;
	}
	return next(path, mode);
}

/* The answer to CONTROL_TABLE_IN_USE, or a negative errno. */
static int ask_table_in_use(uint8_t family)
{
	uint8_t in_use = 0;
	struct control_call call = {
		.family = family,
		.operation = CONTROL_TABLE_IN_USE,
		.answer = &in_use,
		.answer_length = sizeof(in_use),
	};
	int ret;

	ret = table_client_call(&call);
	/* To iptables-save it would mean that no table is in use. */
	if (ret == -ENOENT)
		return -ECONNREFUSED;
	return ret ? ret : in_use;
}

/* The next line of @names that is not the kernel's own filter table; NULL after the last one. */
static const char *next_name(FILE *names, char *line, size_t size)
{
	while (names && fgets(line, (int)size, names))
		if (strcmp(line, TABLE_FILTER "\n") != 0)
			return line;
	return NULL;
}

static unsigned int count_names(FILE *names)
{
	unsigned int count = 0;
	char line[64];

	while (next_name(names, line, sizeof(line)))
		count++;
	if (names)
		rewind(names);
	return count;
}

/*
 * The kernel lists the newest table first (x_tables.c, xt_register_table). Those that it had when
 * the filter table was first used (@in_use - 1) come after it, if @in_use is not 0.
 */
static void write_names(FILE *output, FILE *names, unsigned int in_use)
{
	unsigned int left = count_names(names);
	char line[64];

	for (;;) {
		if (in_use && left <= in_use - 1) {
			fputs(TABLE_FILTER "\n", output);
			in_use = 0;
		}
		if (!left || !next_name(names, line, sizeof(line)))
			break;
		fputs(line, output);
		left--;
	}
	if (in_use)
		fputs(TABLE_FILTER "\n", output);
}

static FILE *open_table_names(const char *path, uint8_t family)
{
	_cleanup_fclose_ FILE *names = next_fopen(path, "re");
	_cleanup_fclose_ FILE *output = NULL;
	int in_use;

	/* Where the kernel has no ip_tables it has no list, but the daemon may have its table. */
	if (!names && errno != ENOENT)
		return NULL;

	in_use = ask_table_in_use(family);
	if (in_use < 0 || (!names && !in_use)) {
		errno = in_use < 0 ? -in_use : ENOENT;
		return NULL;
	}

	/* A stream over its own memory, of more bytes than there can be tables. */
	output = fmemopen(NULL, 65536, "w+");
	if (!output)
		return NULL;
	write_names(output, names, (unsigned int)in_use);
	rewind(output);
	return take_pointer(output);
}

static FILE *open_file(const char *path, const char *mode)
{
	if (strcmp(path, "/proc/net/ip_tables_names") == 0 && mode[0] == 'r')
		return open_table_names(path, NFPROTO_IPV4);
	if (strcmp(path, "/proc/net/ip6_tables_names") == 0 && mode[0] == 'r')
		return open_table_names(path, NFPROTO_IPV6);
	return next_fopen(path, mode);
}

__attribute__((visibility("default"))) FILE *fopen(const char *restrict path,
						   const char *restrict mode)
{
	return open_file(path, mode);
}

/* The same on the 64-bit systems that this is for. */
__attribute__((visibility("default"))) FILE *fopen64(const char *restrict path,
						     const char *restrict mode)
{
	return open_file(path, mode);
}
