// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/local_routes.h"

#include "common/cleanup.h"
#include "datapath/route_netlink.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#define LIST_TRIES 16 /* of a dump, while routes change */

static bool is_wanted_type(uint8_t type)
{
	return type == RTN_LOCAL || type == RTN_BROADCAST || type == RTN_ANYCAST ||
	       type == RTN_THROW;
}

static const struct rtmsg *route_of(const struct nlmsghdr *header)
{
	return mnl_nlmsg_get_payload_len(header) < sizeof(struct rtmsg)
		       ? NULL
		       : mnl_nlmsg_get_payload(header);
}

bool local_routes_concerned(const struct nlmsghdr *header)
{
	const struct rtmsg *route = route_of(header);

	if (header->nlmsg_type != RTM_NEWROUTE && header->nlmsg_type != RTM_DELROUTE)
		return true;
	/* A route that replaces another may have ended one of ours. */
	return !route || is_wanted_type(route->rtm_type) || route->rtm_table == RT_TABLE_LOCAL ||
	       header->nlmsg_flags & NLM_F_REPLACE;
}

int local_route_compare(const struct local_route *one, const struct local_route *other)
{
	return memcmp(one, other, offsetof(struct local_route, flags));
}

static int compare(const void *one, const void *other)
{
	return local_route_compare(one, other);
}

struct route_attributes {
	const struct nlattr *destination;
	uint32_t table;
	uint32_t out;
};

static int keep_attribute(const struct nlattr *attribute, void *data)
{
	struct route_attributes *attributes = data;

	switch (mnl_attr_get_type(attribute)) {
	case RTA_DST:
		attributes->destination = attribute;
		break;
	case RTA_TABLE:
		if (mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
			attributes->table = mnl_attr_get_u32(attribute);
		break;
	case RTA_OIF:
		if (mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
			attributes->out = mnl_attr_get_u32(attribute);
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

static bool is_link_local(const struct local_route *route)
{
	return route->family == SELECTOR_IPV6 && route->length >= 10 && route->address[0] == 0xfe &&
	       (route->address[1] & 0xc0) == 0x80;
}

/* 127.0.0.0/8 is known to the selector, which so has no prefix to look for on most machines. */
static bool is_loopback_net(const struct local_route *route)
{
	return route->family == SELECTOR_IPV4 && route->length == 8 && route->address[0] == 127;
}

static uint32_t route_flags(const struct rtmsg *message, uint32_t table, bool one_address)
{
	uint32_t flags = SELECTOR_LOCAL;

	if (message->rtm_type == RTN_THROW)
		return SELECTOR_THROW;
	if (!one_address)
		return flags;
	if (table == RT_TABLE_LOCAL && !message->rtm_tos)
		flags |= SELECTOR_CERTAIN;
	if (message->rtm_type == RTN_BROADCAST)
		flags |= SELECTOR_BROADCAST;
	return flags;
}

/* False if the message is about something else. */
static bool read_route(const struct nlmsghdr *header, struct local_route *route)
{
	const struct rtmsg *message = route_of(header);
	struct route_attributes attributes = {0};
	uint8_t bytes;

	if (!message || header->nlmsg_type != RTM_NEWROUTE || !is_wanted_type(message->rtm_type) ||
	    (message->rtm_family != AF_INET && message->rtm_family != AF_INET6))
		return false;
	attributes.table = message->rtm_table;
	if (mnl_attr_parse(header, sizeof(*message), keep_attribute, &attributes) < 0)
		return false;
	bytes = message->rtm_family == AF_INET ? 4 : 16;
	if (message->rtm_dst_len > bytes * 8 ||
	    (attributes.destination && mnl_attr_get_payload_len(attributes.destination) != bytes))
		return false;

	memset(route, 0, sizeof(*route));
	route->family = message->rtm_family == AF_INET ? SELECTOR_IPV4 : SELECTOR_IPV6;
	route->length = message->rtm_dst_len;
	if (attributes.destination)
		memcpy(route->address, mnl_attr_get_payload(attributes.destination), bytes);
	route->flags = route_flags(message, attributes.table, route->length == bytes * 8);
	if (is_link_local(route) && route->length == 128)
		route->ifindex = attributes.out;
	return !is_loopback_net(route);
}

static int add(const struct nlmsghdr *header, void *data)
{
	struct local_routes *routes = data;
	struct local_route route;

	if (!read_route(header, &route))
		return MNL_CB_OK;
	if (routes->n_routes == routes->capacity) {
		size_t capacity = routes->capacity ? routes->capacity * 2 : 32;
		struct local_route *list = reallocarray(routes->list, capacity, sizeof(*list));

		if (!list) {
			errno = ENOMEM;
			return MNL_CB_ERROR;
		}
		routes->list = list;
		routes->capacity = capacity;
	}
	routes->list[routes->n_routes++] = route;
	return MNL_CB_OK;
}

static int ask(uint8_t family, uint8_t type, struct local_routes *routes)
{
	_Alignas(struct nlmsghdr) char buffer[ROUTE_NETLINK_REQUEST];
	struct nlmsghdr *request =
		route_netlink_request(buffer, RTM_GETROUTE, sizeof(struct rtmsg));
	struct rtmsg *message = mnl_nlmsg_get_payload(request);
	size_t n_routes = routes->n_routes;
	int error = -EINTR;

	request->nlmsg_flags |= NLM_F_DUMP;
	message->rtm_family = family;
	message->rtm_type = type;
	for (int i = 0; i < LIST_TRIES && error == -EINTR; i++) {
		routes->n_routes = n_routes;
		error = route_netlink_ask(request, add, routes);
	}
	return error;
}

static int ask_all(struct local_routes *routes)
{
	static const struct {
		uint8_t family;
		uint8_t type;
	} dumps[] = {
		{AF_INET, RTN_LOCAL},    {AF_INET, RTN_BROADCAST}, {AF_INET6, RTN_LOCAL},
		{AF_INET6, RTN_ANYCAST}, {AF_INET6, RTN_THROW},
	};

	for (size_t i = 0; i < ARRAY_SIZE(dumps); i++) {
		int error = ask(dumps[i].family, dumps[i].type, routes);

		/* A kernel without IPv6 has no routes of it. */
		if (error && (dumps[i].family == AF_INET || error != -EOPNOTSUPP))
			return error;
	}
	return 0;
}

/* Sorts, and makes one of those with the same key. */
static void order(struct local_routes *routes)
{
	size_t n_routes = 0;

	if (!routes->n_routes)
		return;
	qsort(routes->list, routes->n_routes, sizeof(*routes->list), compare);
	for (size_t i = 1; i < routes->n_routes; i++) {
		if (local_route_compare(&routes->list[n_routes], &routes->list[i]) == 0)
			routes->list[n_routes].flags |= routes->list[i].flags;
		else
			routes->list[++n_routes] = routes->list[i];
	}
	routes->n_routes = n_routes + 1;
}

static bool is_prefix(const struct local_route *route)
{
	return route->length != (route->family == SELECTOR_IPV4 ? 32 : 128);
}

static bool contains(const struct local_route *prefix, const struct local_route *route)
{
	unsigned int bytes = prefix->length / 8, bits = prefix->length % 8;
	uint8_t mask = (uint8_t)(0xff00 >> bits);

	return route->family == prefix->family && route->length > prefix->length &&
	       memcmp(route->address, prefix->address, bytes) == 0 &&
	       (!bits || !((route->address[bytes] ^ prefix->address[bytes]) & mask));
}

/* A look-up finds the longest prefix only. There are few prefixes. */
static void include_surrounding(struct local_routes *routes)
{
	for (size_t i = 0; i < routes->n_routes; i++) {
		const struct local_route *prefix = &routes->list[i];

		for (size_t j = 0; is_prefix(prefix) && j < routes->n_routes; j++)
			if (contains(prefix, &routes->list[j]))
				routes->list[j].flags |=
					prefix->flags & (SELECTOR_LOCAL | SELECTOR_THROW);
	}
}

int local_routes_list(struct local_routes *ret_routes)
{
	struct local_routes routes = {0};
	int error = ask_all(&routes);

	if (error) {
		local_routes_free(&routes);
		return error;
	}
	order(&routes);
	include_surrounding(&routes);
	*ret_routes = routes;
	return 0;
}

void local_routes_free(struct local_routes *routes)
{
	free(routes->list);
	*routes = (struct local_routes){0};
}
