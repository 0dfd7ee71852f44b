// SPDX-License-Identifier: GPL-2.0-or-later
#include "ctl/command.h"

#include <errno.h>
#include <getopt.h>

/* @wanted: NULL to ask only. */
static enum ctl_status ask(const char *wanted, json_t **ret_answer, struct message *message)
{
	struct ctl_request request = {.method = wanted ? "PUT" : "GET", .path = "/v1/hook"};
	json_t *body = wanted ? json_pack("{s:s}", "hook", wanted) : NULL;
	enum ctl_status status;

	if (wanted && !body) {
		message_error(message, EINVAL, "'%s' cannot be the name of a hook", wanted);
		return CTL_USAGE;
	}
	request.body = body;
	status = ctl_ask_json(&request, ret_answer, message);
	json_decref(body);
	return status;
}

enum ctl_status hook_run(int count, char **arguments, struct message *message)
{
	enum ctl_status status;
	json_t *answer;
	bool as_json;

	status = ctl_read_arguments(count, arguments, 1, &as_json, message);
	if (status != CTL_DONE)
		return status;
	status = ask(optind < count ? arguments[optind] : NULL, &answer, message);
	if (status != CTL_DONE)
		return status;
	if (as_json) {
		ctl_print_json(answer);
	} else {
		const char *hook = json_string_value(json_object_get(answer, "hook"));

		puts(hook ? hook : "?");
	}
	json_decref(answer);
	return CTL_DONE;
}
