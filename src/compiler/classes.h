/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One field of an image: its classes of values, their rows, its lookup. */
#pragma once

#include "compiler/arrange.h"
#include "compiler/lower.h"
#include "compiler/rows.h"

/*
 * Writes the rows and the lookup of @from, a field of @lowered whose bits stand as @arrangement has
 * it, fills in @ret_field and adds to the
 * key of @image.
 * @ret_weight is how many bits a row has on average: the less, the more selective is the field.
 * Returns 0 or -ENOMEM; a full writer is found in writer->full.
 */
int classes_write(struct rows *rows, const struct lowered *lowered,
		  const struct arrangement *arrangement, const struct lowered_field *from,
		  struct image *image, struct image_field *ret_field, uint64_t *ret_weight);
