/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <string.h>

/* A decimal number up to @most, digits and nothing else; -1 if @text is something else. */
static inline int read_number(const char *text, int most)
{
	size_t length = strlen(text);
	int number = 0;

	/* As long as any int that can be allowed: it does not overflow. */
	if (length == 0 || length > 9 || strspn(text, "0123456789") != length)
		return -1;
	for (size_t i = 0; i < length; i++)
		number = 10 * number + (text[i] - '0');
	return number <= most ? number : -1;
}
