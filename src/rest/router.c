// SPDX-License-Identifier: GPL-2.0-or-later
#include "rest/router.h"

#include <stdio.h>
#include <string.h>

static size_t piece_length(const char *path)
{
	return strcspn(path, "/");
}

/* Both begin with '/'. */
static bool path_matches(const char *pattern, const char *path, struct rest_argument *arguments)
{
	while (*pattern == '/' && *path == '/') {
		size_t expected = piece_length(++pattern), length = piece_length(++path);

		if (*pattern == '{' && length)
			*arguments++ = (struct rest_argument){path, length};
		else if (length != expected || memcmp(pattern, path, length) != 0)
			return false;
		pattern += expected;
		path += length;
	}
	return !*pattern && !*path;
}

/* Of routes at the same path. */
static void allow_method(struct rest_reply *reply, const char *method)
{
	size_t length = strlen(reply->allowed);

	snprintf(reply->allowed + length, sizeof(reply->allowed) - length, "%s%s",
		 length ? ", " : "", method);
}

const struct rest_route *rest_router_find(const struct rest_route *routes, size_t n_routes,
					  const char *method, const char *path,
					  struct rest_request *request, struct rest_reply *reply)
{
	const char *sought = strcmp(method, "HEAD") == 0 ? "GET" : method;

	for (size_t i = 0; i < n_routes; i++) {
		if (!path_matches(routes[i].path, path, request->arguments))
			continue;
		if (strcmp(routes[i].method, sought) == 0)
			return &routes[i];
		allow_method(reply, routes[i].method);
	}
	if (reply->allowed[0])
		rest_reply_error(reply, REST_NO_METHOD, "method", method,
				 "this resource has no such method, only %s", reply->allowed);
	else
		rest_reply_error(reply, REST_NOT_FOUND, "path", path, "there is no such resource");
	return NULL;
}

static bool is_known(const struct rest_route *route, const char *name)
{
	for (const char *const *known = route->query; known && *known; known++)
		if (strcmp(*known, name) == 0)
			return true;
	return false;
}

bool rest_router_add_query(const struct rest_route *route, const char *name, const char *value,
			   struct rest_request *request, struct rest_reply *reply)
{
	if (!is_known(route, name))
		rest_reply_error(reply, REST_INVALID, name, value, "there is no such parameter");
	else if (!value)
		rest_reply_error(reply, REST_INVALID, name, NULL, "the parameter has no value");
	else if (rest_query_value(request, name) || request->n_query == REST_QUERY)
		rest_reply_error(reply, REST_INVALID, name, value, "the parameter is there twice");
	else {
		request->query[request->n_query++] = (struct rest_parameter){name, value};
		return true;
	}
	return false;
}
