// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/device_filter.h"

#include "abi/arena.h"
#include "datapath/local_addresses.h"
#include "tc.skel.h"
#include "xdp.skel.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct device_filter {
	struct tc_bpf *tc;
	struct xdp_bpf *xdp; /* NULL in mode TC */
	struct tracker tracker;
	struct local_addresses *addresses;
	struct devices *devices;
	struct devices_options options;
	enum devices_mode next_mode; /* from device_filter_switch_prepare() on */
};

static int load_error(const char *what, int error, struct message *message)
{
	return message_error(message, -error, "cannot load the %s programs: %s", what,
			     strerror(-error));
}

static int open_tc(struct device_filter *filter, const struct device_filter_options *options,
		   struct message *message)
{
	int error;

	filter->tc = tc_bpf__open();
	if (!filter->tc)
		return load_error("TC", -errno, message);
	error = tracker_set_sizes(filter->tc->obj, &options->sizes, message);
	if (error)
		return error;
	error = bpf_map__set_map_extra(filter->tc->maps.arena, ARENA_ADDRESS);
	if (!error)
		error = bpf_map__reuse_fd(filter->tc->maps.arena, options->arena_fd);
	if (!error)
		error = bpf_map__reuse_fd(filter->tc->maps.match_locks, options->locks_fd);
	if (!error)
		error = tc_bpf__load(filter->tc);
	return error ? load_error("TC", error, message) : 0;
}

/* Each program has scratch memory of its own; all else is of both. */
static int share_maps(struct device_filter *filter)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, filter->xdp->obj)
	{
		const char *name = bpf_map__name(map);
		const struct bpf_map *other = bpf_object__find_map_by_name(filter->tc->obj, name);
		int error;

		if (!other || strstr(name, "scratch") || strstr(name, "rodata"))
			continue;
		error = bpf_map__reuse_fd(map, bpf_map__fd(other));
		if (error)
			return error;
	}
	return 0;
}

static int open_xdp(struct device_filter *filter, struct message *message)
{
	int error;

	filter->xdp = xdp_bpf__open();
	if (!filter->xdp)
		return load_error("XDP", -errno, message);
	error = bpf_map__set_map_extra(filter->xdp->maps.arena, ARENA_ADDRESS);
	if (!error)
		error = share_maps(filter);
	/* These are run from the other object. */
	if (!error)
		error = bpf_program__set_autoload(filter->xdp->progs.bpf_iptables_stamps, false);
	if (!error)
		error = bpf_program__set_autoload(filter->xdp->progs.tracker_control, false);
	if (!error)
		error = xdp_bpf__load(filter->xdp);
	return error ? load_error("XDP", error, message) : 0;
}

static int open_addresses(struct device_filter *filter, struct message *message)
{
	const struct local_addresses_maps maps = {
		.ipv4 = bpf_map__fd(filter->tc->maps.local_ipv4),
		.ipv6 = bpf_map__fd(filter->tc->maps.local_ipv6),
		.nets_ipv4 = bpf_map__fd(filter->tc->maps.local_nets_ipv4),
		.nets_ipv6 = bpf_map__fd(filter->tc->maps.local_nets_ipv6),
		.state = bpf_map__fd(filter->tc->maps.local_state),
		.stamps = bpf_program__fd(filter->tc->progs.bpf_iptables_stamps),
	};

	return local_addresses_open(&maps, &filter->addresses, message);
}

static int open_all(struct device_filter *filter, const struct device_filter_options *options,
		    struct message *message)
{
	int error = open_tc(filter, options, message);

	if (!error && options->mode == DEVICES_XDP)
		error = open_xdp(filter, message);
	if (!error)
		error = tracker_open(&filter->tracker, filter->tc->obj, message);
	if (!error)
		error = open_addresses(filter, message);
	filter->options = (struct devices_options){
		.mode = options->mode,
		.covered = options->covered_fd,
		.covered_low = options->covered_low_fd,
		.excluded = options->excluded,
		.n_excluded = options->n_excluded,
		.report = options->report,
		.data = options->data,
	};
	return error;
}

int device_filter_open(const struct device_filter_options *options,
		       struct device_filter **ret_filter, struct message *message)
{
	struct device_filter *filter = calloc(1, sizeof(*filter));
	int error;

	if (!filter)
		return message_error(message, ENOMEM, "out of memory");
	error = open_all(filter, options, message);
	if (error) {
		device_filter_close(filter);
		return error;
	}
	*ret_filter = filter;
	return 0;
}

static struct devices_programs programs_of(const struct device_filter *filter)
{
	return (struct devices_programs){
		.xdp = filter->xdp ? bpf_program__fd(filter->xdp->progs.bpf_iptables_xdp) : -1,
		.ingress = bpf_program__fd(filter->tc->progs.bpf_iptables_in),
		.egress = bpf_program__fd(filter->tc->progs.bpf_iptables_out),
	};
}

int device_filter_attach(struct device_filter *filter, struct message *message)
{
	filter->options.programs = programs_of(filter);
	return devices_open(&filter->options, &filter->devices, message);
}

void device_filter_begin(struct device_filter *filter)
{
	devices_begin(filter->devices);
}

/* Without devices that have the programs. */
static void close_xdp(struct device_filter *filter)
{
	xdp_bpf__destroy(filter->xdp);
	filter->xdp = NULL;
}

int device_filter_switch_prepare(struct device_filter *filter, enum devices_mode mode,
				 struct message *message)
{
	struct devices_programs programs;
	int error = 0;

	filter->next_mode = mode;
	if (mode == DEVICES_XDP)
		error = open_xdp(filter, message);
	programs = programs_of(filter);
	if (!error)
		error = devices_switch_prepare(filter->devices, mode, &programs, message);
	if (error && mode == DEVICES_XDP)
		close_xdp(filter);
	return error;
}

void device_filter_switch_undo(struct device_filter *filter)
{
	devices_switch_undo(filter->devices);
	if (filter->options.mode == DEVICES_TC)
		close_xdp(filter);
}

void device_filter_switch_complete(struct device_filter *filter)
{
	devices_switch_complete(filter->devices);
	filter->options.mode = filter->next_mode;
	if (filter->options.mode == DEVICES_TC)
		close_xdp(filter);
}

void device_filter_close(struct device_filter *filter)
{
	if (!filter)
		return;
	devices_close(filter->devices);
	local_addresses_close(filter->addresses);
	tracker_close(&filter->tracker);
	xdp_bpf__destroy(filter->xdp);
	tc_bpf__destroy(filter->tc);
	free(filter);
}

const struct tracker *device_filter_tracker(const struct device_filter *filter)
{
	return &filter->tracker;
}

void device_filter_fds(const struct device_filter *filter, int ret_fds[DEVICE_FILTER_FDS])
{
	ret_fds[0] = devices_fd(filter->devices);
	ret_fds[1] = local_addresses_fd(filter->addresses);
}

int device_filter_process(struct device_filter *filter, uint64_t *ret_deadline,
			  struct message *message)
{
	uint64_t of_devices = 0, of_addresses = 0;
	int error = devices_process_events(filter->devices, &of_devices, message);
	int other =
		local_addresses_process(filter->addresses, &of_addresses, error ? NULL : message);

	*ret_deadline = of_addresses && (!of_devices || of_addresses < of_devices) ? of_addresses
										   : of_devices;
	return error ? error : other;
}
