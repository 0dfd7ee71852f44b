/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a request's method, path and query to the route that answers it. */
#pragma once

#include "rest/handler.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * The route of @method and @path, with the path's arguments in @request (pointers into @path); HEAD
 * is answered as GET is. Or NULL with the error in @reply: REST_NOT_FOUND, REST_NO_METHOD.
 */
const struct rest_route *rest_router_find(const struct rest_route *routes, size_t n_routes,
					  const char *method, const char *path,
					  struct rest_request *request, struct rest_reply *reply);

/*
 * Adds a parameter to the request's query; the texts stay the caller's. False with the error in
 * @reply, REST_INVALID: the route knows no such parameter, it has no value (@value NULL), or it was
 * there already.
 */
bool rest_router_add_query(const struct rest_route *route, const char *name, const char *value,
			   struct rest_request *request, struct rest_reply *reply);
