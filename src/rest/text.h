/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes that grow at their end. */
#pragma once

#include <stddef.h>

struct rest_text {
	char *bytes; /* no NUL at the end */
	size_t length;
	size_t capacity;
};

/* 0, or -ENOMEM: then nothing has been appended. */
int rest_text_append(struct rest_text *text, const char *bytes, size_t length);

/* The text is empty again, and keeps its memory. */
void rest_text_clear(struct rest_text *text);

void rest_text_free(struct rest_text *text);
