/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a resource of the REST interface is made of: routes, and handlers that answer requests. A
 * handler runs whole, in the daemon's event loop: what takes long is given away as a stream, which
 * is asked for one piece after the other, between all else that the daemon does.
 */
#pragma once

#include "rest/text.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct datapath;
struct hook_switch;

/* What the resources are about. */
struct rest_context {
	struct datapath *datapath;
	struct hook_switch *hook;
	uint64_t namespace_cookie;
};

#define REST_ARGUMENTS 4  /* in a path */
#define REST_QUERY     16 /* parameters of a query, at most */

/* A piece of the request's path, without a NUL at its end. */
struct rest_argument {
	const char *text;
	size_t length;
};

/* A parameter of the query, decoded. The router has seen to it that each is there but once. */
struct rest_parameter {
	const char *name;
	const char *value;
};

struct rest_request {
	struct rest_argument arguments[REST_ARGUMENTS]; /* for the path's {...}, in their order */
	struct rest_parameter query[REST_QUERY];
	size_t n_query;
	const json_t *body; /* NULL if the route takes none */
};

/* The body of an answer that is made while it is sent. */
struct rest_stream {
	/*
	 * Appends the next piece to @text (empty): whole values, so that white space may follow.
	 * Returns 1 if there is more, 0 if that was all, or -errno, which breaks the answer off.
	 */
	int (*next)(struct rest_stream *stream, struct rest_text *text);
	/* When all is sent, or the client has gone. */
	void (*free)(struct rest_stream *stream);
};

/* HTTP's. */
#define REST_OK         200u
#define REST_INVALID    400u
#define REST_FORBIDDEN  403u
#define REST_NOT_FOUND  404u
#define REST_NO_METHOD  405u
#define REST_CONFLICT   409u
#define REST_TOO_LARGE  413u
#define REST_IMPOSSIBLE 500u

/* Either a body or a stream; whoever gets it is to free both. */
struct rest_reply {
	unsigned int status;
	json_t *body; /* NULL: there was no memory for it */
	struct rest_stream *stream;
	char allowed[64]; /* REST_NO_METHOD: the methods that there are */
};

typedef void (*rest_handler)(const struct rest_context *context, const struct rest_request *request,
			     struct rest_reply *reply);

struct rest_route {
	const char *method;
	const char *path; /* a piece in braces, as in /v1/chains/{name}, may be anything */
	rest_handler handler;
	const char *const *query; /* names that may be in the query, up to NULL; NULL: none */
	size_t body_limit;        /* in bytes; 0: there is no body, otherwise it is JSON */
};

/* REST_OK; takes @body, which may be NULL for want of memory. */
void rest_reply_json(struct rest_reply *reply, json_t *body);

/*
 * {"error": {"field": ..., "value": ..., "reason": ...}}. @field and @value say which part of the
 * request is wrong, or are NULL; @value may be of any bytes.
 */
void rest_reply_error(struct rest_reply *reply, unsigned int status, const char *field,
		      const char *value, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* The value of a parameter of the query, or NULL. */
const char *rest_query_value(const struct rest_request *request, const char *name);
