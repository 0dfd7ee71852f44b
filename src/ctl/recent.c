// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/cleanup.h"
#include "ctl/command.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#define COMMAND_SIZE 64 /* an address and a sign, or it is none */

/* What is to be written to a list; empty: it is to be read. False if the words are wrong. */
static bool read_command(int count, char **words, char command[static COMMAND_SIZE])
{
	static const struct {
		const char *word;
		char sign;
		int arguments;
	} commands[] = {{"add", '+', 1}, {"remove", '-', 1}, {"flush", '/', 0}};

	command[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(commands) && count > 0; i++) {
		if (strcmp(words[0], commands[i].word) != 0)
			continue;
		return count - 1 == commands[i].arguments &&
		       snprintf(command, COMMAND_SIZE, "%c%s", commands[i].sign,
				count > 1 ? words[1] : "") < COMMAND_SIZE;
	}
	return count == 0;
}

static enum ctl_status ask(const char *name, const char *command, json_t **ret_answer,
			   struct message *message)
{
	struct ctl_request request = {.method = command[0] ? "PUT" : "GET", .path = "/v1/recent"};
	enum ctl_status status;
	json_t *body = NULL;

	if (command[0]) {
		body = json_pack("{s:s, s:s}", "name", name, "command", command);
		if (!body)
			return ctl_usage(message, "this cannot be the name of a list");
		request.body = body;
	} else if (name) {
		request.query[request.n_query++] = (struct ctl_parameter){"name", name};
	}
	status = ctl_ask_json(&request, ret_answer, message);
	json_decref(body);
	return status;
}

/* The names, one a line; or a list's text. What was asked to change something says nothing. */
static void print_answer(const json_t *answer, bool changed)
{
	const char *text = json_string_value(json_object_get(answer, "text"));
	const json_t *name;
	size_t i;

	json_array_foreach(json_object_get(answer, "lists"), i, name)
		puts(json_string_value(name) ? json_string_value(name) : "?");
	if (text && !changed)
		fputs(text, stdout);
}

enum ctl_status recent_run(int count, char **arguments, struct message *message)
{
	char command[COMMAND_SIZE];
	json_t *answer = NULL;
	enum ctl_status status;
	const char *name;
	bool as_json;

	status = ctl_read_arguments(count, arguments, 3, &as_json, message);
	if (status != CTL_DONE)
		return status;
	name = optind < count ? arguments[optind++] : NULL;
	if (!read_command(count - optind, arguments + optind, command))
		return ctl_usage(message, "behind the list's name may be add ADDRESS, remove "
					  "ADDRESS or flush");
	status = ask(name, command, &answer, message);
	if (status != CTL_DONE)
		return status;
	if (as_json)
		ctl_print_json(answer);
	else
		print_answer(answer, command[0]);
	json_decref(answer);
	return CTL_DONE;
}
