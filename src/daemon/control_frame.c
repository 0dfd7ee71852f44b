// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/control_frame.h"

#include "common/cleanup.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4/ip_tables.h>

/* The shortest entry is a struct ipt_entry and a target: no table has more counters than this. */
#define MAX_COUNTERS (CONTROL_MAX_LENGTH / sizeof(struct ipt_entry))

/*
 * The longest payload of each operation. Shorter ones, and all that is in them, are the table
 * service's to judge, as they are the kernel's.
 */
static const struct operation_limit {
	bool known;
	uint32_t length;
} limits[] = {
	[CONTROL_GET_INFO] = {true, sizeof(struct ipt_getinfo)},
	[CONTROL_GET_ENTRIES] = {true, sizeof(struct ipt_get_entries)},
	[CONTROL_GET_REVISION_MATCH] = {true, sizeof(struct xt_get_revision)},
	[CONTROL_GET_REVISION_TARGET] = {true, sizeof(struct xt_get_revision)},
	[CONTROL_SET_REPLACE] = {true, CONTROL_MAX_LENGTH},
	[CONTROL_SET_ADD_COUNTERS] = {true, sizeof(struct xt_counters_info) +
						    MAX_COUNTERS * sizeof(struct xt_counters)},
	[CONTROL_TABLE_IN_USE] = {true, 0},
};

static int check_protocol(const struct control_request *request, struct message *message)
{
	if (request->magic != CONTROL_MAGIC)
		return message_error(message, EPROTO, "this is not a request of bpf-iptables");
	if (request->version != CONTROL_VERSION)
		return message_error(message, EPROTO,
				     "bpf-iptables speaks version %u, bpf-iptablesd version %u: "
				     "install both from one build, and restart the daemon",
				     request->version, CONTROL_VERSION);
	if (request->length > CONTROL_MAX_LENGTH)
		return message_error(message, EMSGSIZE, "a request of %u bytes, %u are allowed",
				     request->length, CONTROL_MAX_LENGTH);
	return 0;
}

static int check_operation(const struct control_request *request, struct message *message)
{
	unsigned int operation = request->operation;

	if (operation >= ARRAY_SIZE(limits) || !limits[operation].known)
		return message_error(message, EINVAL, "there is no operation %u", operation);
	if (request->family != NFPROTO_IPV4 && request->family != NFPROTO_IPV6)
		return message_error(message, EAFNOSUPPORT, "there is no table of family %u",
				     request->family);
	if (request->length > limits[operation].length)
		return message_error(message, EINVAL,
				     "operation %u takes at most %u bytes, these are %u", operation,
				     limits[operation].length, request->length);
	return 0;
}

int control_frame_check(const struct control_request *request, bool *ret_in_step,
			struct message *message)
{
	int error = check_protocol(request, message);

	*ret_in_step = !error;
	return error ? error : check_operation(request, message);
}
