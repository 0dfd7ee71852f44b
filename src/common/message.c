// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/message.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int message_error(struct message *message, int error, const char *format, ...)
{
	va_list arguments;

	if (!message)
		return -error;

	va_start(arguments, format);
	vsnprintf(message->text, sizeof(message->text), format, arguments);
	va_end(arguments);
	return -error;
}

void message_prefix(struct message *message, const char *format, ...)
{
	char rest[MESSAGE_SIZE];
	va_list arguments;
	size_t used;

	if (!message || !message->text[0])
		return;

	memcpy(rest, message->text, sizeof(rest));
	va_start(arguments, format);
	vsnprintf(message->text, sizeof(message->text), format, arguments);
	va_end(arguments);
	used = strlen(message->text);
	snprintf(message->text + used, sizeof(message->text) - used, ": %s", rest);
}
