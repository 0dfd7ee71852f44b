/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "ruleset/ruleset.h"

#include <stdint.h>

/*
 * Stores how many return positions a packet at @hook can have on its stack at most: the longest
 * path of jumps from the base chain; gotos leave none. Chains do not jump in circles
 * (ruleset_decode()). Returns 0 or -ENOMEM.
 */
int chains_depth(const struct ruleset *ruleset, unsigned int hook, uint32_t *ret_depth);
