/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A request and its answer, between libmicrohttpd and the handlers. */
#pragma once

#include "rest/handler.h"

#include <microhttpd.h>
#include <stdbool.h>

struct rest_exchange;

/* What the exchanges of one server share. */
struct rest_exchange_shared {
	const struct rest_context *context;
	const struct rest_route *routes;
	size_t n_routes;
	/*
	 * So many pieces of streams may still be made before it is the turn of the daemon's other
	 * work; an answer whose turn does not come is kept alive with white space.
	 */
	unsigned int pieces;
};

/*
 * As libmicrohttpd's MHD_AccessHandlerCallback, for requests that are to be answered by the routes.
 * *@exchange is NULL at the request's first call. MHD_NO drops the connection.
 */
enum MHD_Result rest_exchange_continue(struct rest_exchange_shared *shared,
				       struct MHD_Connection *connection, const char *path,
				       const char *method, const char *upload, size_t *upload_size,
				       struct rest_exchange **exchange);

/* Is the answer on its way? */
bool rest_exchange_is_answered(const struct rest_exchange *exchange);

void rest_exchange_free(struct rest_exchange *exchange); /* accepts NULL */
