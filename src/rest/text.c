// SPDX-License-Identifier: GPL-2.0-or-later
#include "rest/text.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 4096

int rest_text_append(struct rest_text *text, const char *bytes, size_t length)
{
	size_t capacity = text->capacity ? text->capacity : FIRST_CAPACITY;

	while (capacity - text->length < length) {
		if (capacity > SIZE_MAX / 2)
			return -ENOMEM;
		capacity *= 2;
	}
	if (capacity != text->capacity) {
		char *grown = realloc(text->bytes, capacity);

		if (!grown)
			return -ENOMEM;
		text->bytes = grown;
		text->capacity = capacity;
	}
	memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
	return 0;
}

void rest_text_clear(struct rest_text *text)
{
	text->length = 0;
}

void rest_text_free(struct rest_text *text)
{
	free(text->bytes);
	*text = (struct rest_text){0};
}
