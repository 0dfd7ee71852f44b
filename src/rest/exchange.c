// SPDX-License-Identifier: GPL-2.0-or-later
#include "rest/exchange.h"

#include "common/cleanup.h"
#include "rest/router.h"

#include <errno.h>
#include <string.h>

/* What a stream is given to write into at once. */
#define BLOCK_SIZE ((size_t)64 << 10)

struct rest_exchange {
	struct rest_exchange_shared *shared;
	const struct rest_route *route; /* NULL: the error is in the reply already */
	struct rest_request request;
	struct rest_reply reply;
	char *path; /* what the request's arguments point into */
	struct rest_text upload;
	bool answered;
};

/* A stream on its way; it outlives the exchange if libmicrohttpd wants it to. */
struct outgoing {
	struct rest_exchange_shared *shared;
	struct rest_stream *stream;
	struct rest_text piece;
	size_t sent; /* of the piece */
	bool ended;
};

static void free_stream(struct rest_stream *stream)
{
	if (stream)
		stream->free(stream);
}

void rest_exchange_free(struct rest_exchange *exchange)
{
	if (!exchange)
		return;
	free_stream(exchange->reply.stream);
	json_decref(exchange->reply.body);
	rest_text_free(&exchange->upload);
	free(exchange->path);
	free(exchange);
}

bool rest_exchange_is_answered(const struct rest_exchange *exchange)
{
	return exchange->answered;
}

static void free_outgoing(void *data)
{
	struct outgoing *outgoing = data;

	free_stream(outgoing->stream);
	rest_text_free(&outgoing->piece);
	free(outgoing);
}

/* At least one byte, or why there is none. */
static ssize_t make_piece(struct outgoing *outgoing)
{
	int more;

	if (outgoing->ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	rest_text_clear(&outgoing->piece);
	outgoing->sent = 0;
	if (outgoing->shared->pieces) {
		outgoing->shared->pieces--;
		more = outgoing->stream->next(outgoing->stream, &outgoing->piece);
		if (more < 0)
			return MHD_CONTENT_READER_END_WITH_ERROR;
		outgoing->ended = !more;
	}
	/* Nothing, as an answer, would make libmicrohttpd forget about the connection. */
	if (!outgoing->piece.length && rest_text_append(&outgoing->piece, "\n", 1))
		return MHD_CONTENT_READER_END_WITH_ERROR;
	return (ssize_t)outgoing->piece.length;
}

static ssize_t read_stream(void *data, uint64_t position, char *buffer, size_t size)
{
	struct outgoing *outgoing = data;
	size_t length;

	(void)position;
	if (outgoing->sent == outgoing->piece.length) {
		ssize_t made = make_piece(outgoing);

		if (made < 0)
			return made;
	}
	length = outgoing->piece.length - outgoing->sent;
	if (length > size)
		length = size;
	memcpy(buffer, outgoing->piece.bytes + outgoing->sent, length);
	outgoing->sent += length;
	return (ssize_t)length;
}

static struct MHD_Response *stream_response(struct rest_exchange *exchange)
{
	struct outgoing *outgoing = calloc(1, sizeof(*outgoing));
	struct MHD_Response *response;

	if (!outgoing)
		return NULL;
	outgoing->shared = exchange->shared;
	outgoing->stream = take_pointer(exchange->reply.stream);
	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, read_stream,
						     outgoing, free_outgoing);
	if (!response)
		free_outgoing(outgoing);
	return response;
}

static struct MHD_Response *body_response(struct rest_exchange *exchange)
{
	static char no_memory[] = "{\"error\":{\"field\":null,\"value\":null,"
				  "\"reason\":\"out of memory\"}}\n";
	char *text = exchange->reply.body ? json_dumps(exchange->reply.body, JSON_COMPACT) : NULL;
	size_t length = text ? strlen(text) : 0;

	if (!text) {
		exchange->reply.status = REST_IMPOSSIBLE;
		return MHD_create_response_from_buffer(sizeof(no_memory) - 1, no_memory,
						       MHD_RESPMEM_PERSISTENT);
	}
	/* A line, for those who read it on a terminal. */
	text[length++] = '\n';
	return MHD_create_response_from_buffer(length, text, MHD_RESPMEM_MUST_FREE);
}

static enum MHD_Result send_reply(struct rest_exchange *exchange, struct MHD_Connection *connection)
{
	struct MHD_Response *response =
		exchange->reply.stream ? stream_response(exchange) : body_response(exchange);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	result =
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	if (result == MHD_YES && exchange->reply.allowed[0])
		result = MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW,
						 exchange->reply.allowed);
	if (result == MHD_YES)
		result = MHD_queue_response(connection, exchange->reply.status, response);
	MHD_destroy_response(response);
	exchange->answered = true;
	return result;
}

static enum MHD_Result add_parameter(void *data, enum MHD_ValueKind kind, const char *name,
				     const char *value)
{
	struct rest_exchange *exchange = data;

	(void)kind;
	return rest_router_add_query(exchange->route, name, value, &exchange->request,
				     &exchange->reply)
		       ? MHD_YES
		       : MHD_NO;
}

static bool is_announced_too_large(const struct rest_exchange *exchange,
				   struct MHD_Connection *connection)
{
	const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
							 MHD_HTTP_HEADER_CONTENT_LENGTH);

	return length && strtoull(length, NULL, 10) > exchange->route->body_limit;
}

static void refuse_body(struct rest_exchange *exchange)
{
	if (exchange->route->body_limit)
		rest_reply_error(&exchange->reply, REST_TOO_LARGE, "body", NULL,
				 "the body may have %zu bytes", exchange->route->body_limit);
	else
		rest_reply_error(&exchange->reply, REST_TOO_LARGE, "body", NULL,
				 "this request has no body");
}

/* The header is complete. An error in it is told at once: the body is not waited for. */
static enum MHD_Result begin(struct rest_exchange *exchange, struct MHD_Connection *connection,
			     const char *path, const char *method)
{
	struct rest_exchange_shared *shared = exchange->shared;

	exchange->path = strdup(path);
	if (!exchange->path)
		return MHD_NO;
	exchange->route = rest_router_find(shared->routes, shared->n_routes, method, exchange->path,
					   &exchange->request, &exchange->reply);
	if (!exchange->route)
		return send_reply(exchange, connection);
	MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, add_parameter, exchange);
	if (!exchange->reply.status && is_announced_too_large(exchange, connection))
		refuse_body(exchange);
	return exchange->reply.status ? send_reply(exchange, connection) : MHD_YES;
}

/* What is too much is read, though: only then can the answer be heard. */
static enum MHD_Result take_upload(struct rest_exchange *exchange, const char *upload,
				   size_t *upload_size)
{
	size_t size = *upload_size;

	*upload_size = 0;
	if (exchange->reply.status)
		return MHD_YES;
	if (size > exchange->route->body_limit - exchange->upload.length) {
		refuse_body(exchange);
		return MHD_YES;
	}
	return rest_text_append(&exchange->upload, upload, size) ? MHD_NO : MHD_YES;
}

static void handle(struct rest_exchange *exchange)
{
	json_error_t error;
	json_t *body = NULL;

	if (exchange->reply.status)
		return;
	if (exchange->route->body_limit) {
		body = json_loadb(exchange->upload.bytes, exchange->upload.length,
				  JSON_REJECT_DUPLICATES, &error);
		if (!body) {
			rest_reply_error(&exchange->reply, REST_INVALID, "body", NULL,
					 "the body is no JSON: line %d, column %d: %s", error.line,
					 error.column, error.text);
			return;
		}
	}
	exchange->request.body = body;
	exchange->route->handler(exchange->shared->context, &exchange->request, &exchange->reply);
	exchange->request.body = NULL;
	json_decref(body);
}

enum MHD_Result rest_exchange_continue(struct rest_exchange_shared *shared,
				       struct MHD_Connection *connection, const char *path,
				       const char *method, const char *upload, size_t *upload_size,
				       struct rest_exchange **exchange)
{
	if (!*exchange) {
		*exchange = calloc(1, sizeof(**exchange));
		if (!*exchange)
			return MHD_NO;
		(*exchange)->shared = shared;
		return begin(*exchange, connection, path, method);
	}
	if ((*exchange)->answered)
		return MHD_NO;
	if (*upload_size)
		return take_upload(*exchange, upload, upload_size);
	handle(*exchange);
	return send_reply(*exchange, connection);
}
