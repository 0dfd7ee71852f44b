/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A rule as one bit sees it: for each field a set of intervals, all of which must hold, and the
 * residuals. A rule with alternatives ("source or destination port") is several conjunctions.
 */
#pragma once

#include "abi/image.h"
#include "ruleset/predicate.h"

#include <stdbool.h>
#include <stdint.h>

struct conjunction_field {
	bool used;
	uint32_t late; /* SHAPE_BIT()s dropped before the field is looked at */
	const struct interval *intervals;
	uint32_t n_intervals;
	struct interval *owned; /* intervals, if they are not the predicate's */
};

struct conjunction {
	struct conjunction_field fields[IMAGE_MAX_FIELDS]; /* by lowered_field number */
	uint32_t n_fields;                                 /* those behind have not been used */
	uint32_t dropped;                                  /* SHAPE_BIT()s hotdropped so far */
	uint32_t hotdrop;                                  /* those dropped before any residual */
	bool sealed;        /* a residual with an effect is there: all that follows is residual */
	uint8_t *residuals; /* struct residual with their operands, without the end mark */
	uint32_t residuals_size;
	uint32_t max_residuals;
};

/*
 * Adds "field number @field is in @intervals", which must stay valid as long as the conjunction.
 * Returns 0 or -ENOMEM.
 */
int conjunction_require(struct conjunction *conjunction, uint32_t field,
			const struct requirement *requirement, const struct interval *intervals);

/*
 * Adds to a sealed conjunction "one of these, which differ in their fields only". Returns 0 or
 * -ENOMEM.
 */
int conjunction_require_either(struct conjunction *conjunction,
			       const struct requirement requirement[static 2],
			       const struct interval *intervals);

/* Adds a drop of the packets that got here and have one of @shapes. Returns 0 or -ENOMEM. */
int conjunction_hotdrop(struct conjunction *conjunction, uint32_t shapes);

/* Adds a residual; @size of its operand is at most UINT16_MAX - 16. Returns 0 or -ENOMEM. */
int conjunction_residual(struct conjunction *conjunction, uint16_t kind, uint32_t argument,
			 const void *operand, uint32_t size);

/* Can the rule match, or drop, any packet at all? */
bool conjunction_possible(const struct conjunction *conjunction);

/* A copy that owns all of its own. -ENOMEM; it can be cleared in any case. */
int conjunction_copy(struct conjunction *to, const struct conjunction *from);

void conjunction_clear(struct conjunction *conjunction);
