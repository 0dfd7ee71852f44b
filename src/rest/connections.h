/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connections of the tracker in eBPF, of which there may be a million: they are walked over in
 * steps, between the daemon's other work. At netfilter's hooks the kernel has them: REST_CONFLICT.
 */
#pragma once

#include "rest/handler.h"

/* GET: a list of those that the query asks for. */
void rest_connections_list(const struct rest_context *context, const struct rest_request *request,
			   struct rest_reply *reply);
/* GET: how many these are. */
void rest_connections_count(const struct rest_context *context, const struct rest_request *request,
			    struct rest_reply *reply);
/* DELETE: ends them; without a query all, at once. */
void rest_connections_delete(const struct rest_context *context, const struct rest_request *request,
			     struct rest_reply *reply);
