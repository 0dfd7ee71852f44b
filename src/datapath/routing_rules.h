/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the chain selector has to know of the rules that choose routing tables. */
#pragma once

#include "abi/selector.h"

#include <stdbool.h>

struct routing_rules {
	/* The first rule is the usual one: from all lookup local. */
	bool local_first[SELECTOR_FAMILIES];
	/* IPv6: a rule refuses some of the routes that it finds (suppress_prefixlength ...). */
	bool suppress;
};

/* The rules of the calling thread's network namespace; a negative errno of the kernel. */
int routing_rules_read(struct routing_rules *ret_rules);
