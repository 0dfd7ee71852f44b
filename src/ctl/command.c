// SPDX-License-Identifier: GPL-2.0-or-later
#include "ctl/command.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>

enum ctl_status ctl_usage(struct message *message, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message->text, sizeof(message->text), format, arguments);
	va_end(arguments);
	return CTL_USAGE;
}

enum ctl_status ctl_copy_out(FILE *file, struct message *message)
{
	char buffer[64 << 10];
	size_t length;

	while ((length = fread(buffer, 1, sizeof(buffer), file)) > 0)
		fwrite(buffer, 1, length, stdout);
	if (!ferror(file))
		return CTL_DONE;
	message_error(message, EIO, "the daemon's answer cannot be read again");
	return CTL_FAILED;
}

enum ctl_status ctl_read_arguments(int count, char **arguments, int most, bool *ret_as_json,
				   struct message *message)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {0}};
	int option;

	*ret_as_json = false;
	while ((option = getopt_long(count, arguments, "", options, NULL)) != -1) {
		if (option != 'j')
			return CTL_USAGE;
		*ret_as_json = true;
	}
	if (optind + most < count)
		return ctl_usage(message, "unexpected argument '%s'", arguments[optind + most]);
	return CTL_DONE;
}

void ctl_print_json(const json_t *answer)
{
	json_dumpf(answer, stdout, JSON_INDENT(2));
	puts("");
}
