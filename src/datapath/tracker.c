// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/tracker.h"

#include "bpf/tracker_udp.h"
#include "bpf/tracker_window.h"
#include "common/cleanup.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define SHARED_MAP ".data.tracker"

/* hash maps round their number of buckets up to a power of two (kernel/bpf/hashtab.c) */
#define MOST_ENTRIES (1u << 28)

static struct bpf_map *find_map(const struct bpf_object *object, const char *name,
				struct message *message)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, name);

	if (!map)
		message_error(message, ENOENT, "the eBPF programs have no map %s", name);
	return map;
}

static int set_size(struct bpf_object *object, const char *name, uint32_t size,
		    struct message *message)
{
	struct bpf_map *map = find_map(object, name, message);
	int error;

	if (!map)
		return -ENOENT;
	error = bpf_map__set_max_entries(map, size);
	if (error)
		return message_error(message, -error, "cannot set the size of map %s: %s", name,
				     strerror(-error));
	return 0;
}

static int set_limits(struct bpf_object *object, const struct tracker_sizes *sizes,
		      struct message *message)
{
	struct bpf_map *map = find_map(object, SHARED_MAP, message);
	struct tracker_shared shared;
	const void *initial;
	size_t size = 0;
	int error;

	if (!map)
		return -ENOENT;
	initial = bpf_map__initial_value(map, &size);
	if (!initial || size != sizeof(shared))
		return message_error(message, EINVAL, "map %s is not the one that is known here",
				     SHARED_MAP);
	memcpy(&shared, initial, sizeof(shared));
	shared.settings.settled_limit = sizes->settled;
	shared.settings.half_open_limit = sizes->half_open;
	error = bpf_map__set_initial_value(map, &shared, sizeof(shared));
	if (error)
		return message_error(message, -error, "cannot set the limits in map %s: %s",
				     SHARED_MAP, strerror(-error));
	return 0;
}

int tracker_set_sizes(struct bpf_object *object, const struct tracker_sizes *sizes,
		      struct message *message)
{
	int error;

	if (!sizes->settled || !sizes->half_open || !sizes->fragmented_datagrams ||
	    sizes->settled > MOST_ENTRIES / 2 || sizes->half_open > MOST_ENTRIES / 4 ||
	    sizes->fragmented_datagrams > MOST_ENTRIES)
		return message_error(message, EINVAL,
				     "the connection tracker's tables have to have between 1 and "
				     "%u entries, half-open connections and datagrams too",
				     MOST_ENTRIES / 4);
	error = set_size(object, "tracker_table", sizes->settled + sizes->half_open + TRACKER_SLACK,
			 message);
	if (!error)
		error = set_size(object, "tracker_settled", sizes->settled + TRACKER_SLACK,
				 message);
	if (!error)
		error = set_size(object, "tracker_waiting", 2 * sizes->half_open + TRACKER_SLACK,
				 message);
	if (!error)
		error = set_size(object, "tracker_datagrams", sizes->fragmented_datagrams, message);
	return error ? error : set_limits(object, sizes, message);
}

static int control(const struct tracker *tracker, enum tracker_operation operation,
		   const struct tracker_key *key, struct message *message)
{
	char frame[ETH_ZLEN] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = 1);
	struct tracker_request *request = &tracker->shared->request;
	int error;

	request->operation = operation;
	request->result = -EIO;
	if (key)
		request->key = *key;
	error = bpf_prog_test_run_opts(tracker->control, &options);
	if (error)
		return message_error(message, errno,
				     "cannot run the connection tracker's program: %s",
				     strerror(errno));
	return request->result;
}

static int find_parts(struct tracker *tracker, const struct bpf_object *object,
		      struct message *message)
{
	const struct bpf_map *shared = find_map(object, SHARED_MAP, message);
	const struct bpf_map *table = find_map(object, "tracker_table", message);
	const struct bpf_program *program =
		bpf_object__find_program_by_name(object, "tracker_control");

	if (!shared || !table)
		return -ENOENT;
	if (!program)
		return message_error(message, ENOENT,
				     "the eBPF programs have no program tracker_control");
	tracker->table = bpf_map__fd(table);
	tracker->control = bpf_program__fd(program);
	tracker->shared = mmap(NULL, sizeof(*tracker->shared), PROT_READ | PROT_WRITE, MAP_SHARED,
			       bpf_map__fd(shared), 0);
	if (tracker->shared == MAP_FAILED) {
		tracker->shared = NULL;
		return message_error(message, errno, "cannot map %s: %s", SHARED_MAP,
				     strerror(errno));
	}
	return 0;
}

int tracker_open(struct tracker *ret_tracker, const struct bpf_object *object,
		 struct message *message)
{
	struct tracker tracker = {0};
	int error = find_parts(&tracker, object, message);

	if (error)
		return error;
	error = control(&tracker, TRACKER_START, NULL, message);
	if (error) {
		tracker_close(&tracker);
		return message_error(message, -error,
				     "cannot start the connection tracker's timer: %s",
				     strerror(-error));
	}
	*ret_tracker = tracker;
	return 0;
}

void tracker_close(struct tracker *tracker)
{
	if (tracker->shared)
		munmap(tracker->shared, sizeof(*tracker->shared));
	*tracker = (struct tracker){0};
}

/* Of the clock that the programs use. */
static uint64_t clock_now(const struct tracker *tracker)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * NANOSECONDS + (uint64_t)now.tv_nsec +
	       (uint64_t)tracker->shared->settings.clock_offset;
}

static bool is_query(const struct tracker_key *key)
{
	return key->protocol == IPPROTO_ICMP || key->protocol == IPPROTO_ICMPV6;
}

static void describe(struct tracker_listed *listed, const struct tracker_connection *connection,
		     uint64_t now)
{
	const struct tracker_key *key = &connection->key;
	unsigned int from = connection->originator & 1;

	*listed = (struct tracker_listed){
		.key = *key,
		.source = key->address[from],
		.destination = key->address[!from],
		.family = key->family,
		.protocol = key->protocol,
		.status = connection->status &
			  (TRACKER_SEEN_REPLY | TRACKER_ASSURED | TRACKER_CONFIRMED),
		.tcp_state = connection->tcp.state,
		.settled = connection->settled,
		.seconds = (uint32_t)((connection->deadline - now) / NANOSECONDS),
	};
	if (is_query(key)) {
		listed->transport.icmp.id = key->port[0];
		listed->transport.icmp.type = (uint8_t)key->port[1];
		listed->transport.icmp.code = (uint8_t)(key->port[1] >> 8);
	} else {
		listed->transport.port.source = key->port[from];
		listed->transport.port.destination = key->port[!from];
	}
	for (int direction = 0; direction < 2; direction++) {
		listed->window_scale[direction] = connection->tcp.side[direction].scale;
		listed->side_flags[direction] = connection->tcp.side[direction].flags;
	}
}

static int visit_batch(const struct tracker *tracker, const struct tracker_entry *entries,
		       uint32_t count,
		       int (*visit)(const struct tracker_listed *listed, void *argument),
		       void *argument)
{
	uint64_t now = clock_now(tracker);
	uint32_t generation = tracker->shared->settings.generation;
	int result = 0;

	for (uint32_t i = 0; i < count && !result; i++) {
		const struct tracker_connection *connection = &entries[i].connection;
		struct tracker_listed listed;

		if (!connection->ticket || connection->deadline <= now ||
		    connection->status & TRACKER_GONE || connection->generation != generation)
			continue;
		describe(&listed, connection, now);
		result = visit(&listed, argument);
	}
	return result;
}

static int place_cursor(const struct tracker *tracker, struct tracker_cursor *cursor,
			struct message *message)
{
	struct bpf_map_info information = {0};
	uint32_t size = sizeof(information);

	if (bpf_obj_get_info_by_fd(tracker->table, &information, &size))
		return message_error(message, errno, "cannot list the connections: %s",
				     strerror(errno));
	if (cursor->begun && cursor->table != information.id)
		return message_error(message, ESTALE,
				     "another connection tracker has taken the place of this one");
	cursor->table = information.id;
	return 0;
}

int tracker_iterate_step(const struct tracker *tracker, struct tracker_cursor *cursor,
			 int (*visit)(const struct tracker_listed *listed, void *argument),
			 void *argument, struct message *message)
{
	LIBBPF_OPTS(bpf_map_batch_opts, options, .elem_flags = BPF_F_LOCK);
	_cleanup_free_ struct tracker_entry *entries = calloc(TRACKER_STEP, sizeof(*entries));
	_cleanup_free_ struct tracker_key *keys = calloc(TRACKER_STEP, sizeof(*keys));
	uint32_t count = TRACKER_STEP;
	int error;

	if (!entries || !keys)
		return message_error(message, ENOMEM, "out of memory");
	error = place_cursor(tracker, cursor, message);
	if (error)
		return error;
	error = bpf_map_lookup_batch(tracker->table, cursor->begun ? &cursor->place : NULL,
				     &cursor->place, keys, entries, &count, &options);
	if (error && errno != ENOENT)
		return message_error(message, errno, "cannot list the connections: %s",
				     strerror(errno));
	cursor->ended = error != 0;
	cursor->begun = true;
	return visit_batch(tracker, entries, count, visit, argument);
}

int tracker_iterate(const struct tracker *tracker,
		    int (*visit)(const struct tracker_listed *listed, void *argument),
		    void *argument, struct message *message)
{
	struct tracker_cursor cursor = {0};
	int result = 0;

	while (!cursor.ended && !result)
		result = tracker_iterate_step(tracker, &cursor, visit, argument, message);
	return result;
}

/* As if it had begun just so long ago that it is what its status says. */
static uint64_t begin_of(const struct tracker_listed *connection, uint64_t now)
{
	return connection->status & TRACKER_ASSURED ? now - 2 * STREAM_AGE : now;
}

int tracker_adopt(const struct tracker *tracker, const struct tracker_listed *connection,
		  struct message *message)
{
	struct tracker_connection *adopted = &tracker->shared->request.connection;
	uint64_t now = clock_now(tracker);
	int error, way;

	memset(adopted, 0, sizeof(*adopted));
	way = tracker_key_of(&adopted->key, connection->family, connection->protocol,
			     &connection->source, &connection->destination, &connection->transport);
	if (way < 0)
		return message_error(message, EINVAL, "nothing answers such a connection");
	adopted->originator = way == TRACKER_BACK;
	adopted->begin = begin_of(connection, now);
	adopted->deadline = now + connection->seconds * NANOSECONDS;
	adopted->status = connection->status | TRACKER_CONFIRMED;
	adopted->tcp.state = connection->tcp_state;
	for (int direction = 0; direction < 2; direction++) {
		adopted->tcp.side[direction].scale = connection->window_scale[direction];
		adopted->tcp.side[direction].flags =
			connection->side_flags[direction] | TCP_SIDE_LIBERAL;
	}
	error = control(tracker, TRACKER_ADOPT, NULL, message);
	if (error == -ENOSPC || error == -EAGAIN)
		return message_error(message, -error,
				     "there is no room for a connection that is to be adopted");
	return error;
}

int tracker_end(const struct tracker *tracker, const struct tracker_key *key,
		struct message *message)
{
	int error = control(tracker, TRACKER_DELETE, key, message);

	if (error == -ENOENT)
		return message_error(message, ENOENT, "there is no such connection");
	return error;
}

void tracker_flush(const struct tracker *tracker)
{
	__atomic_fetch_add(&tracker->shared->settings.generation, 1, __ATOMIC_SEQ_CST);
}

void tracker_resume(const struct tracker *tracker, unsigned int family)
{
	__atomic_fetch_add(&tracker->shared->settings.pauses[family], 1, __ATOMIC_SEQ_CST);
}

struct tracker_counts tracker_count(const struct tracker *tracker)
{
	return tracker->shared->counts;
}

struct tracker_sizes tracker_sizes(const struct tracker *tracker)
{
	const struct tracker_settings *settings = &tracker->shared->settings;

	return (struct tracker_sizes){
		.settled = settings->settled_limit,
		.half_open = settings->half_open_limit,
	};
}
