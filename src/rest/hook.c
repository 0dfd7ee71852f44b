// SPDX-License-Identifier: GPL-2.0-or-later
#include "rest/hook.h"

#include "daemon/hook_switch.h"

#include <errno.h>

void rest_hook_get(const struct rest_context *context, const struct rest_request *request,
		   struct rest_reply *reply)
{
	(void)request;
	rest_reply_json(reply, json_pack("{s:s}", "hook",
					 hook_switch_name(datapath_hook(context->datapath))));
}

/* Of hook_switch_change(). */
static unsigned int status_of(int error)
{
	return error == -EBUSY || error == -EOPNOTSUPP ? REST_CONFLICT : REST_IMPOSSIBLE;
}

void rest_hook_put(const struct rest_context *context, const struct rest_request *request,
		   struct rest_reply *reply)
{
	const json_t *value = json_object_get(request->body, "hook");
	const char *name = json_string_value(value);
	struct message message = {""};
	enum datapath_hook wanted;
	int error;

	if (!name || json_object_size(request->body) != 1) {
		rest_reply_error(reply, REST_INVALID, "hook", name,
				 "the body is to be {\"hook\": \"netfilter\"}, or xdp, or tc");
		return;
	}
	if (!hook_switch_find(name, &wanted)) {
		rest_reply_error(reply, REST_INVALID, "hook", name,
				 "there is no such hook, only netfilter, xdp and tc");
		return;
	}
	error = hook_switch_change(context->hook, wanted, &message);
	if (error)
		rest_reply_error(reply, status_of(error), "hook", name, "%s", message.text);
	else
		rest_hook_get(context, request, reply);
}
