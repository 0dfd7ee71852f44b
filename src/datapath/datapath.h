/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The filter in the kernel: one eBPF program per family on the namespace's netfilter hooks, the
 * arena with the classifier images, and generations of rulesets that replace each other atomically.
 * Works on the network namespace of the calling thread. Not thread-safe: one owner.
 */
#pragma once

#include "common/message.h"
#include "datapath/devices.h"
#include "datapath/recent_lists.h"
#include "datapath/tracker.h"
#include "ruleset/ruleset.h"

#include <linux/netfilter/x_tables.h>
#include <stdbool.h>
#include <stdint.h>

struct datapath;

/* Where packets are judged. */
enum datapath_hook {
	DATAPATH_NETFILTER,
	DATAPATH_XDP, /* INPUT and FORWARD at XDP where that is possible, OUTPUT at TC */
	DATAPATH_TC,
};

struct datapath_options {
	enum datapath_hook hook;
	/*
	 * The rest is for hooks on devices: see datapath/device_filter.h. What it points to stays
	 * as long as the datapath.
	 */
	struct tracker_sizes sizes;
	const char *const *excluded;
	size_t n_excluded;
	device_report report;
	void *data;
};

/*
 * Loads the programs and maps the arena, installs an empty table (policy ACCEPT) for each family,
 * and attaches the programs. Errors, with a reason in @message: EPERM, EBUSY (no hook priority is
 * free, or a device has another XDP program), ENOSYS/EINVAL (kernel too old), ENOMEM ...
 * Nothing stays attached on failure.
 */
int datapath_open(const struct datapath_options *options, struct datapath **ret_datapath,
		  struct message *message);

/* Detaches and frees everything; accepts NULL. */
void datapath_close(struct datapath *datapath);

/* The hook that judges; while it changes the old one until datapath_hook_commit(). */
enum datapath_hook datapath_hook(const struct datapath *datapath);

/*
 * Changes the hook, without a moment in which a packet is not judged. All that can fail is done by
 * the first of three steps; packets go on to be judged as before, and on failure nothing has
 * changed: EBUSY (a change has not settled yet, or a device has somebody else's XDP program),
 * EOPNOTSUPP (a table has rules that @hook cannot enforce), ENOMEM, and what the kernel says; the
 * reason is in @message. @hook is another than datapath_hook(). Then datapath_devices() is there if
 * @hook is on devices, and is owned by the datapath as ever.
 */
int datapath_hook_prepare(struct datapath *datapath, enum datapath_hook hook,
			  struct message *message);

/* Undoes the first step; may be called at any time. */
void datapath_hook_cancel(struct datapath *datapath);

/* The second: from now on @hook judges. */
void datapath_hook_commit(struct datapath *datapath);

/*
 * The third: what is not needed any more leaves, as soon as no packet can be under way that has not
 * been judged. Returns whether that is done; if not it is to be called again at *@ret_deadline
 * (CLOCK_MONOTONIC, nanoseconds). If the hook is netfilter's now, datapath_devices() is not to be
 * used any more.
 */
bool datapath_hook_settle(struct datapath *datapath, uint64_t *ret_deadline);

/* What follows the devices; NULL at netfilter's hooks. Owned by the datapath. */
struct device_filter *datapath_devices(const struct datapath *datapath);

/* Hooks on devices: the connection tracker; NULL at netfilter's. Owned by the datapath. */
const struct tracker *datapath_tracker(const struct datapath *datapath);

/*
 * Hooks on devices: whether connections are tracked. At netfilter's hooks the kernel does that
 * (daemon/conntrack_switch.h).
 */
void datapath_track(struct datapath *datapath, uint8_t family, bool on);

/* How many actions of rules were lost so far for want of room (docs/delegation.md). */
uint64_t datapath_undelegated(const struct datapath *datapath);

/* The table in force; owned by the datapath, valid until the next datapath_replace(). */
const struct ruleset *datapath_ruleset(const struct datapath *datapath, uint8_t family);

/*
 * Compiles @ruleset and puts it in force for its family: from one packet to the next, without a
 * moment in between. Takes ownership of @ruleset on success only. The new rules' counters are 0.
 * On success and if @ret_counters is not NULL, stores there the final counters of the table that
 * was replaced, one for each of its entries, to be freed by the caller: no packet is missing.
 * On failure (ENOMEM, E2BIG with a reason) nothing has changed.
 */
int datapath_replace(struct datapath *datapath, struct ruleset *ruleset,
		     struct xt_counters **ret_counters, struct message *message);

/* Stores the counters of the table in force, one for each entry. Freed by the caller. ENOMEM. */
int datapath_counters(struct datapath *datapath, uint8_t family, struct xt_counters **ret_counters);

/*
 * Adds to the counters of the table in force. EINVAL if @n_counters is not its number of entries
 * (ip_tables.c do_add_counters()).
 */
int datapath_add_counters(struct datapath *datapath, uint8_t family,
			  const struct xt_counters *counters, uint32_t n_counters);

/* Does a rule of a table in force ask for the time of day? */
bool datapath_asks_for_time(const struct datapath *datapath);

/*
 * Looks up what eBPF does not know of the clock (datapath/wall_clock.h). To be called every now and
 * then while a rule asks for the time of day; datapath_replace() does it for a table with such
 * rules.
 */
void datapath_follow_clock(struct datapath *datapath);
/* The lists of -m recent, to be read and written (datapath/recent_lists.h). */
struct recent_lists *datapath_recent_lists(const struct datapath *datapath);

/*
 * The program of @family (NFPROTO_IPV4), for test runs and for tools that list what is loaded: a
 * file descriptor that the datapath owns, or -EAFNOSUPPORT.
 */
int datapath_program_fd(const struct datapath *datapath, uint8_t family);
