// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Another hook takes over, so that each packet is judged by one of the two at least, and noted by
 * the first that it meets (abi/handover.h), so that it is judged by one of them only.
 *
 * All programs are attached before, and leave afterwards; arena_root.judges, one word, says who
 * judges. What comes in meets its device before netfilter's hook, what is sent the other way round;
 * so whoever comes later on the way has to judge, and look for notes, as long as there may be
 * packets that have passed the earlier place without having been judged there.
 *
 * netfilter -> device  N H      notes are made by LOCAL_OUT
 *                      N H I E  the devices' programs judge what comes in and note it for
 *                               netfilter's hooks; what is sent is noted for those at TC
 *                        H I E  nothing has passed a device unseen any more
 *                          I E
 * device -> netfilter    H I E  notes are made by what comes in
 *                      N H   E  netfilter's hooks judge what was not; what they have left alone
 *                               before is judged by TC
 *                      N        nothing has passed LOCAL_OUT unseen any more
 * device -> device       H I E  XDP makes notes, TC looks for them; the new programs are attached
 *                               beside the old ones, which leave then
 *                          I E
 */
#include "datapath/datapath_internal.h"
#include "datapath/handover.h"
#include "datapath/held_packets.h"

#include <errno.h>
#include <time.h>

#define TRY_AGAIN_NANOSECONDS 100000000ull

static bool is_on_devices(enum datapath_hook hook)
{
	return hook != DATAPATH_NETFILTER;
}

static enum devices_mode mode_of(enum datapath_hook hook)
{
	return hook == DATAPATH_XDP ? DEVICES_XDP : DEVICES_TC;
}

static void set_judges(struct datapath *datapath, uint32_t judges)
{
	handover_set_judges(&datapath->memory, judges);
}

static uint32_t steady_judges(enum datapath_hook hook)
{
	return is_on_devices(hook) ? JUDGES_INGRESS | JUDGES_EGRESS : JUDGES_NETFILTER;
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int check(const struct datapath *datapath, enum datapath_hook hook, struct message *message)
{
	int error = 0;

	if (datapath->change == HOOK_SETTLING)
		return message_error(message, EBUSY,
				     "packets of before the last change of the hook still wait for "
				     "a neighbour's address or a queue's verdict; try again");
	for (int family = 0; family < ARENA_FAMILIES && is_on_devices(hook) && !error; family++)
		error = generation_check_on_devices(&datapath->memory, datapath->current[family],
						    message);
	return error;
}

static void leave_devices(struct datapath *datapath)
{
	device_filter_close(datapath->devices);
	datapath->devices = NULL;
	datapath_set_limits(datapath);
}

/* The programs on devices do not judge yet. */
static int enter_devices(struct datapath *datapath, enum datapath_hook hook,
			 struct message *message)
{
	int error = datapath_attach_to_devices(datapath, hook, message);

	if (error)
		leave_devices(datapath);
	else
		datapath_set_limits(datapath);
	return error;
}

/* Accepted packets are noted from now on, by all that see them. */
static void begin_notes(struct datapath *datapath)
{
	set_judges(datapath, steady_judges(datapath->hook) | JUDGES_HANDOVER);
	handover_wait_for_programs();
}

int datapath_hook_prepare(struct datapath *datapath, enum datapath_hook hook,
			  struct message *message)
{
	int error = check(datapath, hook, message);

	if (!error)
		error = handover_open(&datapath->memory, &datapath->notes, message);
	if (error)
		return error;
	datapath->next_hook = hook;
	datapath->change = HOOK_PREPARED;
	/* Those at TC, which look for what LOCAL_OUT notes, have to be there before it does. */
	if (!is_on_devices(datapath->hook))
		error = enter_devices(datapath, hook, message);
	if (!error)
		begin_notes(datapath);
	if (!error && is_on_devices(datapath->hook) && is_on_devices(hook))
		error = device_filter_switch_prepare(datapath->devices, mode_of(hook), message);
	if (error) {
		datapath->next_hook = datapath->hook; /* there is nothing but the notes */
		datapath_hook_cancel(datapath);
	}
	return error;
}

static void stop_handover(struct datapath *datapath)
{
	set_judges(datapath, steady_judges(datapath->hook));
	handover_wait_for_programs();
	handover_close(&datapath->memory, &datapath->notes);
	datapath->change = HOOK_STEADY;
}

void datapath_hook_cancel(struct datapath *datapath)
{
	if (datapath->change != HOOK_PREPARED)
		return;
	if (is_on_devices(datapath->hook) && is_on_devices(datapath->next_hook) &&
	    datapath->hook != datapath->next_hook) {
		device_filter_switch_undo(datapath->devices);
		/* What the new programs have noted. */
		handover_wait_for_queues();
	} else if (is_on_devices(datapath->next_hook) && !is_on_devices(datapath->hook)) {
		leave_devices(datapath);
	}
	stop_handover(datapath);
}

void datapath_hook_commit(struct datapath *datapath)
{
	if (!is_on_devices(datapath->hook)) {
		device_filter_begin(datapath->devices);
		set_judges(datapath,
			   JUDGES_NETFILTER | JUDGES_HANDOVER | JUDGES_INGRESS | JUDGES_EGRESS);
	} else if (!is_on_devices(datapath->next_hook)) {
		set_judges(datapath, JUDGES_NETFILTER | JUDGES_HANDOVER | JUDGES_EGRESS);
	} else {
		/* What is between XDP and TC has not met the new program, if that is XDP. */
		handover_wait_for_queues();
		device_filter_switch_complete(datapath->devices);
	}
	datapath->previous_hook = datapath->hook;
	datapath->hook = datapath->next_hook;
	datapath->change = HOOK_SETTLING;
	datapath->begin = now();
	datapath->waited = false;
}

/* May there be packets that have passed one place unjudged, and have not come to the other yet? */
static bool are_under_way(const struct datapath *datapath)
{
	if (is_on_devices(datapath->hook) && is_on_devices(datapath->previous_hook))
		return false;
	if (held_packets_in_queues())
		return true;
	return !is_on_devices(datapath->hook) && held_packets_for_neighbours() &&
	       now() - datapath->begin < held_packets_neighbour_time();
}

bool datapath_hook_settle(struct datapath *datapath, uint64_t *ret_deadline)
{
	*ret_deadline = 0;
	if (datapath->change != HOOK_SETTLING)
		return true;
	if (!datapath->waited)
		handover_wait_for_queues();
	datapath->waited = true;
	if (are_under_way(datapath)) {
		*ret_deadline = now() + TRY_AGAIN_NANOSECONDS;
		return false;
	}
	/* What has been noted meets those who look for notes; nobody else has to judge any more. */
	set_judges(datapath, steady_judges(datapath->hook) | JUDGES_HANDOVER);
	handover_wait_for_queues();
	if (!is_on_devices(datapath->hook) && datapath->devices)
		leave_devices(datapath);
	stop_handover(datapath);
	return true;
}
