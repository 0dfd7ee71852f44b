// SPDX-License-Identifier: GPL-2.0-or-later
#include "compiler/key.h"

#include <linux/netfilter.h>

/* The lowest bit that is set in any bound, and all above it: those below never make a difference.
 */
static struct value significant_bits(const struct bound *bounds, uint32_t n_bounds)
{
	struct value any = {};

	for (uint32_t i = 0; i < n_bounds; i++) {
		any.high |= bounds[i].value.high;
		any.low |= bounds[i].value.low;
	}
	if (any.low)
		return (struct value){UINT64_MAX, ~((any.low & -any.low) - 1)};
	return (struct value){any.high ? ~((any.high & -any.high) - 1) : 0, 0};
}

void key_add(struct image *image, uint8_t family, const struct image_field *field,
	     const struct bound *bounds, uint32_t n_bounds)
{
	struct value bits = significant_bits(bounds, n_bounds);
	uint32_t addresses = IMAGE_KEY_ADDRESSES;
	uint32_t interfaces = image_key_interfaces(family == NFPROTO_IPV6);
	__u64 *words;

	bits.high &= field->mask_high;
	bits.low &= field->mask_low;
	switch (field->field) {
	case FIELD_SOURCE:
	case FIELD_DESTINATION:
		if (family == NFPROTO_IPV4) {
			image->key_mask[addresses] |= field->field == FIELD_SOURCE
							      ? bits.low << 32
							      : bits.low & UINT32_MAX;
			return;
		}
		words = &image->key_mask[addresses + (field->field == FIELD_DESTINATION) * 2];
		break;
	case FIELD_IN_INTERFACE:
	case FIELD_OUT_INTERFACE:
		words = &image->key_mask[interfaces + (field->field == FIELD_OUT_INTERFACE) * 2];
		break;
	default:
		image->key_mask[IMAGE_KEY_NARROW] |= bits.low << field->shift;
		return;
	}
	words[0] |= bits.high;
	words[1] |= bits.low;
}

void key_finish(struct image *image, uint8_t family)
{
	uint32_t interfaces = image_key_interfaces(family == NFPROTO_IPV6);

	image->key_words = image->needs & IMAGE_NEEDS_INTERFACES ? interfaces + 4 : interfaces;
	image->key_mask[IMAGE_KEY_NARROW] |= field_ones(FIELD_SHAPE) << field_shift(FIELD_SHAPE);
}
