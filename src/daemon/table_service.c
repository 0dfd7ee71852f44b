// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/table_service.h"

#include "common/cleanup.h"
#include "ruleset/extension.h"
#include "ruleset/ruleset.h"

#include <errno.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <stdbool.h>
#include <string.h>

#define TABLE_NAME "filter"

/*
 * Those whose tables are served. The structures of linux/netfilter_ipv6/ip6_tables.h that are used
 * here are the same as those of ip_tables.h.
 */
static const uint8_t families[] = {NFPROTO_IPV4, NFPROTO_IPV6};

struct table {
	uint8_t family;
	/*
	 * 0 until somebody has found it: in the kernel, it would exist from then on. Then 1 and the
	 * number of the kernel's other tables that existed before it.
	 */
	uint8_t place;
	uint32_t services; /* enum kernel_service: what the daemon asks the kernel for */
};

struct table_service {
	struct datapath *datapath;
	struct conntrack_switch *conntrack;
	unsigned int trackers; /* enum table_tracker */
	struct table tables[ARRAY_SIZE(families)];
};

/* What an operation works on. */
struct call {
	struct table_service *service;
	struct table *table;
	const struct ruleset *ruleset; /* in force when the request came */
	void **memory;                 /* of the payload, to be kept by setting it to NULL */
	const void *payload;
	size_t length;
	struct control_answer *answer;
	struct message *message;
};

static int switch_services(struct table_service *service, unsigned int trackers, uint8_t family,
			   uint32_t services, struct message *message)
{
	int error = 0;

	if (trackers & TABLE_TRACKER_KERNEL)
		error = conntrack_switch_set(service->conntrack, family, services, message);
	if (!error && trackers & TABLE_TRACKER_DATAPATH)
		datapath_track(service->datapath, family, services & SERVICE_CONNTRACK);
	return error;
}

static int set_services(struct table_service *service, struct table *table, uint32_t services,
			struct message *message)
{
	int error = 0;

	if (table->services != services)
		error = switch_services(service, service->trackers, table->family, services,
					message);
	if (!error)
		table->services = services;
	return error;
}

/*
 * After a replace, successful or not: connections are tracked if, and only if, the table in force
 * needs it. That they could not be switched off harms no rule, and is tried again next time.
 */
static void settle_services(struct table_service *service, struct table *table)
{
	const struct ruleset *ruleset = datapath_ruleset(service->datapath, table->family);
	struct message message = {""};

	if (set_services(service, table, ruleset->services, &message))
		fprintf(stderr, "bpf-iptablesd: %s\n", message.text);
}

int table_service_new(struct datapath *datapath, struct conntrack_switch *conntrack,
		      struct table_service **ret_service, struct message *message)
{
	_cleanup_free_ struct table_service *service = calloc(1, sizeof(*service));

	if (!service)
		return message_error(message, ENOMEM, "out of memory");

	service->datapath = datapath;
	service->conntrack = conntrack;
	service->trackers = TABLE_TRACKER_KERNEL;
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct table *table = &service->tables[i];
		int error;

		table->family = families[i];
		table->services = datapath_ruleset(datapath, table->family)->services;
		error = switch_services(service, service->trackers, table->family, table->services,
					message);
		if (error)
			return error;
	}
	*ret_service = take_pointer(service);
	return 0;
}

/* For the tables that ask for it. Stops at the first failure. */
static int switch_all(struct table_service *service, unsigned int trackers, bool on,
		      struct message *message)
{
	int error = 0;

	for (size_t i = 0; i < ARRAY_SIZE(service->tables) && !error; i++)
		if (service->tables[i].services)
			error = switch_services(service, trackers, service->tables[i].family,
						on ? service->tables[i].services : 0, message);
	return error;
}

int table_service_set_trackers(struct table_service *service, unsigned int trackers,
			       struct message *message)
{
	unsigned int added = trackers & ~service->trackers;
	unsigned int removed = service->trackers & ~trackers;
	struct message complaint = {""};
	int error = switch_all(service, added, true, message);

	if (error) {
		(void)switch_all(service, added, false, NULL);
		return error;
	}
	service->trackers = trackers;
	/* One that goes on all the same harms no rule. */
	if (switch_all(service, removed, false, &complaint))
		fprintf(stderr, "bpf-iptablesd: %s\n", complaint.text);
	return 0;
}

bool table_service_tracks(const struct table_service *service)
{
	for (size_t i = 0; i < ARRAY_SIZE(service->tables); i++)
		if (service->tables[i].services & SERVICE_CONNTRACK)
			return true;
	return false;
}

void table_service_free(struct table_service *service)
{
	if (!service)
		return;

	/* The datapath's own ends with it. */
	(void)switch_all(service, service->trackers & TABLE_TRACKER_KERNEL, false, NULL);
	free(service);
}

/* How many tables of the family, filter aside, exist in the kernel. */
static uint8_t count_kernel_tables(uint8_t family)
{
	const char *path = family == NFPROTO_IPV6 ? "/proc/self/net/ip6_tables_names"
						  : "/proc/self/net/ip_tables_names";
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	char line[XT_TABLE_MAXNAMELEN + 1];
	uint8_t count = 0;

	while (file && fgets(line, sizeof(line), file))
		count += strcmp(line, TABLE_NAME "\n") != 0 && count < UINT8_MAX - 1;
	return count;
}

/*
 * xt_find_table_lock(): the kernel ends @name itself, whatever is in its last byte, and makes the
 * table if it is not there yet.
 */
static int find_table(const struct call *call, const char name[XT_TABLE_MAXNAMELEN])
{
	char terminated[XT_TABLE_MAXNAMELEN];

	memcpy(terminated, name, sizeof(terminated));
	terminated[sizeof(terminated) - 1] = '\0';
	if (strcmp(terminated, TABLE_NAME) != 0)
		return message_error(call->message, ENOENT,
				     "bpf-iptablesd has no table '%s', only '" TABLE_NAME "'",
				     terminated);

	if (!call->table->place)
		call->table->place = 1 + count_kernel_tables(call->table->family);
	return 0;
}

static int refuse_length(const struct call *call)
{
	return message_error(call->message, EINVAL, "a request of %zu bytes has the wrong length",
			     call->length);
}

/* Memory for an answer of @length bytes, to be filled in wholly. */
static void *new_answer(const struct call *call, size_t length)
{
	if (length > CONTROL_MAX_LENGTH)
		return NULL;

	call->answer->payload = malloc(length);
	if (call->answer->payload)
		call->answer->length = (uint32_t)length;
	return call->answer->payload;
}

static int refuse_memory(const struct call *call)
{
	return message_error(call->message, ENOMEM, "out of memory");
}

/* get_info() */
static int get_info(const struct call *call)
{
	const struct ipt_getinfo *request = call->payload;
	const struct ruleset *ruleset = call->ruleset;
	struct ipt_getinfo *info;
	int error;

	if (call->length != sizeof(*request))
		return refuse_length(call);
	error = find_table(call, request->name);
	if (error)
		return error;

	info = new_answer(call, sizeof(*info));
	if (!info)
		return refuse_memory(call);
	*info = (struct ipt_getinfo){
		.name = TABLE_NAME,
		.valid_hooks = ruleset->valid_hooks,
		.num_entries = ruleset->n_entries,
		.size = ruleset->size,
	};
	memcpy(info->hook_entry, ruleset->hook_entry, sizeof(info->hook_entry));
	memcpy(info->underflow, ruleset->underflow, sizeof(info->underflow));
	return 0;
}

/* get_entries(); that the caller's buffer is as long as it says is for the caller to check. */
static int get_entries(const struct call *call)
{
	const struct ipt_get_entries *request = call->payload;
	const struct ruleset *ruleset = call->ruleset;
	_cleanup_free_ struct xt_counters *counters = NULL;
	struct ipt_get_entries *answer;
	int error;

	if (call->length != sizeof(*request))
		return refuse_length(call);
	error = find_table(call, request->name);
	if (error)
		return error;
	if (request->size != ruleset->size)
		return message_error(call->message, EAGAIN,
				     "the table has %u bytes, not %u: it was changed meanwhile",
				     ruleset->size, request->size);

	error = datapath_counters(call->service->datapath, call->table->family, &counters);
	if (error)
		return message_error(call->message, -error, "cannot read the counters: %s",
				     strerror(-error));
	answer = new_answer(call, sizeof(*answer) + ruleset->size);
	if (!answer)
		return refuse_memory(call);
	*answer = *request;
	ruleset_encode(ruleset, counters, answer->entrytable);
	return 0;
}

/* __do_replace() and xt_replace_table(); ruleset_decode() has made all the checks before these. */
static int check_replaced(const struct call *call)
{
	const struct ipt_replace *replace = call->payload;
	int error = find_table(call, replace->name);

	if (error)
		return error;
	if (replace->num_counters != call->ruleset->n_entries)
		return message_error(call->message, EAGAIN,
				     "the table has %u entries, not %u: it was changed meanwhile",
				     call->ruleset->n_entries, replace->num_counters);
	return 0;
}

/* Takes @ruleset on success only. */
static int put_in_force(const struct call *call, struct ruleset *ruleset)
{
	size_t size = call->ruleset->n_entries * sizeof(struct xt_counters);
	struct xt_counters *counters = NULL;
	int error;

	/* Before the flip: not one packet may meet a rule that needs a state that is not there. */
	error = set_services(call->service, call->table, call->table->services | ruleset->services,
			     call->message);
	if (error)
		return error;

	error = datapath_replace(call->service->datapath, ruleset, &counters, call->message);
	settle_services(call->service, call->table);
	if (error)
		return error;

	call->answer->payload = counters;
	call->answer->length = (uint32_t)size;
	return 0;
}

static int replace(const struct call *call)
{
	struct ruleset *ruleset = NULL;
	int error = ruleset_decode_in_place(call->table->family, call->memory, call->length,
					    &ruleset, call->message);

	if (error)
		return error;

	error = check_replaced(call);
	if (!error)
		error = put_in_force(call, ruleset);
	if (error)
		ruleset_free(ruleset);
	return error;
}

/* do_add_counters() and xt_copy_counters() */
static int add_counters(const struct call *call)
{
	const struct xt_counters_info *request = call->payload;
	int error;

	if (call->length <= sizeof(*request))
		return refuse_length(call);
	if ((uint64_t)request->num_counters * sizeof(struct xt_counters) !=
	    call->length - sizeof(*request))
		return refuse_length(call);
	error = find_table(call, request->name);
	if (error)
		return error;
	if (request->num_counters != call->ruleset->n_entries)
		return message_error(call->message, EINVAL, "the table has %u entries, not %u",
				     call->ruleset->n_entries, request->num_counters);

	error = datapath_add_counters(call->service->datapath, call->table->family,
				      request->counters, request->num_counters);
	if (error)
		return message_error(call->message, -error, "cannot add to the counters: %s",
				     strerror(-error));
	return 0;
}

/*
 * xt_find_revision(). "No" is an ordinary answer here, by which iptables finds out what it may use:
 * it comes without a message.
 */
static int get_revision(const struct call *call, enum extension_kind kind)
{
	const struct xt_get_revision *request = call->payload;
	struct xt_get_revision *answer;
	uint8_t family = call->table->family;
	char name[sizeof(request->name)];

	if (call->length != sizeof(*request))
		return refuse_length(call);

	memcpy(name, request->name, sizeof(name));
	name[sizeof(name) - 1] = '\0';
	if (!extension_known(kind, name, family))
		return -ENOENT;
	if (!extension_find(kind, name, request->revision, family))
		return -EPROTONOSUPPORT;

	answer = new_answer(call, sizeof(*answer));
	if (!answer)
		return refuse_memory(call);
	*answer = *request;
	return 0;
}

static int get_revision_match(const struct call *call)
{
	return get_revision(call, EXTENSION_MATCH);
}

static int get_revision_target(const struct call *call)
{
	return get_revision(call, EXTENSION_TARGET);
}

static int table_in_use(const struct call *call)
{
	uint8_t *answer;

	if (call->length != 0)
		return refuse_length(call);

	answer = new_answer(call, sizeof(*answer));
	if (!answer)
		return refuse_memory(call);
	*answer = call->table->place;
	return 0;
}

static struct table *table_of_family(struct table_service *service, uint8_t family)
{
	for (size_t i = 0; i < ARRAY_SIZE(service->tables); i++) {
		if (service->tables[i].family == family)
			return &service->tables[i];
	}
	return NULL;
}

int table_service_handle(void *data, const struct control_request *request, void **payload,
			 struct control_answer *ret_answer, struct message *message)
{
	static int (*const operations[])(const struct call *) = {
		[CONTROL_GET_INFO] = get_info,
		[CONTROL_GET_ENTRIES] = get_entries,
		[CONTROL_GET_REVISION_MATCH] = get_revision_match,
		[CONTROL_GET_REVISION_TARGET] = get_revision_target,
		[CONTROL_SET_REPLACE] = replace,
		[CONTROL_SET_ADD_COUNTERS] = add_counters,
		[CONTROL_TABLE_IN_USE] = table_in_use,
	};
	struct table_service *service = data;
	struct call call = {
		.service = service,
		.table = table_of_family(service, request->family),
		.memory = payload,
		.payload = *payload,
		.length = request->length,
		.answer = ret_answer,
		.message = message,
	};

	if (!call.table)
		return message_error(message, EAFNOSUPPORT,
				     "bpf-iptablesd has no table of family %u", request->family);
	if (request->operation >= ARRAY_SIZE(operations) || !operations[request->operation])
		return message_error(message, EINVAL, "there is no operation %u",
				     request->operation);

	call.ruleset = datapath_ruleset(service->datapath, request->family);
	return operations[request->operation](&call);
}
