/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of a packet's bits an image looks at at all: struct image's key_mask. */
#pragma once

#include "abi/image.h"
#include "compiler/lookup.h"

/* Adds the bits of @field that tell apart on which side of one of the @bounds a value is. */
void key_add(struct image *image, uint8_t family, const struct image_field *field,
	     const struct bound *bounds, uint32_t n_bounds);

/* Sets key_words, and adds what is always looked at. */
void key_finish(struct image *image, uint8_t family);
