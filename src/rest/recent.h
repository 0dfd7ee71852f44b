/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "rest/handler.h"

#define REST_RECENT_BODY 1024

extern const char *const rest_recent_names[]; /* of the query */

/*
 * The lists of -m recent. GET: {"lists": [NAME, ...]}; with a name in the query {"name": NAME,
 * "text": ...}, as the kernel's /proc/net/xt_recent/NAME. PUT: {"name": NAME, "command": COMMAND}
 * does what COMMAND does if it is written there, and is answered as GET with that name.
 */
void rest_recent_get(const struct rest_context *context, const struct rest_request *request,
		     struct rest_reply *reply);
void rest_recent_put(const struct rest_context *context, const struct rest_request *request,
		     struct rest_reply *reply);
