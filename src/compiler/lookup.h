/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From "from this value on, this row" to the tries that eBPF searches (abi/image.h). */
#pragma once

#include "abi/image.h"
#include "compiler/writer.h"
#include "ruleset/predicate.h"

/* From @value up to the next bound the row at offset @row applies. */
struct bound {
	struct value value;
	uint32_t row;
};

/*
 * Writes the lookup of @bounds, sorted, the first for value 0, and fills in lookup, root and
 * root_shift of @ret_field. @bits is the width of the field's values.
 */
void lookup_write(struct writer *writer, const struct bound *bounds, uint32_t n_bounds,
		  uint32_t bits, struct image_field *ret_field);
