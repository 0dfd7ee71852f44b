// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/device_events.h"

#include "common/cleanup.h"
#include "datapath/route_netlink.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#define LIST_TRIES 16 /* of a dump, while devices come and go */

/* Kinds (IFLA_INFO_KIND) of devices that hand on what others below them have received. */
static const char *const stacked_kinds[] = {
	"bridge", "bond",   "team",   "vlan", "macvlan", "macvtap",
	"ipvlan", "ipvtap", "macsec", "hsr",  "vrf",     "dsa",
};

struct listener {
	device_event event;
	void *data;
};

static int keep_attribute(const struct nlattr *attribute, void *data)
{
	const struct nlattr **table = data;

	if (mnl_attr_type_valid(attribute, IFLA_MAX) >= 0)
		table[mnl_attr_get_type(attribute)] = attribute;
	return MNL_CB_OK;
}

static uint32_t xdp_program(const struct nlattr *nest)
{
	const struct nlattr *attribute;
	uint32_t id = 0;

	mnl_attr_for_each_nested(attribute, nest)
	{
		switch (mnl_attr_get_type(attribute)) {
		case IFLA_XDP_PROG_ID:
		case IFLA_XDP_DRV_PROG_ID:
		case IFLA_XDP_SKB_PROG_ID:
		case IFLA_XDP_HW_PROG_ID:
			if (mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
				id = mnl_attr_get_u32(attribute);
			break;
		default:
			break;
		}
	}
	return id;
}

static bool is_stacked(const struct nlattr *nest)
{
	const struct nlattr *attribute;

	mnl_attr_for_each_nested(attribute, nest)
	{
		if (mnl_attr_get_type(attribute) != IFLA_INFO_KIND ||
		    mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) < 0)
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(stacked_kinds); i++)
			if (strcmp(mnl_attr_get_str(attribute), stacked_kinds[i]) == 0)
				return true;
	}
	return false;
}

static int read_description(const struct nlmsghdr *header, struct device_description *device)
{
	const struct ifinfomsg *information = mnl_nlmsg_get_payload(header);
	const struct nlattr *table[IFLA_MAX + 1] = {NULL};

	if (mnl_nlmsg_get_payload_len(header) < sizeof(*information) ||
	    mnl_attr_parse(header, sizeof(*information), keep_attribute, table) < 0)
		return -EBADMSG;
	*device = (struct device_description){
		.ifindex = (uint32_t)information->ifi_index,
		.type = information->ifi_type,
		.xdp = table[IFLA_XDP] ? xdp_program(table[IFLA_XDP]) : 0,
		.stacked = table[IFLA_LINKINFO] && is_stacked(table[IFLA_LINKINFO]),
	};
	if (table[IFLA_IFNAME] && mnl_attr_validate(table[IFLA_IFNAME], MNL_TYPE_STRING) >= 0)
		strncpy(device->name, mnl_attr_get_str(table[IFLA_IFNAME]), IFNAMSIZ - 1);
	return 0;
}

static int tell(const struct nlmsghdr *header, void *data)
{
	const struct listener *listener = data;
	const struct ifinfomsg *information = mnl_nlmsg_get_payload(header);
	struct device_description device;

	if (header->nlmsg_type != RTM_NEWLINK && header->nlmsg_type != RTM_DELLINK)
		return MNL_CB_OK;
	if (read_description(header, &device))
		return MNL_CB_OK;
	/* A port that leaves its bridge is an RTM_DELLINK of AF_BRIDGE: the device stays. */
	if (information->ifi_family == AF_UNSPEC)
		listener->event(listener->data, &device, header->nlmsg_type == RTM_DELLINK);
	return MNL_CB_OK;
}

int device_events_listen(struct mnl_socket **ret_socket, struct message *message)
{
	static const int groups[] = {RTNLGRP_LINK};

	return route_netlink_listen(groups, ARRAY_SIZE(groups), ret_socket, message);
}

int device_events_receive(struct mnl_socket *socket, device_event event, void *data)
{
	struct listener listener = {event, data};

	return route_netlink_receive(socket, tell, &listener);
}

static int ask(uint16_t flags, uint32_t ifindex, struct listener *listener)
{
	_Alignas(struct nlmsghdr) char buffer[ROUTE_NETLINK_REQUEST];
	struct nlmsghdr *request =
		route_netlink_request(buffer, RTM_GETLINK, sizeof(struct ifinfomsg));
	struct ifinfomsg *information = mnl_nlmsg_get_payload(request);

	information->ifi_family = AF_UNSPEC;
	information->ifi_index = (int)ifindex;
	request->nlmsg_flags |= flags;
	return route_netlink_ask(request, tell, listener);
}

int device_events_list(device_event event, void *data)
{
	struct listener listener = {event, data};
	int error = -EINTR;

	for (int i = 0; i < LIST_TRIES && error == -EINTR; i++)
		error = ask(NLM_F_DUMP, 0, &listener);
	return error;
}

static void keep_description(void *data, const struct device_description *device, bool gone)
{
	struct device_description *description = data;

	if (!gone)
		*description = *device;
}

int device_events_describe(uint32_t ifindex, struct device_description *ret_device)
{
	struct device_description device = {0};
	struct listener listener = {keep_description, &device};
	int error = ask(0, ifindex, &listener);

	if (!error && device.ifindex != ifindex)
		error = -ENODEV;
	if (!error)
		*ret_device = device;
	return error;
}
