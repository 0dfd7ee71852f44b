// SPDX-License-Identifier: GPL-2.0-or-later
/* floor: attaches the program of floor.bpf.c, says "ready", and keeps it until its input ends. */
#include "bench/floor_program.h"

#include <stdio.h>
#include <stdlib.h>

int main(void)
{
	int fd = floor_program_load();

	if (fd < 0 || floor_program_attach(fd) < 0)
		return EXIT_FAILURE;
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF)
		;
	return EXIT_SUCCESS;
}
