// SPDX-License-Identifier: GPL-2.0-or-later
#include "ruleset/extensions/file_name.h"

#include <errno.h>
#include <string.h>

int check_file_name(const char *name, size_t size, const char *what, struct message *message)
{
	if (!name[0])
		return message_error(message, EINVAL, "the %s has no name", what);
	if (strnlen(name, size) == size)
		return message_error(message, ENAMETOOLONG, "the %s's name has no end", what);
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strchr(name, '/'))
		return message_error(message, EINVAL, "\"%s\" cannot be a %s's name", name, what);
	return 0;
}
