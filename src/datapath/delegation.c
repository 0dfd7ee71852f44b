// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/delegation.h"

#include "common/cleanup.h"
#include "datapath/delegation_chains.h"
#include "docket.skel.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <string.h>
#include <sys/syscall.h>

struct delegation {
	struct arena_memory *memory;
	int arena_fd;
	struct docket_bpf *skeleton; /* NULL until something is delegated */
	struct arena_block dockets;
	struct delegation_chains chains[ARENA_FAMILIES];
};

static struct delegation_chains *chains_of(struct delegation *delegation, uint8_t family)
{
	return &delegation->chains[family == NFPROTO_IPV6 ? ARENA_IPV6 : ARENA_IPV4];
}

int delegation_new(struct arena_memory *memory, int arena_fd, struct delegation **ret_delegation,
		   struct message *message)
{
	struct delegation *delegation = calloc(1, sizeof(*delegation));

	if (!delegation)
		return message_error(message, ENOMEM, "out of memory");
	delegation->memory = memory;
	delegation->arena_fd = arena_fd;
	delegation_chains_init(&delegation->chains[ARENA_IPV4], NFPROTO_IPV4);
	delegation_chains_init(&delegation->chains[ARENA_IPV6], NFPROTO_IPV6);
	*ret_delegation = delegation;
	return 0;
}

void delegation_free(struct delegation *delegation)
{
	if (!delegation)
		return;
	for (int family = 0; family < ARENA_FAMILIES; family++)
		delegation_chains_close(&delegation->chains[family]);
	docket_bpf__destroy(delegation->skeleton);
	arena_memory_release(delegation->memory, delegation->dockets);
	free(delegation);
}

void delegation_set_priority(struct delegation *delegation, uint8_t family, int priority)
{
	chains_of(delegation, family)->priority = priority;
}

static int load_programs(struct delegation *delegation, struct message *message)
{
	struct docket_bpf *skeleton = docket_bpf__open();
	int error = skeleton ? bpf_map__set_map_extra(skeleton->maps.arena, ARENA_ADDRESS) : -errno;

	if (!error)
		error = bpf_map__reuse_fd(skeleton->maps.arena, delegation->arena_fd);
	if (!error)
		error = docket_bpf__load(skeleton);
	if (error) {
		docket_bpf__destroy(skeleton);
		return message_error(message, -error,
				     "cannot load the programs that hand packets to the kernel's "
				     "own targets: %s",
				     strerror(-error));
	}
	delegation->skeleton = skeleton;
	return 0;
}

static void name_programs(struct delegation *delegation)
{
	const struct docket_bpf *skeleton = delegation->skeleton;
	struct docket_programs programs = {
		.begin = bpf_program__fd(skeleton->progs.docket_begin),
		.step = bpf_program__fd(skeleton->progs.docket_step),
		.note = bpf_program__fd(skeleton->progs.docket_note),
		.present = bpf_program__fd(skeleton->progs.docket_present),
		.done = bpf_program__fd(skeleton->progs.docket_done),
		.last = bpf_program__fd(skeleton->progs.docket_last),
	};

	for (int bit = 0; bit < (int)DOCKET_BITS; bit++) {
		char name[] = "docket_bit_00";

		snprintf(name, sizeof(name), "docket_bit_%d", bit);
		programs.bit[bit] =
			bpf_program__fd(bpf_object__find_program_by_name(skeleton->obj, name));
	}
	for (int family = 0; family < ARENA_FAMILIES; family++)
		delegation->chains[family].programs = programs;
}

/* From now on every packet that is judged is looked up among the dockets. */
static int make_dockets(struct delegation *delegation, struct message *message)
{
	struct arena_root *root = arena_memory_root(delegation->memory);
	struct arena_block *block = &delegation->dockets;

	if (!block->size &&
	    arena_memory_take(delegation->memory, sizeof(struct arena_dockets), block))
		return message_error(message, ENOMEM, "the arena has no room for dockets");
	if (!root->dockets) {
		memset(arena_memory_at(delegation->memory, block->position), 0, block->size);
		__atomic_store_n(&root->dockets, (uint32_t)block->position, __ATOMIC_SEQ_CST);
	}
	return 0;
}

static int prepare(struct delegation *delegation, struct message *message)
{
	int error = 0;

	if (!delegation->skeleton) {
		error = load_programs(delegation, message);
		if (!error)
			name_programs(delegation);
	}
	return error ? error : make_dockets(delegation, message);
}

int delegation_take(struct delegation *delegation, struct ruleset *ruleset, struct message *message)
{
	struct delegation_chains *chains = chains_of(delegation, ruleset->family);
	uint32_t taken = 0;
	int error;

	if (!ruleset->n_delegates)
		return 0;
	error = prepare(delegation, message);
	while (!error && taken < ruleset->n_delegates) {
		error = delegation_chains_add(chains, &ruleset->delegates[taken], message);
		taken += !error;
	}
	if (!error)
		error = delegation_chains_publish(chains, message);
	if (error) {
		while (taken)
			delegation_chains_remove(chains, &ruleset->delegates[--taken]);
		delegation_settle(delegation, ruleset->family);
	}
	return error;
}

void delegation_release(struct delegation *delegation, const struct ruleset *ruleset)
{
	struct delegation_chains *chains = chains_of(delegation, ruleset->family);

	for (uint32_t i = 0; i < ruleset->n_delegates; i++)
		delegation_chains_remove(chains, &ruleset->delegates[i]);
}

void delegation_settle(struct delegation *delegation, uint8_t family)
{
	delegation_chains_settle(chains_of(delegation, family));
	if (delegation->chains[ARENA_IPV4].published || delegation->chains[ARENA_IPV6].published)
		return;
	__atomic_store_n(&arena_memory_root(delegation->memory)->dockets, 0, __ATOMIC_SEQ_CST);
}
