// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/routing_rules.h"

#include "datapath/route_netlink.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#define LIST_TRIES 16 /* of a dump, while rules change */
#define NONE       UINT32_MAX

struct rule {
	uint32_t table;
	bool suppresses;
	bool selects; /* it is not for all packets */
};

struct reading {
	struct routing_rules rules;
	enum selector_family family;
	bool first_seen;
};

static int keep_attribute(const struct nlattr *attribute, void *data)
{
	struct rule *rule = data;
	uint32_t value =
		mnl_attr_validate(attribute, MNL_TYPE_U32) < 0 ? NONE : mnl_attr_get_u32(attribute);

	switch (mnl_attr_get_type(attribute)) {
	case FRA_TABLE:
		rule->table = value;
		break;
	case FRA_SUPPRESS_PREFIXLEN:
	case FRA_SUPPRESS_IFGROUP:
		rule->suppresses |= value != NONE;
		break;
	case FRA_PRIORITY:
	case FRA_PROTOCOL:
		break;
	default:
		rule->selects = true;
		break;
	}
	return MNL_CB_OK;
}

/* Rules come in the order in which they are asked. */
static int add(const struct nlmsghdr *header, void *data)
{
	struct reading *reading = data;
	const struct fib_rule_hdr *message = mnl_nlmsg_get_payload(header);
	struct rule rule = {0};

	if (header->nlmsg_type != RTM_NEWRULE ||
	    mnl_nlmsg_get_payload_len(header) < sizeof(*message))
		return MNL_CB_OK;
	rule.table = message->table;
	if (mnl_attr_parse(header, sizeof(*message), keep_attribute, &rule) < 0)
		rule.selects = true;
	rule.selects |= message->dst_len || message->src_len || message->tos ||
			message->flags & FIB_RULE_INVERT;
	if (!reading->first_seen)
		reading->rules.local_first[reading->family] = message->action == FR_ACT_TO_TBL &&
							      rule.table == RT_TABLE_LOCAL &&
							      !rule.selects && !rule.suppresses;
	reading->first_seen = true;
	reading->rules.suppress |= reading->family == SELECTOR_IPV6 && rule.suppresses;
	return MNL_CB_OK;
}

static int ask(uint8_t family, struct reading *reading)
{
	_Alignas(struct nlmsghdr) char buffer[ROUTE_NETLINK_REQUEST];
	struct nlmsghdr *request =
		route_netlink_request(buffer, RTM_GETRULE, sizeof(struct fib_rule_hdr));
	struct fib_rule_hdr *message = mnl_nlmsg_get_payload(request);
	int error = -EINTR;

	reading->family = family == AF_INET ? SELECTOR_IPV4 : SELECTOR_IPV6;
	request->nlmsg_flags |= NLM_F_DUMP;
	message->family = family;
	for (int i = 0; i < LIST_TRIES && error == -EINTR; i++) {
		reading->first_seen = false;
		error = route_netlink_ask(request, add, reading);
	}
	/* A kernel without rules, or without IPv6, asks the table "local" first. */
	if (error == -EOPNOTSUPP || error == -EAFNOSUPPORT) {
		reading->rules.local_first[reading->family] = true;
		return 0;
	}
	return error;
}

int routing_rules_read(struct routing_rules *ret_rules)
{
	struct reading reading = {0};
	int error = ask(AF_INET, &reading);

	if (!error)
		error = ask(AF_INET6, &reading);
	if (!error)
		*ret_rules = reading.rules;
	return error;
}
