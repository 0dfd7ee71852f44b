/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The walk that the eBPF program does, in user space, on an image and a packet's values. */
#pragma once

#include "abi/image.h"
#include "ruleset/predicate.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Judges a packet with these values; the shape is fields[FIELD_SHAPE]. Adds 1 to counters[n] for
 * each counter n that the packet hits. Residuals on fields are evaluated, all others hold. Fails
 * the test if a bound is hit. Returns true for ACCEPT. @ret_has_residuals may be NULL.
 */
bool image_judge(const struct image *image, const struct value fields[FIELD_COUNT],
		 uint64_t *counters, bool *ret_has_residuals);
