/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a ruleset to the classifier image of one hook (abi/image.h). docs/algorithm.md describes how
 * and what it costs.
 */
#pragma once

#include "abi/image.h"
#include "common/message.h"
#include "ruleset/ruleset.h"

#include <stddef.h>
#include <stdint.h>

/* What came of a compilation, beside the image itself. */
struct compiled {
	uint32_t size;  /* bytes of the image */
	uint32_t depth; /* longest path of jumps: entries that a return stack needs */
	uint32_t n_counters;
	/* For each counter of the image the index of the ruleset's entry that it counts. */
	uint32_t *entry_of_counter;
	struct lowered *lowered; /* kept for the next compilation, or NULL */
};

/* The table in whose place another one is compiled. */
struct compiled_before {
	const struct ruleset *ruleset;
	const struct compiled *compiled; /* for the same hook */
};

/*
 * Compiles the chain attached to @hook (NF_INET_LOCAL_IN, FORWARD or LOCAL_OUT) and all that can be
 * reached from it into an image at @memory, which must be aligned to 8 bytes; @capacity in bytes.
 * With @before (which may be NULL) less is to be done if the tables have rules in common; the image
 * is the same.
 * On success fills in @ret_compiled, to be freed with compiled_free(). Errors, with a reason in
 * @message: ENOMEM, E2BIG (the image does not fit into @capacity, or the hook has more than
 * IMAGE_MAX_BITS rules). The contents of @memory are undefined then.
 */
int compiler_compile(const struct ruleset *ruleset, unsigned int hook,
		     const struct compiled_before *before, void *memory, size_t capacity,
		     struct compiled *ret_compiled, struct message *message);

void compiled_free(struct compiled *compiled); /* accepts a zeroed one */
