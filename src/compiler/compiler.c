// SPDX-License-Identifier: GPL-2.0-or-later
#include "compiler/compiler.h"

#include "common/cleanup.h"
#include "compiler/arrange.h"
#include "compiler/classes.h"
#include "compiler/key.h"
#include "compiler/layout.h"
#include "compiler/rows.h"
#include "compiler/splice.h"
#include "compiler/states.h"
#include "compiler/writer.h"

#include <errno.h>
#include <string.h>

/*
 * Bytes. A rule with five fields takes 140, in IPv6 200; one whose fields have hundreds of
 * intervals takes thousands, and such tables are lowered anew each time.
 */
#define KEPT_LIMIT ((size_t)32 << 20)

/* Of an image with IMAGE_IS_DIRECT; below, the caches hold its flows as well. */
#define BITS_WITHOUT_FLOWS 32768u

_Static_assert(offsetof(struct image, fields) % 64 == 0, "each field has a cache line");

struct compilation {
	const struct ruleset *ruleset;
	unsigned int hook;
	struct layout layout;
	struct lowered *lowered;
	struct arrangement arrangement;
};

/* A field of the image and how selective it is. */
struct weighed_field {
	struct image_field field;
	uint64_t weight;
	uint32_t number; /* in the order in which they are written */
};

static int compare_weights(const void *a, const void *b)
{
	const struct weighed_field *one = a, *other = b;

	if (one->weight != other->weight)
		return one->weight < other->weight ? -1 : 1;
	return (int)one->number - (int)other->number;
}

/* Every bit accepts every value of it: an image has a field even if its rules have no conditions.
 */
static const struct lowered_field unconstrained = {
	.field = FIELD_PROTOCOL,
	.mask = VALUE_ALL_BITS,
};

/* What counts is which fields there are, not when a rule was the first to name them. */
static int compare_fields(const void *a, const void *b)
{
	const struct lowered_field *one = *(const struct lowered_field *const *)a;
	const struct lowered_field *other = *(const struct lowered_field *const *)b;

	if (one->field != other->field)
		return one->field < other->field ? -1 : 1;
	return value_compare(one->mask, other->mask);
}

/* Those that constrain anything, at least one, in an order of their own. Returns their number. */
static uint32_t sort_fields(const struct lowered *lowered,
			    const struct lowered_field *sorted[static IMAGE_MAX_FIELDS])
{
	uint32_t n_fields = 0;

	for (uint32_t i = 0; i < lowered->n_fields; i++)
		if (lowered->fields[i].n_constraints)
			sorted[n_fields++] = &lowered->fields[i];
	if (!n_fields)
		sorted[n_fields++] = &unconstrained;
	qsort(sorted, n_fields, sizeof(sorted[0]), compare_fields);
	return n_fields;
}

/*
 * Does a packet's row in @field, the only one, say what becomes of it? There are no chains to come
 * to, and each bit asks for the same, which all packets have.
 */
static bool is_direct(const struct compilation *compilation, const struct lowered_field *field)
{
	if (compilation->layout.n_chains != 1 || field->field >= FIELD_FIRST_NARROW ||
	    field->n_constraints != compilation->lowered->n_bits)
		return false;
	for (uint32_t i = 0; i < field->n_constraints; i++)
		if (field->constraints[i].late)
			return false;
	return true;
}

static uint32_t short_policy(const struct image *image)
{
	return (image->n_counters - 1) | (image->policy == IMAGE_ACCEPT ? IMAGE_RULE_ACCEPT : 0);
}

/* Most selective first: the walk stops looking as soon as nothing is left. */
static int write_fields(struct rows *rows, const struct compilation *compilation,
			struct image *image)
{
	const struct lowered *lowered = compilation->lowered;
	const struct lowered_field *sorted[IMAGE_MAX_FIELDS];
	struct weighed_field fields[IMAGE_MAX_FIELDS] = {};
	uint32_t n_fields = sort_fields(lowered, sorted);
	int error = 0;

	if (n_fields == 1 && is_direct(compilation, sorted[0]) && !rows->writer->full) {
		rows->finals = writer_at(rows->writer, image->shorts);
		rows->policy = short_policy(image);
		image->needs |= IMAGE_IS_DIRECT;
		if (lowered->n_bits >= BITS_WITHOUT_FLOWS)
			image->needs |= IMAGE_WITHOUT_FLOWS;
	}
	for (uint32_t i = 0; i < n_fields && !error; i++) {
		fields[i].number = i;
		error = classes_write(rows, lowered, &compilation->arrangement, sorted[i], image,
				      &fields[i].field, &fields[i].weight);
	}
	if (error)
		return error;
	qsort(fields, n_fields, sizeof(fields[0]), compare_weights);
	for (uint32_t i = 0; i < n_fields; i++)
		image->fields[i] = fields[i].field;
	image->n_fields = n_fields;
	key_finish(image, lowered->family);
	return 0;
}

static uint32_t write_copy(struct writer *writer, const void *data, size_t size)
{
	uint32_t offset = writer_reserve(writer, size);

	if (!writer->full && size)
		memcpy(writer_at(writer, offset), data, size);
	return offset;
}

static void write_chains(struct writer *writer, const struct layout *layout,
			 const struct lowered *lowered, struct image *image)
{
	struct image_chain *chains;

	image->n_chains = layout->n_chains;
	image->chains = writer_reserve(writer, layout->n_chains * sizeof(*chains));
	if (writer->full)
		return;
	chains = writer_at(writer, image->chains);
	for (uint32_t i = 0; i < layout->n_chains; i++)
		chains[i] = (struct image_chain){
			.begin = lowered->rules[layout->first_counter[i]].first_bit,
			.end = lowered->rules[layout->first_counter[i + 1]].first_bit,
		};
}

static uint8_t image_verdict(enum verdict verdict)
{
	static const uint8_t verdicts[] = {
		[VERDICT_ACCEPT] = IMAGE_ACCEPT, [VERDICT_DROP] = IMAGE_DROP,
		[VERDICT_RETURN] = IMAGE_RETURN, [VERDICT_CONTINUE] = IMAGE_CONTINUE,
		[VERDICT_JUMP] = IMAGE_JUMP,     [VERDICT_GOTO] = IMAGE_GOTO,
	};

	return verdicts[verdict];
}

static uint32_t short_rule(const struct image_rule *rule)
{
	if (rule->residuals || rule->action || (rule->hotdrop & SHAPE_BIT(SHAPE_WHOLE)) ||
	    (rule->verdict != IMAGE_ACCEPT && rule->verdict != IMAGE_DROP))
		return IMAGE_RULE_LONG;
	return rule->counter | (rule->verdict == IMAGE_ACCEPT ? IMAGE_RULE_ACCEPT : 0) |
	       (rule->hotdrop ? IMAGE_RULE_WHOLE : 0);
}

/* What of the rule is delegated to the kernel. */
static uint16_t action_of(const struct ruleset *ruleset, const struct entry *entry)
{
	return entry->delegate ? ruleset->delegates[entry->delegate - 1].action : 0;
}

/* The list of residuals at @residual finds the rule's states, the first of which is @state. */
static void place_states(struct residual *residual, const struct match_state *state)
{
	for (; residual->kind != RESIDUAL_END;
	     residual = (struct residual *)((uint8_t *)residual + residual->size))
		if (RESIDUAL_HAS_STATE(residual->kind))
			residual->argument = (state++)->position;
}

/*
 * What is kept from packet to packet is found by its position, which residuals that were lowered
 * for another table cannot know.
 */
static void write_states(struct writer *writer, const struct compilation *compilation,
			 uint32_t residuals)
{
	const struct lowered *lowered = compilation->lowered;
	const struct ruleset *ruleset = compilation->ruleset;

	for (uint32_t number = 0; number < lowered->n_rules && ruleset->n_states; number++) {
		uint32_t index = compilation->layout.entry_of_counter[number];
		uint32_t states = ruleset->entries[index].states;

		for (uint32_t i = lowered->rules[number].first_bit;
		     states && i < lowered->rules[number + 1].first_bit; i++)
			place_states(writer_at(writer, residuals + lowered->bits[i].residuals - 1),
				     &ruleset->states[states - 1]);
	}
}

/* The bits of rule number @number: its alternatives, which differ only in their conditions. */
static void write_rule(const struct compilation *compilation, uint32_t number, uint32_t residuals,
		       struct image_rule *rules, uint32_t *shorts)
{
	const struct layout *layout = &compilation->layout;
	const struct lowered *lowered = compilation->lowered;
	const struct entry *entry =
		&compilation->ruleset->entries[layout->entry_of_counter[number]];
	bool jumps = entry->verdict == VERDICT_JUMP || entry->verdict == VERDICT_GOTO;
	uint32_t next = lowered->rules[number + 1].first_bit;

	for (uint32_t i = lowered->rules[number].first_bit; i < next; i++) {
		const struct lowered_bit *bit = &lowered->bits[i];
		uint32_t place = arrangement_place(&compilation->arrangement, i);

		rules[place] = (struct image_rule){
			.counter = number,
			.next = next,
			.chain = layout->number_of_chain[entry->chain],
			.target = jumps ? layout->number_of_chain[entry->target] : 0,
			.residuals = bit->residuals ? residuals + bit->residuals - 1 : 0,
			.verdict = image_verdict(entry->verdict),
			.hotdrop = (uint8_t)bit->hotdrop,
			.action = action_of(compilation->ruleset, entry),
		};
		shorts[place] = short_rule(&rules[place]);
	}
}

static void write_rules(struct writer *writer, const struct compilation *compilation,
			struct image *image)
{
	const struct lowered *lowered = compilation->lowered;
	uint32_t residuals = write_copy(writer, lowered->residuals, lowered->residuals_size);

	image->rules = writer_reserve(writer, lowered->n_bits * sizeof(struct image_rule));
	image->shorts = writer_reserve(writer, lowered->n_bits * sizeof(uint32_t));
	if (writer->full)
		return;
	write_states(writer, compilation, residuals);
	for (uint32_t i = 0; i < lowered->n_rules; i++) {
		image->needs |= lowered->rules[i].needs;
		write_rule(compilation, i, residuals, writer_at(writer, image->rules),
			   writer_at(writer, image->shorts));
	}
}

static void write_arrangement(struct writer *writer, const struct arrangement *arrangement,
			      struct image *image)
{
	uint32_t n = image->n_bits;

	if (!arrangement->places)
		return;
	image->places = write_copy(writer, arrangement->places, n * sizeof(*arrangement->places));
	image->word_ranks = write_copy(writer, arrangement->word_ranks,
				       (n + 63) / 64 * sizeof(*arrangement->word_ranks));
}

/* What is done with packets by the state of their connection alone. */
static void write_states_table(struct writer *writer, const struct compilation *compilation,
			       struct image *image)
{
	uint32_t by_state[CONNTRACK_VALUES];

	if (!writer->full &&
	    states_decide(compilation->lowered, &compilation->layout,
			  compilation->arrangement.place_of_bit, writer_at(writer, image->shorts),
			  short_policy(image), by_state))
		image->by_state = write_copy(writer, by_state, sizeof(by_state));
}

static int write_image(struct writer *writer, const struct compilation *compilation)
{
	const struct layout *layout = &compilation->layout;
	const struct lowered *lowered = compilation->lowered;
	uint32_t offset = writer_reserve(writer, sizeof(struct image));
	struct image *image = writer_at(writer, offset);
	struct rows rows;
	int error;

	if (writer->full)
		return 0;
	*image = (struct image){
		.levels = rows_levels(lowered->n_bits),
		.first_shift = 6 * (rows_levels(lowered->n_bits) - 1),
		.n_bits = lowered->n_bits,
		.n_counters = layout->n_rules + 1,
		.depth = layout->depth,
		.policy = image_verdict(compilation->ruleset->entries[layout->policy].verdict),
	};
	error = rows_init(&rows, writer, image->levels);
	if (error)
		return error;
	write_chains(writer, layout, lowered, image);
	write_rules(writer, compilation, image);
	write_arrangement(writer, &compilation->arrangement, image);
	write_states_table(writer, compilation, image);
	error = write_fields(&rows, compilation, image);
	rows_free(&rows);
	image->size = (uint32_t)writer->used;
	return error;
}

static int lower(struct compilation *compilation, const struct compiled_before *before,
		 struct message *message)
{
	struct lowered_before lowered_before = {};

	if (before && before->compiled->lowered)
		lowered_before = (struct lowered_before){
			.ruleset = before->ruleset,
			.entry_of_counter = before->compiled->entry_of_counter,
			.lowered = before->compiled->lowered,
		};
	return lower_layout(compilation->ruleset, &compilation->layout,
			    lowered_before.lowered ? &lowered_before : NULL, compilation->lowered,
			    message);
}

static int compile(struct compilation *compilation, const struct compiled_before *before,
		   struct writer *writer, struct message *message)
{
	int error = layout_hook(compilation->ruleset, compilation->hook, &compilation->layout);

	compilation->lowered = calloc(1, sizeof(*compilation->lowered));
	if (!compilation->lowered)
		return -ENOMEM;
	if (!error)
		error = lower(compilation, before, message);
	if (!error)
		error = arrange_bits(compilation->ruleset, &compilation->layout,
				     compilation->lowered, &compilation->arrangement);
	if (!error)
		error = write_image(writer, compilation);
	if (!error && writer->full)
		error = message_error(
			message, E2BIG,
			"the rules of %s need more than %zu MiB for their bit vectors",
			ruleset_base_chain(compilation->ruleset, compilation->hook)->name,
			writer->capacity >> 20);
	return error;
}

static void free_lowered(struct lowered *lowered)
{
	if (lowered)
		lowered_free(lowered);
	free(lowered);
}

/* What @lowered is, if it is worth its memory. */
static struct lowered *keep_lowered(struct lowered *lowered)
{
	if (lowered_trim(lowered) <= KEPT_LIMIT)
		return lowered;
	free_lowered(lowered);
	return NULL;
}

int compiler_compile(const struct ruleset *ruleset, unsigned int hook,
		     const struct compiled_before *before, void *memory, size_t capacity,
		     struct compiled *ret_compiled, struct message *message)
{
	/* Offsets have 32 bits. */
	struct writer writer = {.memory = memory,
				.capacity = capacity < UINT32_MAX ? capacity : UINT32_MAX};
	struct compilation compilation = {.ruleset = ruleset, .hook = hook};
	int error = compile(&compilation, before, &writer, message);

	if (error == -ENOMEM && message && !message->text[0])
		message_error(message, ENOMEM, "out of memory while compiling the rules");
	if (!error)
		*ret_compiled = (struct compiled){
			.size = (uint32_t)writer.used,
			.depth = compilation.layout.depth,
			.n_counters = compilation.layout.n_rules + 1,
			.entry_of_counter = take_pointer(compilation.layout.entry_of_counter),
			.lowered = keep_lowered(take_pointer(compilation.lowered)),
		};
	free_lowered(compilation.lowered);
	arrangement_free(&compilation.arrangement);
	layout_free(&compilation.layout);
	return error;
}

void compiled_free(struct compiled *compiled)
{
	free(compiled->entry_of_counter);
	free_lowered(compiled->lowered);
	compiled->entry_of_counter = NULL;
	compiled->lowered = NULL;
}
