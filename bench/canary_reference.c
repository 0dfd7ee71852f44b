// SPDX-License-Identifier: GPL-2.0-or-later
/* canary_reference CPU MILLISECONDS: prints canary_reference(). */
#include "bench/canary.h"

#include <stdio.h>
#include <stdlib.h>

int main(int count, char **arguments)
{
	if (count != 3 || canary_settle(atoi(arguments[1])))
		return EXIT_FAILURE;
	printf("%lld\n", (long long)canary_reference(atoi(arguments[2])));
	return EXIT_SUCCESS;
}
