// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath_stub.h"

#include "common/cleanup.h"

#include <errno.h>
#include <string.h>

struct datapath {
	struct ruleset *ruleset;
	struct xt_counters *counters;
	int replace_error;
	void (*on_replace)(void *data, const struct ruleset *ruleset);
	void *data;
};

int datapath_open(struct datapath **ret_datapath, struct message *message)
{
	struct datapath *datapath = calloc(1, sizeof(*datapath));

	if (!datapath || ruleset_new_empty(NFPROTO_IPV4, &datapath->ruleset) < 0) {
		free(datapath);
		return message_error(message, ENOMEM, "out of memory");
	}
	datapath->counters = calloc(datapath->ruleset->n_entries, sizeof(struct xt_counters));
	*ret_datapath = datapath;
	return 0;
}

void datapath_close(struct datapath *datapath)
{
	if (!datapath)
		return;

	ruleset_free(datapath->ruleset);
	free(datapath->counters);
	free(datapath);
}

const struct ruleset *datapath_ruleset(const struct datapath *datapath, uint8_t family)
{
	return family == NFPROTO_IPV4 ? datapath->ruleset : NULL;
}

int datapath_replace(struct datapath *datapath, struct ruleset *ruleset,
		     struct xt_counters **ret_counters, struct message *message)
{
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
		*ret_counters = take_pointer(datapath->counters);
	ruleset_free(datapath->ruleset);
	free(datapath->counters);
	datapath->ruleset = ruleset;
	datapath->counters = counters;
	return 0;
}

int datapath_counters(struct datapath *datapath, uint8_t family, struct xt_counters **ret_counters)
{
	size_t size = datapath_ruleset(datapath, family)->n_entries * sizeof(struct xt_counters);
	struct xt_counters *counters = malloc(size);

	if (!counters)
		return -ENOMEM;

	memcpy(counters, datapath->counters, size);
	*ret_counters = counters;
	return 0;
}

int datapath_add_counters(struct datapath *datapath, uint8_t family,
			  const struct xt_counters *counters, uint32_t n_counters)
{
	if (n_counters != datapath_ruleset(datapath, family)->n_entries)
		return -EINVAL;

	for (uint32_t i = 0; i < n_counters; i++)
		datapath_stub_count(datapath, i, counters[i].pcnt, counters[i].bcnt);
	return 0;
}

void datapath_stub_count(struct datapath *datapath, uint32_t index, uint64_t packets,
			 uint64_t bytes)
{
	datapath->counters[index].pcnt += packets;
	datapath->counters[index].bcnt += bytes;
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
