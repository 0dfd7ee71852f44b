// SPDX-License-Identifier: GPL-2.0-or-later
#include "compiler/compiler.h"

#include "common/cleanup.h"
#include "compiler/classes.h"
#include "compiler/key.h"
#include "compiler/lower.h"
#include "compiler/rows.h"
#include "compiler/writer.h"

#include <errno.h>
#include <string.h>

/* A field of the image and how selective it is. */
struct weighed_field {
	struct image_field field;
	uint64_t weight;
};

static int compare_weights(const void *a, const void *b)
{
	const struct weighed_field *one = a, *other = b;

	if (one->weight != other->weight)
		return one->weight < other->weight ? -1 : 1;
	return (int)one->field.field - (int)other->field.field;
}

/* Every bit accepts every value of it: an image has a field even if its rules have no conditions.
 */
static const struct lowered_field unconstrained = {
	.field = FIELD_PROTOCOL,
	.mask = VALUE_ALL_BITS,
};

/* Most selective first: the walk stops looking as soon as nothing is left. */
static int write_fields(struct rows *rows, const struct lowered *lowered, struct image *image)
{
	struct weighed_field fields[IMAGE_MAX_FIELDS] = {};
	uint32_t n_fields = 0;
	int error = 0;

	for (uint32_t i = 0; i < lowered->n_fields && !error; i++) {
		/* All its constraints turned out to be implied by others. */
		if (!lowered->fields[i].n_constraints)
			continue;
		error = classes_write(rows, lowered, &lowered->fields[i], image,
				      &fields[n_fields].field, &fields[n_fields].weight);
		n_fields++;
	}
	if (!n_fields) {
		error = classes_write(rows, lowered, &unconstrained, image, &fields[0].field,
				      &fields[0].weight);
		n_fields = 1;
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

static void write_rules(struct writer *writer, const struct lowered *lowered, struct image *image)
{
	uint32_t residuals = write_copy(writer, lowered->residuals, lowered->residuals_size);
	struct image_rule *rules;

	image->rules =
		write_copy(writer, lowered->rules, lowered->n_bits * sizeof(*lowered->rules));
	if (writer->full)
		return;
	rules = writer_at(writer, image->rules);
	for (uint32_t bit = 0; bit < lowered->n_bits; bit++)
		if (rules[bit].residuals)
			rules[bit].residuals += residuals - 1;
}

static int write_image(struct writer *writer, const struct lowered *lowered)
{
	uint32_t offset = writer_reserve(writer, sizeof(struct image));
	struct image *image = writer_at(writer, offset);
	struct rows rows;
	int error;

	if (writer->full)
		return 0;
	*image = (struct image){
		.levels = rows_levels(lowered->n_bits),
		.n_bits = lowered->n_bits,
		.n_chains = lowered->n_chains,
		.n_counters = lowered->n_counters,
		.needs = lowered->needs,
		.depth = lowered->depth,
		.policy = lowered->policy,
	};
	error = rows_init(&rows, writer, image->levels);
	if (error)
		return error;
	image->chains =
		write_copy(writer, lowered->chains, lowered->n_chains * sizeof(*lowered->chains));
	write_rules(writer, lowered, image);
	error = write_fields(&rows, lowered, image);
	rows_free(&rows);
	image->size = (uint32_t)writer->used;
	return error;
}

int compiler_compile(const struct ruleset *ruleset, unsigned int hook, void *memory,
		     size_t capacity, struct compiled *ret_compiled, struct message *message)
{
	/* Offsets have 32 bits. */
	struct writer writer = {.memory = memory,
				.capacity = capacity < UINT32_MAX ? capacity : UINT32_MAX};
	struct lowered lowered;
	int error = lower_hook(ruleset, hook, &lowered, message);

	if (!error)
		error = write_image(&writer, &lowered);
	if (!error && writer.full)
		error = message_error(
			message, E2BIG,
			"the rules of %s need more than %zu MiB for their bit vectors",
			ruleset_base_chain(ruleset, hook)->name, capacity >> 20);
	if (error == -ENOMEM && message && !message->text[0])
		message_error(message, ENOMEM, "out of memory while compiling the rules");
	if (!error)
		*ret_compiled = (struct compiled){
			.size = (uint32_t)writer.used,
			.depth = lowered.depth,
			.n_counters = lowered.n_counters,
			.entry_of_counter = take_pointer(lowered.entry_of_counter),
		};
	lowered_free(&lowered);
	return error;
}

void compiled_free(struct compiled *compiled)
{
	free(compiled->entry_of_counter);
	compiled->entry_of_counter = NULL;
}
