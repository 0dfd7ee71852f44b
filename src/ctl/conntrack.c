// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/cleanup.h"
#include "ctl/command.h"
#include "ctl/conntrack_text.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <string.h>

#define CONNECTIONS "/v1/connections"

/* What comes instead of a short option, for those that have none. */
enum long_option {
	OPTION_JSON = 256,
	OPTION_SPORT,
	OPTION_DPORT,
	OPTION_STATE,
};

/* The names of those that have arguments are those of the query's parameters. */
static const struct option options[] = {
	{"json", no_argument, NULL, OPTION_JSON},
	{"family", required_argument, NULL, 'f'},
	{"protocol", required_argument, NULL, 'p'},
	{"source", required_argument, NULL, 's'},
	{"destination", required_argument, NULL, 'd'},
	{"sport", required_argument, NULL, OPTION_SPORT},
	{"dport", required_argument, NULL, OPTION_DPORT},
	{"state", required_argument, NULL, OPTION_STATE},
	{0},
};

static const char *option_name(int value)
{
	for (size_t i = 0; options[i].name; i++)
		if (options[i].val == value)
			return options[i].name;
	return NULL;
}

/* What stands before the next value of the list: true if there is one. */
static bool find_next(FILE *answer, char separator)
{
	int byte;

	do
		byte = fgetc(answer);
	while (byte != EOF && isspace(byte));
	if (byte == separator)
		return true;
	if (byte != EOF)
		ungetc(byte, answer);
	return false;
}

/* One after the other: a million at once would take much memory. */
static bool print_list(FILE *answer)
{
	bool readable = find_next(answer, '[');
	bool more = readable && !find_next(answer, ']');

	while (more) {
		json_t *connection = json_loadf(answer, JSON_DISABLE_EOF_CHECK, NULL);

		readable = connection && conntrack_text_write(stdout, connection);
		json_decref(connection);
		more = readable && find_next(answer, ',');
		if (readable && !more)
			readable = find_next(answer, ']');
	}
	return readable;
}

static enum ctl_status list(const struct ctl_request *request, bool as_json,
			    struct message *message)
{
	_cleanup_fclose_ FILE *answer = NULL;
	enum ctl_status status = ctl_ask(request, &answer, message);

	if (status != CTL_DONE)
		return status;
	if (as_json)
		return ctl_copy_out(answer, message);
	if (print_list(answer))
		return CTL_DONE;
	message_error(message, EBADMSG, "the daemon's answer is no list of connections");
	return CTL_FAILED;
}

static enum ctl_status ask_number(const struct ctl_request *request, bool as_json,
				  const char *member, const char *text, struct message *message)
{
	enum ctl_status status;
	json_t *answer;

	status = ctl_ask_json(request, &answer, message);
	if (status != CTL_DONE)
		return status;
	if (as_json) {
		json_dumpf(answer, stdout, JSON_COMPACT);
		puts("");
	} else if (json_is_integer(json_object_get(answer, member))) {
		printf("%lld%s\n", (long long)json_integer_value(json_object_get(answer, member)),
		       text);
	} else {
		message_error(message, EBADMSG, "the daemon's answer has no number '%s'", member);
		status = CTL_FAILED;
	}
	json_decref(answer);
	return status;
}

static enum ctl_status count_connections(const struct ctl_request *request, bool as_json,
					 struct message *message)
{
	return ask_number(request, as_json, "connections", "", message);
}

static enum ctl_status delete_connections(const struct ctl_request *request, bool as_json,
					  struct message *message)
{
	if (!request->n_query)
		return ctl_usage(message, "delete what? `conntrack flush` ends all connections");
	return ask_number(request, as_json, "deleted", " connections deleted", message);
}

static enum ctl_status flush(const struct ctl_request *request, bool as_json,
			     struct message *message)
{
	_cleanup_fclose_ FILE *answer = NULL;
	enum ctl_status status;

	if (request->n_query)
		return ctl_usage(message, "flush ends all connections; `conntrack delete` chooses");
	status = ctl_ask(request, &answer, message);
	if (status != CTL_DONE)
		return status;
	if (as_json)
		return ctl_copy_out(answer, message);
	puts("all connections deleted");
	return CTL_DONE;
}

static const struct operation {
	const char *name;
	const char *method;
	const char *path;
	enum ctl_status (*run)(const struct ctl_request *request, bool as_json,
			       struct message *message);
} operations[] = {
	{"list", "GET", CONNECTIONS, list},
	{"count", "GET", CONNECTIONS "/count", count_connections},
	{"delete", "DELETE", CONNECTIONS, delete_connections},
	{"flush", "DELETE", CONNECTIONS, flush},
};

static const struct operation *find_operation(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(operations); i++)
		if (strcmp(operations[i].name, name) == 0)
			return &operations[i];
	return NULL;
}

static enum ctl_status read_options(int count, char **arguments, struct ctl_request *request,
				    bool *ret_as_json, struct message *message)
{
	int option;

	while ((option = getopt_long(count, arguments, "f:p:s:d:", options, NULL)) != -1) {
		if (option == '?')
			return CTL_USAGE;
		if (option == OPTION_JSON)
			*ret_as_json = true;
		else if (request->n_query == CTL_PARAMETERS)
			return ctl_usage(message, "there are too many options");
		else
			request->query[request->n_query++] =
				(struct ctl_parameter){option_name(option), optarg};
	}
	return CTL_DONE;
}

enum ctl_status conntrack_run(int count, char **arguments, struct message *message)
{
	const struct operation *operation = &operations[0];
	struct ctl_request request = {0};
	bool as_json = false;
	enum ctl_status status = read_options(count, arguments, &request, &as_json, message);

	if (status != CTL_DONE)
		return status;
	if (optind < count)
		operation = find_operation(arguments[optind]);
	if (!operation)
		return ctl_usage(message, "conntrack can list, count, delete and flush, not '%s'",
				 arguments[optind]);
	if (optind + 1 < count)
		return ctl_usage(message, "unexpected argument '%s'", arguments[optind + 1]);
	request.method = operation->method;
	request.path = operation->path;
	return operation->run(&request, as_json, message);
}
