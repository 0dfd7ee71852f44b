// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath_stub.h"

#include "common/cleanup.h"

#include <errno.h>
#include <string.h>

struct table {
	struct ruleset *ruleset;
	struct xt_counters *counters;
};

struct datapath {
	struct table ipv4;
	struct table ipv6;
	int replace_error;
	void (*on_replace)(void *data, const struct ruleset *ruleset);
	void *data;
};

static struct table *table_of(struct datapath *datapath, uint8_t family)
{
	return family == NFPROTO_IPV6 ? &datapath->ipv6 : &datapath->ipv4;
}

static bool open_table(struct table *table, uint8_t family)
{
	if (ruleset_new_empty(family, &table->ruleset) < 0)
		return false;

	table->counters = calloc(table->ruleset->n_entries, sizeof(struct xt_counters));
	return table->counters != NULL;
}

static void close_table(struct table *table)
{
	ruleset_free(table->ruleset);
	free(table->counters);
}

void datapath_track(struct datapath *datapath, uint8_t family, bool on)
{
	(void)datapath;
	(void)family;
	(void)on;
}

int datapath_open(const struct datapath_options *options, struct datapath **ret_datapath,
		  struct message *message)
{
	(void)options;
	struct datapath *datapath = calloc(1, sizeof(*datapath));

	if (!datapath || !open_table(&datapath->ipv4, NFPROTO_IPV4) ||
	    !open_table(&datapath->ipv6, NFPROTO_IPV6)) {
		datapath_close(datapath);
		return message_error(message, ENOMEM, "out of memory");
	}
	*ret_datapath = datapath;
	return 0;
}

void datapath_close(struct datapath *datapath)
{
	if (!datapath)
		return;

	close_table(&datapath->ipv4);
	close_table(&datapath->ipv6);
	free(datapath);
}

const struct ruleset *datapath_ruleset(const struct datapath *datapath, uint8_t family)
{
	if (family == NFPROTO_IPV6)
		return datapath->ipv6.ruleset;
	return family == NFPROTO_IPV4 ? datapath->ipv4.ruleset : NULL;
}

int datapath_replace(struct datapath *datapath, struct ruleset *ruleset,
		     struct xt_counters **ret_counters, struct message *message)
{
	struct table *table = table_of(datapath, ruleset->family);
	struct xt_counters *counters;

	if (datapath->on_replace)
		datapath->on_replace(datapath->data, ruleset);
	if (datapath->replace_error) {
		int error = datapath->replace_error;

		datapath->replace_error = 0;
		return message_error(message, error, "the datapath does not like it");
	}

	counters = calloc(ruleset->n_entries, sizeof(*counters));
	if (!counters)
		return message_error(message, ENOMEM, "out of memory");
	if (ret_counters)
		*ret_counters = take_pointer(table->counters);
	ruleset_free(table->ruleset);
	free(table->counters);
	*table = (struct table){ruleset, counters};
	return 0;
}

int datapath_counters(struct datapath *datapath, uint8_t family, struct xt_counters **ret_counters)
{
	size_t size = datapath_ruleset(datapath, family)->n_entries * sizeof(struct xt_counters);
	struct xt_counters *counters = malloc(size);

	if (!counters)
		return -ENOMEM;

	memcpy(counters, table_of(datapath, family)->counters, size);
	*ret_counters = counters;
	return 0;
}

int datapath_add_counters(struct datapath *datapath, uint8_t family,
			  const struct xt_counters *counters, uint32_t n_counters)
{
	if (n_counters != datapath_ruleset(datapath, family)->n_entries)
		return -EINVAL;

	for (uint32_t i = 0; i < n_counters; i++)
		datapath_stub_count(datapath, family, i, counters[i].pcnt, counters[i].bcnt);
	return 0;
}

void datapath_stub_count(struct datapath *datapath, uint8_t family, uint32_t index,
			 uint64_t packets, uint64_t bytes)
{
	struct xt_counters *counters = table_of(datapath, family)->counters;

	counters[index].pcnt += packets;
	counters[index].bcnt += bytes;
}

void datapath_stub_fail_replace(struct datapath *datapath, int error)
{
	datapath->replace_error = error;
}

void datapath_stub_on_replace(struct datapath *datapath,
			      void (*callback)(void *data, const struct ruleset *ruleset),
			      void *data)
{
	datapath->on_replace = callback;
	datapath->data = data;
}
