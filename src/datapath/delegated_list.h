/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is delegated to the kernel, under its numbers. */
#pragma once

#include "ruleset/ruleset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An action or a condition; its number is its place. */
struct delegated {
	uint32_t users;                    /* delegates of rulesets */
	const struct extension *extension; /* NULL: the number is free */
	struct rule_context context;       /* the hooks are those of all users */
	void *payload;
	uint32_t change; /* the number of the change of the transaction that adds it */
};

/* Numbers from @first to @end - 1. */
struct delegated_list {
	struct delegated *items; /* NULL until there is one */
	uint32_t first;
	uint32_t end;
	uint32_t last; /* the number that was given last */
};

/* Bytes of a payload as it stands in rules. */
static inline size_t delegated_payload_size(const struct extension *extension)
{
	return XT_ALIGN((size_t)extension->size);
}

/*
 * The number of what @delegate delegates with @payload, which may be new: then *@changed is set, as
 * it is if the hooks are. -ENOMEM, -E2BIG (there is no number left).
 */
int delegated_list_add(struct delegated_list *list, const struct delegate *delegate,
		       const void *payload, bool *changed);

/* Does anybody use one of them? */
bool delegated_list_used(const struct delegated_list *list);

/* Is there one that nobody uses? */
bool delegated_list_unused(const struct delegated_list *list);

/* Frees those that nobody uses, and their numbers. */
void delegated_list_forget(struct delegated_list *list);

void delegated_list_free(struct delegated_list *list);
