// SPDX-License-Identifier: GPL-2.0-or-later
#include "frontend/filter_table.h"

#include <netinet/in.h>

#include <errno.h>
#include <limits.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "abi/control.h"
#include "common/cleanup.h"
#include "frontend/table_client.h"

/* One code serves both families: the headers of their payloads are the same. */
#define ASSERT_SAME_SIZE(ipv4, ipv6) _Static_assert(sizeof(ipv4) == sizeof(ipv6), #ipv4)
ASSERT_SAME_SIZE(struct ipt_getinfo, struct ip6t_getinfo);
ASSERT_SAME_SIZE(struct ipt_get_entries, struct ip6t_get_entries);
ASSERT_SAME_SIZE(struct ipt_replace, struct ip6t_replace);
_Static_assert(offsetof(struct ipt_replace, counters) == offsetof(struct ip6t_replace, counters),
	       "counters");
_Static_assert(IPT_SO_GET_INFO == IP6T_SO_GET_INFO && IPT_SO_GET_ENTRIES == IP6T_SO_GET_ENTRIES &&
		       IPT_SO_SET_REPLACE == IP6T_SO_SET_REPLACE &&
		       IPT_SO_SET_ADD_COUNTERS == IP6T_SO_SET_ADD_COUNTERS,
	       "options");

/* @name is of XT_TABLE_MAXNAMELEN bytes; the kernel takes the last one for NUL whatever it is. */
static bool is_filter(const char *name)
{
	return strncmp(name, TABLE_FILTER, XT_TABLE_MAXNAMELEN - 1) == 0;
}

static int malformed_answer(uint8_t family, const char *what)
{
	struct message message;

	message_error(&message, EPROTO, "bpf-iptablesd gave %s that cannot be", what);
	table_client_report(family, &message);
	return -EPROTO;
}

static int get_info(uint8_t family, struct ipt_getinfo *value, socklen_t length)
{
	struct ipt_getinfo info = {.name = TABLE_FILTER};
	struct control_call call = {
		.family = family,
		.operation = CONTROL_GET_INFO,
		.payload = &(struct iovec){&info, sizeof(info)},
		.payload_count = 1,
		.answer = &info,
		.answer_length = sizeof(info),
	};
	int ret;

	if (length != sizeof(*value))
		return -EINVAL;
	if (!is_filter(value->name))
		return FILTER_TABLE_KERNEL;

	ret = table_client_call(&call);
	if (ret)
		return ret;
	/* libiptc allocates by these numbers. */
	if (strncmp(info.name, TABLE_FILTER, sizeof(info.name)) != 0 ||
	    info.size > CONTROL_MAX_LENGTH - sizeof(struct ipt_get_entries) ||
	    info.num_entries > info.size / sizeof(struct ipt_entry))
		return malformed_answer(family, "information about the table");

	*value = info;
	return 0;
}

static int get_entries(uint8_t family, struct ipt_get_entries *value, socklen_t length)
{
	struct message message = {};
	struct ipt_get_entries header = {.name = TABLE_FILTER};
	struct control_call call = {
		.family = family,
		.operation = CONTROL_GET_ENTRIES,
		.payload = &(struct iovec){&header, sizeof(header)},
		.payload_count = 1,
		.answer = value,
		.answer_length = length,
	};
	int ret;

	if (length < sizeof(header))
		return -EINVAL;
	header.size = value->size;
	if (length != sizeof(header) + (size_t)header.size)
		return -EINVAL;
	if (!is_filter(value->name))
		return FILTER_TABLE_KERNEL;

	ret = table_client_ask(&call, &message);
	/* The table has changed since GET_INFO: libiptc begins anew. */
	if (ret && ret != -EAGAIN)
		table_client_report(family, &message);
	if (ret)
		return ret;
	/* libiptc walks the entries by the size in the header. */
	if (strncmp(value->name, header.name, sizeof(header.name)) != 0 ||
	    value->size != header.size)
		return malformed_answer(family, "entries");
	return 0;
}

static int get_revision(uint8_t family, enum control_operation operation,
			const struct xt_get_revision *value, socklen_t length)
{
	struct message message = {};
	struct xt_get_revision answer;
	struct control_call call = {
		.family = family,
		.operation = operation,
		.payload = &(struct iovec){(void *)value, sizeof(*value)},
		.payload_count = 1,
		.answer = &answer,
		.answer_length = sizeof(answer),
	};
	int ret;

	if (length != sizeof(*value))
		return -EINVAL;

	ret = table_client_ask(&call, &message);
	/*
	 * For the sake of the other tables, and for help texts where there is no daemon. The kernel
	 * tells what it has; it changes nothing.
	 */
	if (ret == -ENOENT || ret == -ECONNREFUSED)
		return FILTER_TABLE_KERNEL;
	/* The usual answer when libxtables looks for the best revision that there is. */
	if (ret && ret != -EPROTONOSUPPORT)
		table_client_report(family, &message);
	return ret;
}

int filter_table_get(uint8_t family, int option, void *value, socklen_t length)
{
	bool ipv4 = family == NFPROTO_IPV4;

	if (option == IPT_SO_GET_INFO)
		return get_info(family, value, length);
	if (option == IPT_SO_GET_ENTRIES)
		return get_entries(family, value, length);
	if (option == (ipv4 ? IPT_SO_GET_REVISION_MATCH : IP6T_SO_GET_REVISION_MATCH))
		return get_revision(family, CONTROL_GET_REVISION_MATCH, value, length);
	if (option == (ipv4 ? IPT_SO_GET_REVISION_TARGET : IP6T_SO_GET_REVISION_TARGET))
		return get_revision(family, CONTROL_GET_REVISION_TARGET, value, length);
	return FILTER_TABLE_KERNEL;
}

static int set_replace(uint8_t family, const void *value, socklen_t length)
{
	struct ipt_replace header;
	struct iovec payload[] = {
		{&header, sizeof(header)},
		{(char *)value + sizeof(header)},
	};
	struct control_call call = {
		.family = family,
		.operation = CONTROL_SET_REPLACE,
		.payload = payload,
		.payload_count = ARRAY_SIZE(payload),
	};

	if (length < sizeof(header))
		return -EINVAL;
	memcpy(&header, value, sizeof(header));
	if (!is_filter(header.name))
		return FILTER_TABLE_KERNEL;
	if (header.num_counters >= INT_MAX / sizeof(struct xt_counters))
		return -ENOMEM;

	payload[1].iov_len = length - sizeof(header);
	call.answer = header.counters;
	call.answer_length = header.num_counters * sizeof(struct xt_counters);
	/* An address of this process says nothing to the daemon, and would make equal tables
	 * differ. */
	header.counters = NULL;
	return table_client_call(&call);
}

static int set_add_counters(uint8_t family, const struct xt_counters_info *value, socklen_t length)
{
	struct control_call call = {
		.family = family,
		.operation = CONTROL_SET_ADD_COUNTERS,
		.payload = &(struct iovec){(void *)value, length},
		.payload_count = 1,
	};

	if (length <= sizeof(*value))
		return -EINVAL;
	if (!is_filter(value->name))
		return FILTER_TABLE_KERNEL;
	return table_client_call(&call);
}

int filter_table_set(uint8_t family, int option, const void *value, socklen_t length)
{
	if (option == IPT_SO_SET_REPLACE)
		return set_replace(family, value, length);
	if (option == IPT_SO_SET_ADD_COUNTERS)
		return set_add_counters(family, value, length);
	return FILTER_TABLE_KERNEL;
}
