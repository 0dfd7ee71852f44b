// SPDX-License-Identifier: GPL-2.0-or-later
#include "rest/connections.h"

#include "common/cleanup.h"
#include "datapath/datapath.h"
#include "rest/connection_filter.h"
#include "rest/connection_json.h"

#include <errno.h>
#include <string.h>

struct walk {
	struct rest_stream stream;
	const struct rest_context *context;
	struct connection_filter filter;
	struct tracker_cursor cursor;
	const struct walk_kind *kind;
	json_int_t count; /* of connections that the filter matches */
	/* While it takes a step. */
	const struct tracker *tracker;
	struct rest_text *text;
};

struct walk_kind {
	/* What becomes of a connection; 1: it counts. -errno ends the walk. */
	int (*visit)(struct walk *walk, const struct tracker_listed *connection);
	int (*begin)(struct walk *walk);
	int (*end)(struct walk *walk);
};

static int append(struct walk *walk, const char *text)
{
	return rest_text_append(walk->text, text, strlen(text));
}

static int append_bytes(const char *bytes, size_t length, void *text)
{
	return rest_text_append(text, bytes, length);
}

static int append_json(struct walk *walk, json_t *value)
{
	int error = value ? json_dump_callback(value, append_bytes, walk->text, JSON_COMPACT) : -1;

	json_decref(value);
	return error ? -ENOMEM : 0;
}

static int begin_list(struct walk *walk)
{
	return append(walk, "[");
}

static int list_connection(struct walk *walk, const struct tracker_listed *connection)
{
	int error = append(walk, walk->count ? ",\n" : "\n");

	if (!error)
		error = append_json(walk, connection_json(connection));
	return error ? error : 1;
}

static int end_list(struct walk *walk)
{
	return append(walk, walk->count ? "\n]\n" : "]\n");
}

static int begin_number(struct walk *walk)
{
	(void)walk;
	return 0;
}

static int count_connection(struct walk *walk, const struct tracker_listed *connection)
{
	(void)walk;
	(void)connection;
	return 1;
}

static int end_count(struct walk *walk)
{
	int error = append_json(walk, json_pack("{s:I}", "connections", walk->count));

	return error ? error : append(walk, "\n");
}

static int delete_connection(struct walk *walk, const struct tracker_listed *connection)
{
	int error = tracker_end(walk->tracker, &connection->key, NULL);

	/* It may have ended by itself. */
	return error == -ENOENT ? 0 : error ? error : 1;
}

static int end_deletion(struct walk *walk)
{
	int error = append_json(walk, json_pack("{s:I}", "deleted", walk->count));

	return error ? error : append(walk, "\n");
}

static const struct walk_kind list_kind = {list_connection, begin_list, end_list};
static const struct walk_kind count_kind = {count_connection, begin_number, end_count};
static const struct walk_kind deletion_kind = {delete_connection, begin_number, end_deletion};

static int visit(const struct tracker_listed *connection, void *argument)
{
	struct walk *walk = argument;
	int result;

	if (!connection_filter_matches(&walk->filter, connection))
		return 0;
	result = walk->kind->visit(walk, connection);
	if (result < 0)
		return result;
	walk->count += result;
	return 0;
}

static int take_step(struct rest_stream *stream, struct rest_text *text)
{
	struct walk *walk = (struct walk *)stream;
	int error = 0;

	/* Looked for each time: the hook may be another one by now. */
	walk->tracker = datapath_tracker(walk->context->datapath);
	walk->text = text;
	if (!walk->tracker)
		return -ESTALE;
	if (!walk->cursor.begun)
		error = walk->kind->begin(walk);
	if (!error)
		error = tracker_iterate_step(walk->tracker, &walk->cursor, visit, walk, NULL);
	if (!error && walk->cursor.ended)
		error = walk->kind->end(walk);
	return error ? error : !walk->cursor.ended;
}

static void free_walk(struct rest_stream *stream)
{
	free(stream);
}

static bool is_tracked_here(const struct rest_context *context, struct rest_reply *reply)
{
	if (datapath_tracker(context->datapath))
		return true;
	rest_reply_error(reply, REST_CONFLICT, "hook", "netfilter",
			 "at netfilter's hooks the kernel tracks connections: use conntrack(8), "
			 "as in `conntrack -L`");
	return false;
}

static void start_walk(const struct rest_context *context, const struct rest_request *request,
		       const struct walk_kind *kind, struct rest_reply *reply)
{
	_cleanup_free_ struct walk *walk = calloc(1, sizeof(*walk));

	if (!walk) {
		rest_reply_error(reply, REST_IMPOSSIBLE, NULL, NULL, "out of memory");
		return;
	}
	walk->stream = (struct rest_stream){.next = take_step, .free = free_walk};
	walk->context = context;
	walk->kind = kind;
	if (!is_tracked_here(context, reply) ||
	    !connection_filter_read(request, &walk->filter, reply))
		return;
	reply->status = REST_OK;
	reply->stream = &take_pointer(walk)->stream;
}

void rest_connections_list(const struct rest_context *context, const struct rest_request *request,
			   struct rest_reply *reply)
{
	start_walk(context, request, &list_kind, reply);
}

void rest_connections_count(const struct rest_context *context, const struct rest_request *request,
			    struct rest_reply *reply)
{
	start_walk(context, request, &count_kind, reply);
}

void rest_connections_delete(const struct rest_context *context, const struct rest_request *request,
			     struct rest_reply *reply)
{
	if (request->n_query) {
		start_walk(context, request, &deletion_kind, reply);
		return;
	}
	if (!is_tracked_here(context, reply))
		return;
	tracker_flush(datapath_tracker(context->datapath));
	rest_reply_json(reply, json_pack("{s:b}", "flushed", 1));
}
