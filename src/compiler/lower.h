/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first half of a compilation: chains become ranges of bits, rules become bits, and each rule's
 * steps become, for each field, the intervals that its bit accepts, plus what is left over.
 */
#pragma once

#include "abi/image.h"
#include "common/message.h"
#include "ruleset/ruleset.h"

#include <stddef.h>
#include <stdint.h>

/* "This bit accepts these values of the field." */
struct constraint {
	uint32_t bit;
	uint32_t first_interval; /* into lowered_field.intervals */
	uint32_t n_intervals;
	/*
	 * SHAPE_BIT()s for which the rule has dropped the packet before it looks at the field: for
	 * them the constraint does not count.
	 */
	uint32_t late;
};

/* One field as rules constrain it; a field occurs once for each mask that is applied to it. */
struct lowered_field {
	enum field field;
	struct value mask;
	struct constraint *constraints;
	uint32_t n_constraints;
	uint32_t max_constraints;
	struct interval *intervals;
	uint32_t n_intervals;
	uint32_t max_intervals;
	uint32_t late; /* of all constraints */
};

struct lowered {
	uint8_t family;
	struct lowered_field fields[IMAGE_MAX_FIELDS];
	uint32_t n_fields;
	struct image_chain *chains;
	uint32_t n_chains;
	/* Of each bit. `residuals` is an offset into residuals below, plus 1; 0 for none. */
	struct image_rule *rules;
	uint32_t n_bits;
	uint32_t max_bits;
	uint8_t *residuals;
	uint32_t residuals_size;
	uint32_t max_residuals;
	uint32_t *entry_of_counter;
	uint32_t n_counters; /* the policy's is the last */
	uint32_t depth;
	uint32_t needs;  /* enum image_needs */
	uint32_t policy; /* enum image_verdict */
};

/*
 * Lowers the rules that can be reached from @hook. Returns 0, -ENOMEM or -E2BIG with the reason in
 * @message. To be freed with lowered_free() in either case.
 */
int lower_hook(const struct ruleset *ruleset, unsigned int hook, struct lowered *ret_lowered,
	       struct message *message);

void lowered_free(struct lowered *lowered); /* accepts a zeroed one */
