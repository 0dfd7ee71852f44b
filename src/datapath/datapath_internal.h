/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What datapath.c and hook_change.c share. */
#pragma once

#include "datapath/arena_memory.h"
#include "datapath/datapath.h"
#include "datapath/device_filter.h"
#include "datapath/generation.h"
#include "datapath/program.h"

/* How far a change of the hook has come. */
enum hook_change {
	HOOK_STEADY,
	HOOK_PREPARED,
	HOOK_SETTLING, /* the new programs judge; old ones look after packets that are still under
			  way */
};

struct datapath {
	struct datapath_options options; /* what was asked for at the start */
	struct program program;
	struct device_filter *devices; /* NULL: nothing is on devices */
	struct arena_memory memory;
	struct scratch scratch;
	struct match_states *states;
	struct delegation *delegation;
	struct generation_resources resources;
	struct generation *current[ARENA_FAMILIES];

	enum datapath_hook hook;
	enum hook_change change;
	enum datapath_hook next_hook;     /* while a change is prepared */
	enum datapath_hook previous_hook; /* while it settles */
	struct arena_block notes;         /* struct handover */
	uint64_t begin;                   /* of settling, CLOCK_MONOTONIC in nanoseconds */
	bool waited;                      /* for queues, since then */
};

/* What rules may ask for: less, as long as anything on devices may judge. */
void datapath_set_limits(struct datapath *datapath);

/* Loads the programs for devices, and attaches them; they judge when arena_root.judges says so. */
int datapath_attach_to_devices(struct datapath *datapath, enum datapath_hook hook,
			       struct message *message);
