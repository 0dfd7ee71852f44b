// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * floor HOOK VERDICT: attaches the program of floor.bpf.c with that verdict (NF_DROP, NF_ACCEPT) to
 * a hook of IPv4 (enum nf_inet_hooks), says "ready", and keeps it until its input ends.
 */
#include "bench/floor_program.h"

#include <stdio.h>
#include <stdlib.h>

int main(int count, char **arguments)
{
	int fd;

	if (count != 3) {
		fprintf(stderr, "usage: floor HOOK VERDICT\n");
		return EXIT_FAILURE;
	}
	fd = floor_program_load(atoi(arguments[2]));
	if (fd < 0 || floor_program_attach(fd, (unsigned int)atoi(arguments[1])) < 0)
		return EXIT_FAILURE;
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF)
		;
	return EXIT_SUCCESS;
}
