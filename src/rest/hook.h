/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "rest/handler.h"

#define REST_HOOK_BODY 1024

/* GET: where packets are judged, {"hook": "xdp"}. PUT: changes it; answers when it has. */
void rest_hook_get(const struct rest_context *context, const struct rest_request *request,
		   struct rest_reply *reply);
void rest_hook_put(const struct rest_context *context, const struct rest_request *request,
		   struct rest_reply *reply);
