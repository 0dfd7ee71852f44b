// SPDX-License-Identifier: GPL-2.0-or-later
#include "rest/recent.h"

#include "common/cleanup.h"
#include "common/message.h"
#include "datapath/datapath.h"
#include "datapath/recent_lists.h"

#include <errno.h>

const char *const rest_recent_names[] = {"name", NULL};

/* Of recent_lists_read() and recent_lists_write(). */
static unsigned int status_of(int error)
{
	if (error == -ENOENT)
		return REST_NOT_FOUND;
	return error == -EINVAL ? REST_INVALID : REST_IMPOSSIBLE;
}

/* A name that is not UTF-8 is left out: JSON has no way to say it. */
static json_t *names_of(const struct recent_lists *lists)
{
	json_t *names = json_array();
	const char *name;

	for (uint32_t i = 0; names && (name = recent_lists_name(lists, i)); i++) {
		json_t *text = json_string(name);

		if (text)
			json_array_append_new(names, text);
	}
	return json_pack("{s:o}", "lists", names);
}

static void reply_list(struct recent_lists *lists, const char *name, struct rest_reply *reply)
{
	struct message message = {""};
	_cleanup_free_ char *text = NULL;
	int error = recent_lists_read(lists, name, &text, &message);

	if (error)
		rest_reply_error(reply, status_of(error), "name", name, "%s", message.text);
	else
		rest_reply_json(reply, json_pack("{s:s, s:s}", "name", name, "text", text));
}

void rest_recent_get(const struct rest_context *context, const struct rest_request *request,
		     struct rest_reply *reply)
{
	struct recent_lists *lists = datapath_recent_lists(context->datapath);
	const char *name = rest_query_value(request, "name");

	if (name)
		reply_list(lists, name, reply);
	else
		rest_reply_json(reply, names_of(lists));
}

void rest_recent_put(const struct rest_context *context, const struct rest_request *request,
		     struct rest_reply *reply)
{
	struct recent_lists *lists = datapath_recent_lists(context->datapath);
	const char *name = json_string_value(json_object_get(request->body, "name"));
	const char *command = json_string_value(json_object_get(request->body, "command"));
	struct message message = {""};
	int error;

	if (!name || !command || json_object_size(request->body) != 2) {
		rest_reply_error(reply, REST_INVALID, NULL, NULL,
				 "the body is to be {\"name\": NAME, \"command\": COMMAND}, where "
				 "COMMAND is +ADDRESS, -ADDRESS or /");
		return;
	}
	error = recent_lists_write(lists, name, command, &message);
	if (error)
		rest_reply_error(reply, status_of(error), error == -ENOENT ? "name" : "command",
				 error == -ENOENT ? name : command, "%s", message.text);
	else
		reply_list(lists, name, reply);
}
