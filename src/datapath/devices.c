// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/devices.h"

#include "abi/devices.h"
#include "common/cleanup.h"
#include "datapath/device_attachment.h"
#include "datapath/device_events.h"
#include "datapath/device_links.h"
#include "datapath/held_packets.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct device {
	struct device_description description;
	struct device_attachment attachment;
	struct message reason;
	/* From devices_switch_prepare() on: */
	struct device_change change;
	struct message next_reason;
	bool excluded;
	bool due;  /* something has happened to it */
	int error; /* of attaching, while that is under way */
	/* What has been reported last. */
	bool told;
	enum device_state told_state;
	struct message told_reason;
	bool seen; /* by the list that is being made */
	/*
	 * Until then (CLOCK_MONOTONIC, nanoseconds) datagrams may come of which the ingress program
	 * has not seen all fragments; 0: no more.
	 */
	uint64_t of_late;
};

struct devices {
	struct devices_options options;
	struct mnl_socket *socket;
	struct device **list; /* by ifindex */
	size_t n_devices;
	size_t capacity;
	/* From devices_switch_prepare() on. */
	size_t n_prepared;
	enum devices_mode next_mode;
	struct devices_programs next_programs;
	/* While devices_open() runs: its first failure, which ends it. */
	bool opening;
	int error;
	struct message message;
};

static const char *const state_names[DEVICE_STATES] = {
	[DEVICE_NATIVE] = "native",     [DEVICE_GENERIC] = "generic", [DEVICE_TC] = "tc",
	[DEVICE_EXCLUDED] = "excluded", [DEVICE_FAILED] = "failed",   [DEVICE_GONE] = "gone",
};

const char *device_state_name(enum device_state state)
{
	return state_names[state];
}

static bool name_matches(const char *name, const char *pattern)
{
	size_t length = strlen(pattern);

	if (length && pattern[length - 1] == '+')
		return strncmp(name, pattern, length - 1) == 0;
	return strcmp(name, pattern) == 0;
}

static bool is_excluded(const struct devices *devices, const char *name)
{
	for (size_t i = 0; i < devices->options.n_excluded; i++)
		if (name_matches(name, devices->options.excluded[i]))
			return true;
	return false;
}

static enum device_state state_of(const struct device *device)
{
	return device->excluded ? DEVICE_EXCLUDED : device->attachment.state;
}

static void tell(const struct device *device, enum device_state state, device_report report,
		 void *data)
{
	struct device_status status = {
		.ifindex = device->description.ifindex,
		.state = state,
		.reason = device->reason.text,
		.beside_others = device->attachment.beside_others,
	};

	memcpy(status.name, device->description.name, sizeof(status.name));
	report(data, &status);
}

static void report(const struct devices *devices, const struct device *device,
		   enum device_state state)
{
	if (devices->options.report && !devices->opening)
		tell(device, state, devices->options.report, devices->options.data);
}

static void report_beside_others(const struct devices *devices)
{
	for (size_t i = 0; i < devices->n_devices; i++)
		if (devices->list[i]->attachment.beside_others)
			report(devices, devices->list[i], state_of(devices->list[i]));
}

static int compare_ifindex(const void *key, const void *element)
{
	uint32_t ifindex = *(const uint32_t *)key;
	uint32_t other = (*(struct device *const *)element)->description.ifindex;

	return (ifindex > other) - (ifindex < other);
}

static struct device *find(const struct devices *devices, uint32_t ifindex)
{
	struct device **found = NULL;

	if (devices->n_devices)
		found = bsearch(&ifindex, devices->list, devices->n_devices,
				sizeof(struct device *), compare_ifindex);
	return found ? *found : NULL;
}

static int grow(struct devices *devices)
{
	size_t capacity = devices->capacity ? devices->capacity * 2 : 16;
	struct device **list;

	if (devices->n_devices < devices->capacity)
		return 0;
	list = reallocarray(devices->list, capacity, sizeof(struct device *));
	if (!list)
		return -ENOMEM;
	devices->list = list;
	devices->capacity = capacity;
	return 0;
}

static struct device *add(struct devices *devices, const struct device_description *description)
{
	struct device *device = calloc(1, sizeof(*device));
	size_t i;

	if (!device || grow(devices)) {
		free(device);
		return NULL;
	}
	device->description = *description;
	device->attachment = (struct device_attachment)DEVICE_DETACHED;
	for (i = devices->n_devices;
	     i && devices->list[i - 1]->description.ifindex > description->ifindex; i--)
		devices->list[i] = devices->list[i - 1];
	devices->list[i] = device;
	devices->n_devices++;
	return device;
}

/* Are the programs still there? They leave with the device, whose number another may have now. */
static bool is_attached(const struct device *device)
{
	return device->attachment.state != DEVICE_FAILED &&
	       device_link_ifindex(device->attachment.egress) == device->description.ifindex;
}

/* Tells the programs of other hooks which devices need none of them. */
static void note_cover(const struct devices *devices, const struct device *device)
{
	__u32 cover = 0;

	if (devices->options.covered < 0)
		return;
	if (device->excluded || device->attachment.ingress >= 0)
		cover |= DEVICE_COVERED_INGRESS;
	if (device->excluded || device->attachment.egress >= 0)
		cover |= DEVICE_COVERED_EGRESS;
	if (device->excluded)
		cover |= DEVICE_COVERED_EXCLUDED;
	else if (device->of_late && cover & DEVICE_COVERED_INGRESS)
		cover |= DEVICE_COVERED_OF_LATE;
	if (device->description.ifindex < DEVICES_COVERED_LOW)
		bpf_map_update_elem(devices->options.covered_low, &device->description.ifindex,
				    &cover, BPF_ANY);
	else if (cover)
		bpf_map_update_elem(devices->options.covered, &device->description.ifindex, &cover,
				    BPF_ANY);
	else
		bpf_map_delete_elem(devices->options.covered, &device->description.ifindex);
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* Returns when to be called again; 0: not at all. */
static uint64_t forget_lateness(struct devices *devices)
{
	uint64_t time = now(), next = 0;

	for (size_t i = 0; i < devices->n_devices; i++) {
		struct device *device = devices->list[i];

		if (device->of_late && device->of_late <= time) {
			device->of_late = 0;
			note_cover(devices, device);
		}
		if (device->of_late && (!next || device->of_late < next))
			next = device->of_late;
	}
	return next;
}

static void detach(struct devices *devices, struct device *device)
{
	struct device_attachment attachment = device->attachment;

	/* Others take over before we leave. */
	device->attachment = (struct device_attachment)DEVICE_DETACHED;
	note_cover(devices, device);
	device_attachment_remove(&attachment);
}

static void drop(struct devices *devices, struct device *device)
{
	size_t i = 0;

	while (devices->list[i] != device)
		i++;
	devices->n_devices--;
	memmove(&devices->list[i], &devices->list[i + 1],
		(devices->n_devices - i) * sizeof(struct device *));
	device->excluded = false;
	detach(devices, device);
	free(device);
}

static void lose_device(struct devices *devices, const struct device_description *description)
{
	struct device lost = {
		.description = *description,
		.reason = {"out of memory"},
	};

	if (devices->opening)
		devices->error = message_error(&devices->message, ENOMEM, "out of memory");
	report(devices, &lost, DEVICE_FAILED);
}

static void on_gone_device(struct devices *devices, struct device *device)
{
	if (device->told)
		report(devices, device, DEVICE_GONE);
	drop(devices, device);
}

/* Notes what is to be done; attach_all() does it, when the events have been read. */
static void on_event(void *data, const struct device_description *description, bool gone)
{
	struct devices *devices = data;
	struct device *device = find(devices, description->ifindex);

	if (gone) {
		if (device)
			on_gone_device(devices, device);
		return;
	}
	if (!device)
		device = add(devices, description);
	if (!device) {
		lose_device(devices, description);
		return;
	}
	device->seen = true;
	device->due = true;
	device->description = *description;
	device->excluded = is_excluded(devices, description->name);
}

static void begin(struct devices *devices, struct device *device)
{
	if (device->excluded) {
		detach(devices, device);
		device->reason.text[0] = '\0';
		device->error = 0;
	} else if (is_attached(device)) {
		device->due = false;
	} else {
		detach(devices, device);
		device->of_late = now() + held_packets_fragment_time();
		device->error = device_attachment_ingress(
			&device->attachment, &device->description, devices->options.mode,
			&devices->options.programs, !devices->opening, &device->reason);
	}
}

static void finish(struct devices *devices, struct device *device)
{
	struct message before = device->told_reason;

	device->due = false;
	if (!device->excluded && device->error != -ENODEV)
		device->error =
			device_attachment_egress(&device->attachment, &device->description,
						 &devices->options.programs, &device->reason);
	if (device->error == -ENODEV) {
		on_gone_device(devices, device);
		return;
	}
	note_cover(devices, device);
	if (device->error && devices->opening && !devices->error) {
		devices->error = device->error;
		devices->message = device->reason;
	}
	if (device->told && device->told_state == state_of(device) &&
	    strcmp(before.text, device->reason.text) == 0)
		return;
	device->told = true;
	device->told_state = state_of(device);
	device->told_reason = device->reason;
	report(devices, device, state_of(device));
}

static void attach_all(struct devices *devices)
{
	for (size_t i = 0; i < devices->n_devices; i++)
		if (devices->list[i]->due)
			begin(devices, devices->list[i]);
	for (size_t i = devices->n_devices; i-- > 0;)
		if (devices->list[i]->due)
			finish(devices, devices->list[i]);
}

/* After events were lost. */
static int list_again(struct devices *devices)
{
	int error;

	for (size_t i = 0; i < devices->n_devices; i++)
		devices->list[i]->seen = false;
	error = device_events_list(on_event, devices);
	if (error)
		return error;
	for (size_t i = devices->n_devices; i-- > 0;) {
		if (!devices->list[i]->seen)
			on_gone_device(devices, devices->list[i]);
	}
	return 0;
}

static int copy_excluded(struct devices *devices, const struct devices_options *options)
{
	char **copies = calloc(options->n_excluded + 1, sizeof(char *));

	devices->options.excluded = (const char *const *)copies;
	devices->options.n_excluded = 0;
	if (!copies)
		return -ENOMEM;
	for (size_t i = 0; i < options->n_excluded; i++) {
		copies[i] = strdup(options->excluded[i]);
		if (!copies[i])
			return -ENOMEM;
		devices->options.n_excluded++;
	}
	return 0;
}

static int open_devices(struct devices *devices, struct message *message)
{
	int error = device_events_listen(&devices->socket, message);

	if (error)
		return error;
	devices->opening = true;
	error = device_events_list(on_event, devices);
	if (!error)
		attach_all(devices);
	devices->opening = false;
	if (error)
		return message_error(message, -error, "cannot list the network devices: %s",
				     strerror(-error));
	if (devices->error)
		return message_error(message, -devices->error, "%s", devices->message.text);
	report_beside_others(devices);
	return 0;
}

int devices_open(const struct devices_options *options, struct devices **ret_devices,
		 struct message *message)
{
	struct devices *devices = calloc(1, sizeof(*devices));
	int error;

	if (!devices)
		return message_error(message, ENOMEM, "out of memory");
	devices->options = *options;
	error = copy_excluded(devices, options);
	if (error)
		message_error(message, ENOMEM, "out of memory");
	else
		error = open_devices(devices, message);
	if (error) {
		devices_close(devices);
		return error;
	}
	*ret_devices = devices;
	return 0;
}

void devices_close(struct devices *devices)
{
	if (!devices)
		return;
	while (devices->n_devices)
		drop(devices, devices->list[devices->n_devices - 1]);
	for (size_t i = 0; i < devices->options.n_excluded; i++)
		free((char *)(uintptr_t)devices->options.excluded[i]);
	free((void *)(uintptr_t)devices->options.excluded);
	free(devices->list);
	if (devices->socket)
		mnl_socket_close(devices->socket);
	free(devices);
}

void devices_begin(struct devices *devices)
{
	uint64_t of_late = now() + held_packets_fragment_time();

	for (size_t i = 0; i < devices->n_devices; i++) {
		devices->list[i]->of_late = of_late;
		note_cover(devices, devices->list[i]);
	}
}

int devices_fd(const struct devices *devices)
{
	return mnl_socket_get_fd(devices->socket);
}

int devices_process_events(struct devices *devices, uint64_t *ret_deadline, struct message *message)
{
	int error = device_events_receive(devices->socket, on_event, devices);

	if (error == -ENOBUFS) {
		error = list_again(devices);
		if (!error)
			error = device_events_receive(devices->socket, on_event, devices);
		/* Lost again: what is left in the socket wakes the caller once more. */
		if (error == -ENOBUFS)
			error = list_again(devices);
	}
	attach_all(devices);
	*ret_deadline = forget_lateness(devices);
	if (error)
		return message_error(message, -error, "cannot follow the network devices: %s",
				     strerror(-error));
	return 0;
}

static int prepare_all(struct devices *devices, enum devices_mode mode,
		       const struct devices_programs *programs, struct message *message)
{
	for (size_t i = 0; i < devices->n_devices; i++) {
		struct device *device = devices->list[i];
		int error;

		devices->n_prepared = i + 1;
		device->change = (struct device_change){.new_ingress = -1,
							.state = device->attachment.state};
		device->next_reason = device->reason;
		if (device->excluded || !is_attached(device))
			continue;
		device->next_reason.text[0] = '\0';
		error = device_change_prepare(&device->change, &device->attachment,
					      &device->description, mode, programs,
					      &device->next_reason);
		/* Its end is among the events that wait. */
		if (error == -ENODEV || error == -ENOLINK)
			continue;
		if (error)
			return message_error(message, -error, "%s", device->next_reason.text);
	}
	return 0;
}

int devices_switch_prepare(struct devices *devices, enum devices_mode mode,
			   const struct devices_programs *programs, struct message *message)
{
	int error = prepare_all(devices, mode, programs, message);

	if (error) {
		devices_switch_undo(devices);
		return error;
	}
	devices->next_mode = mode;
	devices->next_programs = *programs;
	return 0;
}

void devices_switch_undo(struct devices *devices)
{
	for (size_t i = 0; i < devices->n_prepared; i++)
		device_change_undo(&devices->list[i]->change, &devices->list[i]->attachment,
				   &devices->options.programs);
	devices->n_prepared = 0;
}

void devices_switch_complete(struct devices *devices)
{
	for (size_t i = 0; i < devices->n_prepared; i++) {
		struct device *device = devices->list[i];

		device_change_complete(&device->change, &device->attachment);
		device->reason = device->told_reason = device->next_reason;
		device->told_state = state_of(device);
	}
	devices->n_prepared = 0;
	devices->options.mode = devices->next_mode;
	devices->options.programs = devices->next_programs;
	report_beside_others(devices);
}

void devices_for_each(const struct devices *devices, device_report report, void *data)
{
	for (size_t i = 0; i < devices->n_devices; i++)
		tell(devices->list[i], state_of(devices->list[i]), report, data);
}
