/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lowering only what has changed. Tables are replaced as a whole, but mostly for the sake of a few
 * rules: those at the beginning and at the end that have the conditions that they had before become
 * what they became before, with other numbers.
 */
#pragma once

#include "compiler/lower.h"

/* A table that has been lowered. */
struct lowered_before {
	const struct ruleset *ruleset;
	const uint32_t *entry_of_counter;
	const struct lowered *lowered;
};

/*
 * Lowers all rules of @layout; with the help of @before if it is not NULL, and to the same result
 * as without. Returns and errors as lower_rules().
 */
int lower_layout(const struct ruleset *ruleset, const struct layout *layout,
		 const struct lowered_before *before, struct lowered *ret_lowered,
		 struct message *message);
