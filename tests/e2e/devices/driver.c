// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs devices.h and local_addresses.h with the test programs in the network namespace that it is
 * started in, as a daemon would. Commands are lines on standard input; the answer to each ends with
 * a line "done" or "failed: reason". Reports of devices come in between, as lines "report ...".
 *
 *	status             devices: name, ifindex, state, reason
 *	covered            ifindex and enum device_cover of each
 *	counters           of the programs, in the order of enum probe_counter
 *	results FIRST LAST of packets with these numbers: number, times seen, selection, way out
 *	reset              forgets results and counters
 *	fresh              waits until the local addresses are known to be complete
 *	switch xdp|tc [again]
 */
#include "common/cleanup.h"
#include "datapath/devices.h"
#include "datapath/local_addresses.h"
#include "probe.h"
#include "probe.skel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

struct driver {
	struct probe_bpf *programs;
	struct devices *devices;
	struct local_addresses *addresses;
	uint64_t deadline;
	struct probe_result *results;
	uint64_t *counters;
	const char *excluded[16];
	size_t n_excluded;
};

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void print_status(void *data, const struct device_status *status)
{
	printf("%s %s %u %s %s\n", (const char *)data, status->name, status->ifindex,
	       device_state_name(status->state), status->reason);
}

static void report(void *data, const struct device_status *status)
{
	printf("report %llu ", (unsigned long long)now());
	print_status(data, status);
}

static struct devices_programs programs_of(const struct driver *driver, bool again)
{
	const struct probe_bpf *programs = driver->programs;

	return (struct devices_programs){
		.xdp = bpf_program__fd(again ? programs->progs.probe_xdp_again
					     : programs->progs.probe_xdp),
		.ingress = bpf_program__fd(again ? programs->progs.probe_ingress_again
						 : programs->progs.probe_ingress),
		.egress = bpf_program__fd(programs->progs.probe_egress),
	};
}

static void *map_values(const struct bpf_map *map, size_t size)
{
	void *values = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	return values == MAP_FAILED ? NULL : values;
}

static int open_addresses(struct driver *driver, struct message *message)
{
	const struct probe_bpf *programs = driver->programs;
	const struct local_addresses_maps maps = {
		.ipv4 = bpf_map__fd(programs->maps.local_ipv4),
		.ipv6 = bpf_map__fd(programs->maps.local_ipv6),
		.nets_ipv4 = bpf_map__fd(programs->maps.local_nets_ipv4),
		.nets_ipv6 = bpf_map__fd(programs->maps.local_nets_ipv6),
		.state = bpf_map__fd(programs->maps.local_state),
		.stamps = bpf_program__fd(programs->progs.bpf_iptables_stamps),
	};

	return local_addresses_open(&maps, &driver->addresses, message);
}

static int driver_open(struct driver *driver, enum devices_mode mode, struct message *message)
{
	struct devices_options options = {
		.mode = mode,
		.excluded = driver->excluded,
		.n_excluded = driver->n_excluded,
		.report = report,
		.data = "device",
	};
	int error;

	driver->programs = probe_bpf__open_and_load();
	if (!driver->programs)
		return message_error(message, errno, "cannot load the test programs");
	driver->results = map_values(driver->programs->maps.results,
				     PROBE_RESULTS * sizeof(struct probe_result));
	driver->counters =
		map_values(driver->programs->maps.counters, PROBE_COUNTERS * sizeof(uint64_t));
	if (!driver->results || !driver->counters)
		return message_error(message, ENOMEM, "cannot map the results");
	options.covered = bpf_map__fd(driver->programs->maps.covered);
	options.covered_low = bpf_map__fd(driver->programs->maps.covered_low);
	error = open_addresses(driver, message);
	if (error)
		return error;
	options.programs = programs_of(driver, false);
	return devices_open(&options, &driver->devices, message);
}

static int process(struct driver *driver, struct message *message)
{
	uint64_t of_devices;
	int error = devices_process_events(driver->devices, &of_devices, message);

	return error ? error
		     : local_addresses_process(driver->addresses, &driver->deadline, message);
}

static int wait_until_fresh(struct driver *driver, struct message *message)
{
	uint64_t end = now() + 10000000000u;

	for (;;) {
		int error = process(driver, message);

		if (error)
			return error;
		if (driver->deadline > now() + LOCAL_ADDRESSES_CHECK / 2)
			return 0;
		if (now() > end)
			return message_error(message, ETIME, "routes change all the time");
		nanosleep(&(struct timespec){.tv_nsec = LOCAL_ADDRESSES_SETTLE}, NULL);
	}
}

static int print_results(const struct driver *driver, const char *arguments)
{
	static const char *const names[] = {"none", "input", "forward", "unknown", "none"};
	unsigned int first, last;

	if (sscanf(arguments, "%u %u", &first, &last) != 2 || last >= PROBE_RESULTS)
		return -EINVAL;
	for (unsigned int i = first; i <= last; i++) {
		const struct probe_result *result = &driver->results[i];

		printf("result %u %u %s %s\n", i, result->seen, names[result->selection],
		       result->out[0] ? result->out : "-");
	}
	return 0;
}

static void print_covered(const struct bpf_map *map)
{
	uint32_t ifindex, cover, *previous = NULL;

	for (; bpf_map_get_next_key(bpf_map__fd(map), previous, &ifindex) == 0; previous = &ifindex)
		if (bpf_map_lookup_elem(bpf_map__fd(map), &ifindex, &cover) == 0 && cover)
			printf("covered %u %u\n", ifindex, cover);
}

static int switch_programs(struct driver *driver, const char *arguments, struct message *message)
{
	struct devices_programs programs = programs_of(driver, strstr(arguments, "again") != NULL);
	enum devices_mode mode = strncmp(arguments, "xdp", 3) == 0 ? DEVICES_XDP : DEVICES_TC;

	int error = devices_switch_prepare(driver->devices, mode, &programs, message);

	if (!error)
		devices_switch_complete(driver->devices);
	return error;
}

static int obey(struct driver *driver, const char *command, struct message *message)
{
	if (strcmp(command, "status") == 0) {
		devices_for_each(driver->devices, print_status, "device");
	} else if (strcmp(command, "covered") == 0) {
		print_covered(driver->programs->maps.covered);
		print_covered(driver->programs->maps.covered_low);
	} else if (strcmp(command, "counters") == 0) {
		for (int i = 0; i < PROBE_COUNTERS; i++)
			printf("counter %llu\n", (unsigned long long)driver->counters[i]);
	} else if (strcmp(command, "reset") == 0) {
		memset(driver->results, 0, PROBE_RESULTS * sizeof(struct probe_result));
		memset(driver->counters, 0, PROBE_COUNTERS * sizeof(uint64_t));
	} else if (strncmp(command, "results ", 8) == 0) {
		return print_results(driver, command + 8);
	} else if (strcmp(command, "fresh") == 0) {
		return wait_until_fresh(driver, message);
	} else if (strncmp(command, "switch ", 7) == 0) {
		return switch_programs(driver, command + 7, message);
	} else {
		return message_error(message, EINVAL, "there is no command '%s'", command);
	}
	return 0;
}

static int wait_for_events(struct driver *driver)
{
	struct pollfd files[] = {
		{.fd = STDIN_FILENO, .events = POLLIN},
		{.fd = devices_fd(driver->devices), .events = POLLIN},
		{.fd = local_addresses_fd(driver->addresses), .events = POLLIN},
	};
	uint64_t time = now();
	int timeout = driver->deadline > time ? (int)((driver->deadline - time) / 1000000 + 1) : 0;

	if (poll(files, ARRAY_SIZE(files), timeout) < 0)
		return -errno;
	return files[0].revents != 0;
}

/* Until standard input ends. Its lines are read without a buffer, so that poll() tells of each. */
static int driver_run(struct driver *driver, struct message *message)
{
	char command[256];
	size_t length = 0;

	for (;;) {
		int input = wait_for_events(driver);
		int error = input < 0 ? input : process(driver, message);

		if (error)
			return error;
		if (!input)
			continue;
		if (read(STDIN_FILENO, &command[length], 1) != 1)
			return 0;
		if (command[length] != '\n') {
			length += length < sizeof(command) - 1;
			continue;
		}
		command[length] = '\0';
		length = 0;
		if (obey(driver, command, message))
			printf("failed: %s\n", message->text);
		else
			puts("done");
	}
}

static void driver_close(struct driver *driver)
{
	devices_close(driver->devices);
	local_addresses_close(driver->addresses);
	probe_bpf__destroy(driver->programs);
}

/* driver xdp|tc [EXCLUDED...] */
int main(int count, char **arguments)
{
	struct driver driver = {0};
	struct message message = {""};
	int error;

	setlinebuf(stdout);
	if (count < 2)
		return 2;
	for (int i = 2; i < count && driver.n_excluded < ARRAY_SIZE(driver.excluded); i++)
		driver.excluded[driver.n_excluded++] = arguments[i];
	error = driver_open(&driver, strcmp(arguments[1], "xdp") == 0 ? DEVICES_XDP : DEVICES_TC,
			    &message);
	if (!error) {
		puts("done");
		error = driver_run(&driver, &message);
	}
	if (error)
		printf("failed: %s\n", message.text);
	driver_close(&driver);
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
