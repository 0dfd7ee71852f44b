// SPDX-License-Identifier: GPL-2.0-or-later
#include "rest/handler.h"

#include "common/message.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What is shown of a value that is wrong. */
#define VALUE_SIZE 128

void rest_reply_json(struct rest_reply *reply, json_t *body)
{
	reply->status = body ? REST_OK : REST_IMPOSSIBLE;
	reply->body = body;
}

/* Values come from outside, and JSON must be UTF-8: bytes that may not be are shown as '?'. */
static json_t *printable(const char *value)
{
	char text[VALUE_SIZE];
	size_t length = strnlen(value, sizeof(text) - 1);

	for (size_t i = 0; i < length; i++)
		text[i] = value[i] >= ' ' && value[i] <= '~' ? value[i] : '?';
	return json_stringn(text, length);
}

void rest_reply_error(struct rest_reply *reply, unsigned int status, const char *field,
		      const char *value, const char *format, ...)
{
	char reason[MESSAGE_SIZE];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason, sizeof(reason), format, arguments);
	va_end(arguments);

	reply->status = status;
	reply->body = json_pack("{s:{s:s?, s:o?, s:o}}", "error", "field", field, "value",
				value ? printable(value) : NULL, "reason", printable(reason));
}

const char *rest_query_value(const struct rest_request *request, const char *name)
{
	for (size_t i = 0; i < request->n_query; i++)
		if (strcmp(request->query[i].name, name) == 0)
			return request->query[i].value;
	return NULL;
}
