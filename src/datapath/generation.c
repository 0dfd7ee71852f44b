// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/generation.h"

#include "bpf/classify.h"
#include "common/cleanup.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define COUNTERS_PER_LINE (64 / sizeof(struct arena_counter))

static const unsigned int hook_numbers[ARENA_HOOKS] = {
	[ARENA_INPUT] = NF_INET_LOCAL_IN,
	[ARENA_FORWARD] = NF_INET_FORWARD,
	[ARENA_OUTPUT] = NF_INET_LOCAL_OUT,
};

static void release_image(struct arena_memory *memory, struct hook_image *image)
{
	if (!image || --image->references)
		return;
	arena_memory_release(memory, image->block);
	compiled_free(&image->compiled);
	free(image);
}

/*
 * Takes arena memory for what has been compiled into @scratch, and copies it there: an image works
 * at any address. Compiling in place would need a hole whose size nobody knows yet; to take the
 * largest would be to go on to ever new pages, and the arena's pages are never given back.
 */
static int place_image(struct arena_memory *memory, const struct scratch *scratch,
		       struct hook_image *image, struct message *message)
{
	uint32_t size = image->compiled.size;

	if (arena_memory_take(memory, size, &image->block))
		return message_error(message, ENOMEM, "the arena has no room left for %u KiB",
				     size >> 10);
	memcpy(arena_memory_at(memory, image->block.position), scratch->memory, size);
	return 0;
}

/* What hooks on devices cannot know is refused there. */
static int refuse_nat(const struct image *image, const struct ruleset *ruleset, int hook,
		      struct message *message)
{
	if (!(image->needs & IMAGE_NEEDS_NAT))
		return 0;
	return message_error(message, EOPNOTSUPP,
			     "%s: the connection states SNAT and DNAT are known at the netfilter "
			     "hook only (bpf-iptablesd --hook netfilter)",
			     ruleset_base_chain(ruleset, hook_numbers[hook])->name);
}

static int refuse_delegates(const struct ruleset *ruleset, struct message *message)
{
	const struct extension *extension;

	if (!ruleset->n_delegates)
		return 0;
	extension = ruleset->delegates[0].extension;
	return message_error(
		message, EOPNOTSUPP,
		extension->kind == EXTENSION_MATCH
			? "match \"%s\" is asked in front of the netfilter hook only "
			  "(bpf-iptablesd --hook netfilter)"
			: "target \"%s\" is carried out behind the netfilter hook only "
			  "(bpf-iptablesd --hook netfilter)",
		extension->name);
}

/* What packets have only once the kernel has an skb of them, and has routed it, is refused. */
static int refuse_matches(const struct ruleset *ruleset, struct message *message)
{
	uint32_t index = ruleset->skb_match_entry;

	if (!ruleset->skb_match)
		return 0;
	return message_error(message, EOPNOTSUPP,
			     "filter %s rule %u: what match \"%s\" looks at is known at the "
			     "netfilter hook only (bpf-iptablesd --hook netfilter)",
			     ruleset->chains[ruleset->entries[index].chain].name,
			     ruleset_rule_number(ruleset, index), ruleset->skb_match->name);
}

int generation_check_on_devices(const struct arena_memory *memory,
				const struct generation *generation, struct message *message)
{
	int error = refuse_delegates(generation->ruleset, message);

	if (!error)
		error = refuse_matches(generation->ruleset, message);
	for (int hook = 0; hook < ARENA_HOOKS && !error; hook++)
		error = refuse_nat(
			arena_memory_at(memory, generation->images[hook]->block.position),
			generation->ruleset, hook, message);
	return error;
}

static int new_image(const struct generation_resources *resources, const struct ruleset *ruleset,
		     int hook, const struct generation *before, struct hook_image **ret_image,
		     struct message *message)
{
	const struct scratch *scratch = resources->scratch;
	struct hook_image *image = calloc(1, sizeof(*image));
	struct compiled_before compiled_before;
	int error;

	if (!image)
		return message_error(message, ENOMEM, "out of memory");
	image->references = 1;
	if (before)
		compiled_before =
			(struct compiled_before){before->ruleset, &before->images[hook]->compiled};
	error = compiler_compile(ruleset, hook_numbers[hook], before ? &compiled_before : NULL,
				 scratch->memory, scratch->size, &image->compiled, message);
	if (!error && resources->without_nat)
		error = refuse_nat(scratch->memory, ruleset, hook, message);
	if (!error)
		error = place_image(resources->memory, scratch, image, message);
	if (error) {
		release_image(resources->memory, image);
		return error;
	}
	*ret_image = image;
	return 0;
}

/* Arena memory, zeroed: pages that user space has not touched would swallow what eBPF writes. */
static int take_zeroed(struct arena_memory *memory, uint64_t size, struct arena_block *ret_block,
		       struct message *message)
{
	int error = arena_memory_take(memory, size, ret_block);

	if (error)
		return message_error(message, -error, "the arena has no room left for %llu KiB",
				     (unsigned long long)size >> 10);
	memset(arena_memory_at(memory, ret_block->position), 0, ret_block->size);
	return 0;
}

static uint32_t counters_per_lane(const struct hook_image *image)
{
	uint32_t lines = (image->compiled.n_counters + COUNTERS_PER_LINE - 1) / COUNTERS_PER_LINE;

	return lines * COUNTERS_PER_LINE;
}

static int take_hook(const struct generation_resources *resources, struct generation *generation,
		     int hook, const struct generation *before, bool same, struct message *message)
{
	uint64_t size;
	int error = 0;

	if (same) {
		generation->images[hook] = before->images[hook];
		generation->images[hook]->references++;
	} else {
		error = new_image(resources, generation->ruleset, hook, before,
				  &generation->images[hook], message);
	}
	if (error)
		return error;
	size = (generation->lanes + 1ull) * counters_per_lane(generation->images[hook]) *
	       sizeof(struct arena_counter);
	return take_zeroed(resources->memory, size, &generation->counters[hook], message);
}

/* Return stacks, if a hook nests more deeply than a walk's own stack. */
static int take_stacks(struct arena_memory *memory, struct generation *generation,
		       struct arena_generation *header, struct message *message)
{
	uint32_t depth = 0;
	uint64_t size;

	for (int hook = 0; hook < ARENA_HOOKS; hook++)
		if (generation->images[hook]->compiled.depth > depth)
			depth = generation->images[hook]->compiled.depth;
	if (depth <= WALK_SHALLOW)
		return 0;
	header->stack_entries = depth - WALK_SHALLOW;
	size = sizeof(struct arena_stack) + (uint64_t)header->stack_entries * sizeof(uint32_t);
	size = (size + 63) / 64 * 64;
	header->stack_size = (uint32_t)size;
	if (take_zeroed(memory, size * ARENA_STACKS, &generation->stacks, message))
		return -ENOMEM;
	header->stacks = (uint32_t)generation->stacks.position;
	return 0;
}

/* Without rules a packet need not even be read. */
static uint32_t image_always(const struct image *image)
{
	if (image->n_bits)
		return IMAGE_RULE_LONG;
	return (image->n_counters - 1) | (image->policy == IMAGE_ACCEPT ? IMAGE_RULE_ACCEPT : 0);
}

/* What the program needs to know of a hook's ruleset before it looks into the image. */
static void describe_hook(const struct arena_memory *memory, const struct generation *generation,
			  int hook, struct arena_ruleset *ruleset)
{
	const struct hook_image *hook_image = generation->images[hook];
	const struct image *image = arena_memory_at(memory, hook_image->block.position);

	*ruleset = (struct arena_ruleset){
		.image = (uint32_t)hook_image->block.position,
		.counters = (uint32_t)generation->counters[hook].position,
		.counters_stride =
			counters_per_lane(hook_image) * (uint32_t)sizeof(struct arena_counter),
		.needs = image->needs,
		.tag = ++arena_memory_root(memory)->last_tag,
		.always = image_always(image),
		.by_state = image->by_state ? (uint32_t)hook_image->block.position + image->by_state
					    : 0,
	};
	memcpy(ruleset->key_mask, image->key_mask, sizeof(ruleset->key_mask));
}

/* What the rules delegate gets its numbers before they are compiled. */
static int take_delegates(const struct generation_resources *resources,
			  struct generation *generation, struct message *message)
{
	struct ruleset *ruleset = generation->ruleset;
	int error;

	if (!ruleset->n_delegates)
		return 0;
	if (!resources->delegation)
		return refuse_delegates(ruleset, message);
	error = delegation_take(resources->delegation, ruleset, message);
	if (!error)
		generation->delegation = resources->delegation;
	return error;
}

/* What matches keep gets its place before they are compiled. */
static int take_states(const struct generation_resources *resources, struct generation *generation,
		       const struct generation *before, struct message *message)
{
	int error = match_states_take(resources->states, generation->ruleset,
				      before ? before->ruleset : NULL, message);

	if (!error)
		generation->states = resources->states;
	return error;
}

static int fill_generation(const struct generation_resources *resources,
			   struct generation *generation, const struct generation *before,
			   struct message *message)
{
	bool same = before && ruleset_equal(before->ruleset, generation->ruleset);
	struct arena_memory *memory = resources->memory;
	struct arena_generation *header;
	int error = 0;

	generation->added = calloc(generation->ruleset->n_entries, sizeof(*generation->added));
	if (!generation->added)
		return message_error(message, ENOMEM, "out of memory");
	if (resources->without_skb)
		error = refuse_matches(generation->ruleset, message);
	if (!error)
		error = take_delegates(resources, generation, message);
	if (!error)
		error = take_states(resources, generation, before, message);
	if (!error)
		error = take_zeroed(memory, sizeof(*header), &generation->header, message);
	for (int hook = 0; hook < ARENA_HOOKS && !error; hook++)
		error = take_hook(resources, generation, hook, before, same, message);
	if (error)
		return error;
	header = arena_memory_at(memory, generation->header.position);
	for (int hook = 0; hook < ARENA_HOOKS; hook++)
		describe_hook(memory, generation, hook, &header->hook[hook]);
	return take_stacks(memory, generation, header, message);
}

static void release_delegates(struct generation *generation)
{
	if (!generation->delegation)
		return;
	delegation_release(generation->delegation, generation->ruleset);
	delegation_settle(generation->delegation, generation->ruleset->family);
	generation->delegation = NULL;
}

static void release_states(struct generation *generation)
{
	if (generation->states)
		match_states_release(generation->states, generation->ruleset);
	generation->states = NULL;
}

int generation_new(const struct generation_resources *resources, struct ruleset *ruleset,
		   const struct generation *before, struct generation **ret_generation,
		   struct message *message)
{
	struct generation *generation = calloc(1, sizeof(*generation));
	int error;

	if (!generation)
		return message_error(message, ENOMEM, "out of memory");
	generation->ruleset = ruleset;
	generation->lanes = resources->lanes;
	error = fill_generation(resources, generation, before, message);
	scratch_trim(resources->scratch);
	if (error) {
		release_delegates(generation);
		release_states(generation);
		generation->ruleset = NULL;
		generation_free(resources->memory, generation);
		return error;
	}
	*ret_generation = generation;
	return 0;
}

void generation_free(struct arena_memory *memory, struct generation *generation)
{
	if (!generation)
		return;
	release_delegates(generation);
	release_states(generation);
	for (int hook = 0; hook < ARENA_HOOKS; hook++) {
		release_image(memory, generation->images[hook]);
		arena_memory_release(memory, generation->counters[hook]);
	}
	arena_memory_release(memory, generation->stacks);
	arena_memory_release(memory, generation->header);
	ruleset_free(generation->ruleset);
	free(generation->added);
	free(generation);
}

static bool lane_is_held_in(const struct arena_root *root, uint64_t position)
{
	for (uint32_t lane = 0; lane < ARENA_CPUS; lane++)
		if (*(const volatile __u64 *)&root->lane[lane].holder == position)
			return true;
	return false;
}

static uint64_t walks_under_way(const struct arena_root *root, enum arena_family family,
				uint32_t parity)
{
	uint64_t sum = 0;

	for (uint32_t cpu = 0; cpu < ARENA_CPUS; cpu++)
		sum += *(const volatile __u64 *)&root->readers[family][cpu].under_way[parity];
	return sum;
}

void generation_flip(struct arena_memory *memory, enum arena_family family,
		     const struct generation *generation)
{
	static const struct timespec pause = {.tv_nsec = 20000};
	struct arena_root *root = arena_memory_root(memory);
	uint64_t before = root->current[family];
	uint32_t old_parity = before & 1;

	/*
	 * The exchange is a full barrier, as is the walk's announcement (bpf/generation.h,
	 * take_lane() and enter_generation()): a walk that read the old position has announced
	 * itself before we look, or sees the new one when it looks again. No walk can begin in the
	 * old generation after that, so what is over once stays so.
	 */
	__atomic_exchange_n(&root->current[family], generation->header.position | !old_parity,
			    __ATOMIC_SEQ_CST);
	while ((before && lane_is_held_in(root, before)) ||
	       walks_under_way(root, family, old_parity))
		nanosleep(&pause, NULL);
	atomic_thread_fence(memory_order_acquire);
}

void generation_read_counters(const struct arena_memory *memory,
			      const struct generation *generation, struct xt_counters *counters)
{
	memcpy(counters, generation->added, generation->ruleset->n_entries * sizeof(*counters));
	for (int hook = 0; hook < ARENA_HOOKS; hook++) {
		const struct compiled *compiled = &generation->images[hook]->compiled;
		uint32_t stride = counters_per_lane(generation->images[hook]);
		const volatile struct arena_counter *from =
			arena_memory_at(memory, generation->counters[hook].position);

		for (uint32_t lane = 0; lane <= generation->lanes; lane++, from += stride) {
			for (uint32_t i = 0; i < compiled->n_counters; i++) {
				struct xt_counters *to = &counters[compiled->entry_of_counter[i]];

				to->pcnt += from[i].packets;
				to->bcnt += from[i].bytes;
			}
		}
	}
}
