/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "rest/handler.h"

/* GET: the daemon, its hook, how many rules there are, and the connection tracker. */
void rest_status_get(const struct rest_context *context, const struct rest_request *request,
		     struct rest_reply *reply);
