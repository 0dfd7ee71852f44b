/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first half of a compilation: rules become bits, and each rule's steps become, for each field,
 * the intervals that its bit accepts, plus what is left over.
 *
 * What comes of a rule depends on its conditions alone, and on nothing around it. So it is kept for
 * the next compilation, in which most rules are the same: see splice.h.
 */
#pragma once

#include "abi/image.h"
#include "common/message.h"
#include "compiler/events.h"
#include "compiler/layout.h"
#include "ruleset/ruleset.h"

#include <stddef.h>
#include <stdint.h>

/* "This bit does not accept every value of the field." */
struct constraint {
	uint32_t bit;
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
	struct constraint *constraints; /* by bit */
	uint32_t n_constraints;
	uint32_t max_constraints;
	struct event_list events; /* which values the bits accept */
};

/* One bit, beside its fields. */
struct lowered_bit {
	uint32_t residuals; /* offset into lowered.residuals, plus 1; 0 for none */
	uint32_t hotdrop;   /* SHAPE_BIT()s that are dropped before any residual */
};

struct lowered_rule {
	uint32_t first_bit; /* the rule's bits end where the next one's begin */
	uint32_t needs;     /* enum image_needs */
};

struct lowered {
	uint8_t family;
	struct lowered_field fields[IMAGE_MAX_FIELDS];
	uint32_t n_fields;
	/* A mask found no place among the fields: what rules became depends on those before. */
	bool exhausted;
	struct lowered_rule *rules; /* in the order of the layout; one more marks the end */
	uint32_t n_rules;
	struct lowered_bit *bits;
	uint32_t n_bits;
	uint32_t max_bits;
	uint8_t *residuals; /* in the order of the bits */
	uint32_t residuals_size;
	uint32_t max_residuals;
};

/* Number of bits the field's values have: 8, 16, 32 or 128. */
uint32_t lowered_field_bits(uint8_t family, enum field field);

/*
 * Lowers the rules @first to @end - 1 of @layout. Fields that @known (NULL: none) has keep their
 * numbers. Bits and rules of the result are counted from 0. Returns 0, -ENOMEM or -E2BIG with the
 * reason in @message. To be freed with lowered_free() in either case.
 */
int lower_rules(const struct ruleset *ruleset, const struct layout *layout, uint32_t first,
		uint32_t end, const struct lowered *known, struct lowered *ret_lowered,
		struct message *message);

/* -E2BIG, with the reason in @message. */
int lowered_refuse_bits(struct message *message);

/* Gives back the memory that is not used. Returns how much is, in bytes. */
size_t lowered_trim(struct lowered *lowered);

void lowered_free(struct lowered *lowered); /* accepts a zeroed one */
