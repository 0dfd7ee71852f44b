/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

/*
 * Does this kernel's ipv6_find_hdr() refuse an extension header that reaches past the end of the
 * packet? Newer kernels do, and older ones with later fixes; a rule with a protocol drops such a
 * packet then, where others judge it by the next header's number. The kernel's own ip6_tables is
 * asked, in a network namespace made for it. True if it cannot be: dropping is the safe answer.
 */
bool ipv6_probe_checks_length(void);
