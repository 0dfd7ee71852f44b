// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/datapath.h"

#include "common/cleanup.h"
#include "common/tick_rate.h"
#include "datapath/datapath_internal.h"
#include "datapath/handover.h"
#include "datapath/ipv6_probe.h"
#include "datapath/wall_clock.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

/* No hook's image is larger: a ruleset that needs more is refused. */
#define MAX_IMAGE_SIZE ((size_t)1 << 30)

/* A lane has ARENA_FLOW_PLACES << so many places for flows; all lanes together not more memory. */
#define MAX_FLOW_BITS  13
#define MIN_FLOW_BITS  7
#define MAX_FLOWS_SIZE ((uint64_t)32 << 20)

static const uint8_t protocols[ARENA_FAMILIES] = {
	[ARENA_IPV4] = NFPROTO_IPV4,
	[ARENA_IPV6] = NFPROTO_IPV6,
};

static int find_family(uint8_t protocol)
{
	for (int family = 0; family < ARENA_FAMILIES; family++)
		if (protocols[family] == protocol)
			return family;
	return -1;
}

static uint64_t flows_size(uint32_t flow_bits)
{
	return ARENA_FLOW_PLACES * sizeof(struct arena_flow) << flow_bits;
}

static uint64_t flow_rests_size(uint32_t flow_bits)
{
	return ARENA_FLOW_PLACES * sizeof(struct arena_flow_rest) << flow_bits;
}

/* Gives each lane room for flows. */
static int take_flows(struct datapath *datapath, struct message *message)
{
	struct arena_root *root = arena_memory_root(&datapath->memory);
	struct arena_block block;
	uint64_t size;

	root->flow_bits = MAX_FLOW_BITS;
	while (root->flow_bits > MIN_FLOW_BITS &&
	       (flows_size(root->flow_bits) + flow_rests_size(root->flow_bits)) * root->lanes >
		       MAX_FLOWS_SIZE)
		root->flow_bits--;
	size = flows_size(root->flow_bits) + flow_rests_size(root->flow_bits);
	if (arena_memory_take(&datapath->memory, size * root->lanes, &block))
		return message_error(message, ENOMEM, "the arena has no room for flows");
	memset(arena_memory_at(&datapath->memory, block.position), 0, block.size);
	for (uint32_t lane = 0; lane < root->lanes; lane++) {
		root->lane[lane].flows = (uint32_t)(block.position + lane * size);
		root->lane[lane].rests =
			root->lane[lane].flows + (uint32_t)flows_size(root->flow_bits);
	}
	return 0;
}

static int open_arena(struct datapath *datapath, struct message *message)
{
	struct arena_root *root;
	int cpus = libbpf_num_possible_cpus();
	int error;

	if (cpus < 1)
		return message_error(message, EIO, "cannot find out the number of CPUs");
	datapath->resources = (struct generation_resources){
		.memory = &datapath->memory,
		.scratch = &datapath->scratch,
		.lanes = (uint32_t)cpus < ARENA_CPUS ? (uint32_t)cpus : ARENA_CPUS,
	};
	if (scratch_open(&datapath->scratch, MAX_IMAGE_SIZE))
		return message_error(message, ENOMEM, "out of memory");
	error = arena_memory_open(&datapath->memory, program_arena_fd(&datapath->program), message);
	if (error)
		return error;
	root = arena_memory_root(&datapath->memory);
	root->layout = ARENA_LAYOUT;
	root->lanes = datapath->resources.lanes;
	root->tick_rate = tick_rate();
	root->ipv6_checks_length = ipv6_probe_checks_length();
	return take_flows(datapath, message);
}

static int open_states(struct datapath *datapath, struct message *message)
{
	const struct match_programs programs = program_for_matches(&datapath->program);

	return match_states_new(&datapath->memory, &programs, &datapath->states, message);
}

static int install_empty(struct datapath *datapath, enum arena_family family,
			 struct message *message)
{
	struct ruleset *ruleset;
	int error;

	if (ruleset_new_empty(protocols[family], &ruleset))
		return message_error(message, ENOMEM, "out of memory");
	error = generation_new(&datapath->resources, ruleset, NULL, &datapath->current[family],
			       message);
	if (error) {
		ruleset_free(ruleset);
		return error;
	}
	generation_flip(&datapath->memory, family, datapath->current[family]);
	return 0;
}

void datapath_set_limits(struct datapath *datapath)
{
	bool on_devices = datapath->devices || datapath->hook != DATAPATH_NETFILTER;

	datapath->resources.without_nat = on_devices;
	datapath->resources.without_skb = on_devices;
	datapath->resources.delegation = on_devices ? NULL : datapath->delegation;
}

int datapath_attach_to_devices(struct datapath *datapath, enum datapath_hook hook,
			       struct message *message)
{
	const struct datapath_options *options = &datapath->options;
	const struct device_filter_options device_options = {
		.mode = hook == DATAPATH_XDP ? DEVICES_XDP : DEVICES_TC,
		.arena_fd = program_arena_fd(&datapath->program),
		.locks_fd = program_locks_fd(&datapath->program),
		.covered_fd = program_covered_fd(&datapath->program),
		.covered_low_fd = program_covered_low_fd(&datapath->program),
		.sizes = options->sizes,
		.excluded = options->excluded,
		.n_excluded = options->n_excluded,
		.report = options->report,
		.data = options->data,
	};
	int error = device_filter_open(&device_options, &datapath->devices, message);

	return error ? error : device_filter_attach(datapath->devices, message);
}

static int attach(struct datapath *datapath, struct message *message)
{
	int error = 0;

	handover_set_judges(&datapath->memory, datapath->hook == DATAPATH_NETFILTER
						       ? JUDGES_NETFILTER
						       : JUDGES_INGRESS | JUDGES_EGRESS);
	if (datapath->hook != DATAPATH_NETFILTER)
		error = datapath_attach_to_devices(datapath, datapath->hook, message);
	/* Beside devices for what they have not got yet. */
	for (int family = 0; family < ARENA_FAMILIES && !error; family++)
		error = program_attach(&datapath->program, family, message);
	for (int family = 0; family < ARENA_FAMILIES && !error; family++)
		delegation_set_priority(datapath->delegation, protocols[family],
					datapath->program.priority[family]);
	return error;
}

static int open_all(struct datapath *datapath, struct message *message)
{
	int error = program_load(&datapath->program, message);

	if (!error)
		error = open_arena(datapath, message);
	if (!error)
		error = delegation_new(&datapath->memory, program_arena_fd(&datapath->program),
				       &datapath->delegation, message);
	if (!error)
		error = open_states(datapath, message);
	datapath->resources.states = datapath->states;
	datapath_set_limits(datapath);
	for (int family = 0; family < ARENA_FAMILIES && !error; family++)
		error = install_empty(datapath, family, message);
	return error ? error : attach(datapath, message);
}

int datapath_open(const struct datapath_options *options, struct datapath **ret_datapath,
		  struct message *message)
{
	struct datapath *datapath = calloc(1, sizeof(*datapath));
	int error;

	if (!datapath)
		return message_error(message, ENOMEM, "out of memory");
	datapath->options = *options;
	datapath->hook = options->hook;
	error = open_all(datapath, message);
	if (error) {
		datapath_close(datapath);
		return error;
	}
	*ret_datapath = datapath;
	return 0;
}

void datapath_close(struct datapath *datapath)
{
	if (!datapath)
		return;
	/* First the programs: while they run they read the arena. */
	device_filter_close(datapath->devices);
	program_close(&datapath->program);
	for (int family = 0; family < ARENA_FAMILIES; family++)
		generation_free(&datapath->memory, datapath->current[family]);
	delegation_free(datapath->delegation);
	match_states_free(datapath->states);
	arena_memory_close(&datapath->memory);
	scratch_close(&datapath->scratch);
	free(datapath);
}

struct device_filter *datapath_devices(const struct datapath *datapath)
{
	return datapath->devices;
}

enum datapath_hook datapath_hook(const struct datapath *datapath)
{
	return datapath->hook;
}

const struct tracker *datapath_tracker(const struct datapath *datapath)
{
	return datapath->devices ? device_filter_tracker(datapath->devices) : NULL;
}

void datapath_track(struct datapath *datapath, uint8_t family, bool on)
{
	struct arena_root *root = arena_memory_root(&datapath->memory);
	const struct tracker *tracker = datapath_tracker(datapath);
	int index = find_family(family);

	if (on && tracker && !root->tracks[index])
		tracker_resume(tracker, (unsigned int)index);
	__atomic_store_n(&root->tracks[index], on, __ATOMIC_SEQ_CST);
}

uint64_t datapath_undelegated(const struct datapath *datapath)
{
	const struct arena_root *root = arena_memory_root(&datapath->memory);

	return __atomic_load_n(&root->undelegated, __ATOMIC_RELAXED);
}

const struct ruleset *datapath_ruleset(const struct datapath *datapath, uint8_t family)
{
	int index = find_family(family);

	return index < 0 ? NULL : datapath->current[index]->ruleset;
}

static struct xt_counters *read_counters(const struct datapath *datapath,
					 const struct generation *generation)
{
	struct xt_counters *counters = calloc(generation->ruleset->n_entries, sizeof(*counters));

	if (counters)
		generation_read_counters(&datapath->memory, generation, counters);
	return counters;
}

bool datapath_asks_for_time(const struct datapath *datapath)
{
	for (int family = 0; family < ARENA_FAMILIES; family++)
		if (datapath->current[family]->ruleset->clock)
			return true;
	return false;
}

void datapath_follow_clock(struct datapath *datapath)
{
	volatile struct arena_clock *clock = &arena_memory_root(&datapath->memory)->clock;
	struct arena_clock now = wall_clock_read();

	clock->atomic_time_ahead = now.atomic_time_ahead;
	clock->seconds_west = now.seconds_west;
}

int datapath_replace(struct datapath *datapath, struct ruleset *ruleset,
		     struct xt_counters **ret_counters, struct message *message)
{
	int family = find_family(ruleset->family);
	_cleanup_free_ struct xt_counters *counters = NULL;
	struct generation *before, *generation;
	int error;

	if (family < 0)
		return message_error(message, EAFNOSUPPORT, "this family is not filtered");
	before = datapath->current[family];
	/* Nothing may fail once the new rules are in force: memory for the counters comes first. */
	counters = calloc(before->ruleset->n_entries, sizeof(*counters));
	if (!counters)
		return message_error(message, ENOMEM, "out of memory");
	error = generation_new(&datapath->resources, ruleset, before, &generation, message);
	if (error)
		return error;
	if (ruleset->clock)
		datapath_follow_clock(datapath);
	generation_flip(&datapath->memory, family, generation);
	datapath->current[family] = generation;
	generation_read_counters(&datapath->memory, before, counters);
	generation_free(&datapath->memory, before);
	if (ret_counters)
		*ret_counters = take_pointer(counters);
	return 0;
}

int datapath_counters(struct datapath *datapath, uint8_t family, struct xt_counters **ret_counters)
{
	int index = find_family(family);
	struct xt_counters *counters;

	if (index < 0)
		return -EAFNOSUPPORT;
	counters = read_counters(datapath, datapath->current[index]);
	if (!counters)
		return -ENOMEM;
	*ret_counters = counters;
	return 0;
}

int datapath_add_counters(struct datapath *datapath, uint8_t family,
			  const struct xt_counters *counters, uint32_t n_counters)
{
	int index = find_family(family);
	struct generation *generation;

	if (index < 0)
		return -EAFNOSUPPORT;
	generation = datapath->current[index];
	if (n_counters != generation->ruleset->n_entries)
		return -EINVAL;
	for (uint32_t i = 0; i < n_counters; i++) {
		generation->added[i].pcnt += counters[i].pcnt;
		generation->added[i].bcnt += counters[i].bcnt;
	}
	return 0;
}

struct recent_lists *datapath_recent_lists(const struct datapath *datapath)
{
	return match_states_recent(datapath->states);
}

int datapath_program_fd(const struct datapath *datapath, uint8_t family)
{
	int index = find_family(family);

	return index < 0 ? -EAFNOSUPPORT : program_fd(&datapath->program, (enum arena_family)index);
}
