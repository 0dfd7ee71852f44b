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
	static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {0}};
	enum ctl_status status;
	bool as_json = false;
	json_t *answer;
	int option;

	while ((option = getopt_long(count, arguments, "", options, NULL)) != -1) {
		if (option != 'j')
			return CTL_USAGE;
		as_json = true;
	}
	if (optind + 1 < count)
		return ctl_usage(message, "unexpected argument '%s'", arguments[optind + 1]);
	status = ask(optind < count ? arguments[optind] : NULL, &answer, message);
	if (status != CTL_DONE)
		return status;
	if (as_json) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		puts("");
	} else {
		const char *hook = json_string_value(json_object_get(answer, "hook"));

		puts(hook ? hook : "?");
	}
	json_decref(answer);
	return CTL_DONE;
}
