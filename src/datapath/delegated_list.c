// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/delegated_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint32_t find(const struct delegated_list *list, const struct delegate *delegate,
		     const void *payload)
{
	for (uint32_t i = list->first; i < list->end; i++) {
		const struct delegated *item = &list->items[i];

		if (item->extension == delegate->extension &&
		    item->context.protocol == delegate->context.protocol &&
		    item->context.protocol_inverted == delegate->context.protocol_inverted &&
		    memcmp(item->payload, payload, item->extension->size) == 0)
			return i;
	}
	return list->end;
}

/* Not the one that was free last: packets may still know it under its old meaning. */
static uint32_t find_free(struct delegated_list *list)
{
	uint32_t n = list->end - list->first;

	for (uint32_t i = 1; i <= n; i++) {
		uint32_t number = list->first + (list->last - list->first + i) % n;

		if (!list->items[number].extension)
			return number;
	}
	return list->end;
}

static int fill(struct delegated *item, const struct delegate *delegate, const void *payload)
{
	size_t size = delegated_payload_size(delegate->extension);

	item->payload = calloc(1, size ? size : 1);
	if (!item->payload)
		return -ENOMEM;
	memcpy(item->payload, payload, delegate->extension->size);
	item->extension = delegate->extension;
	item->context = delegate->context;
	return 0;
}

int delegated_list_add(struct delegated_list *list, const struct delegate *delegate,
		       const void *payload, bool *changed)
{
	uint32_t number;

	if (!list->items) {
		list->items = calloc(list->end, sizeof(*list->items));
		list->last = list->end - 1;
	}
	if (!list->items)
		return -ENOMEM;
	number = find(list, delegate, payload);
	if (number == list->end) {
		number = find_free(list);
		if (number == list->end)
			return -E2BIG;
		if (fill(&list->items[number], delegate, payload))
			return -ENOMEM;
		list->last = number;
		*changed = true;
	}
	if (delegate->context.hooks & ~list->items[number].context.hooks) {
		list->items[number].context.hooks |= delegate->context.hooks;
		*changed = true;
	}
	list->items[number].users++;
	return (int)number;
}

bool delegated_list_used(const struct delegated_list *list)
{
	for (uint32_t i = list->first; list->items && i < list->end; i++)
		if (list->items[i].users)
			return true;
	return false;
}

bool delegated_list_unused(const struct delegated_list *list)
{
	for (uint32_t i = list->first; list->items && i < list->end; i++)
		if (list->items[i].extension && !list->items[i].users)
			return true;
	return false;
}

void delegated_list_forget(struct delegated_list *list)
{
	for (uint32_t i = list->first; list->items && i < list->end; i++) {
		if (list->items[i].users)
			continue;
		free(list->items[i].payload);
		list->items[i] = (struct delegated){};
	}
}

void delegated_list_free(struct delegated_list *list)
{
	for (uint32_t i = list->first; list->items && i < list->end; i++)
		free(list->items[i].payload);
	free(list->items);
	list->items = NULL;
}
