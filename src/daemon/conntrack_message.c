// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/conntrack_message.h"

#include "abi/arena.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <string.h>

#define HANDED_OVER (IPS_SEEN_REPLY | IPS_ASSURED)

/* Attributes of one level, by type; as many as the largest level has. */
struct attributes {
	const struct nlattr *of[CTA_MAX + 1];
};

static int keep(const struct nlattr *attribute, void *data)
{
	struct attributes *attributes = data;
	uint16_t type = mnl_attr_get_type(attribute);

	if (type <= CTA_MAX)
		attributes->of[type] = attribute;
	return MNL_CB_OK;
}

static void read_nested(const struct nlattr *nest, struct attributes *ret_attributes)
{
	*ret_attributes = (struct attributes){0};
	if (nest)
		mnl_attr_parse_nested(nest, keep, ret_attributes);
}

/* Copies @size bytes, if there are as many. */
static bool get(const struct attributes *attributes, uint16_t type, void *to, size_t size)
{
	const struct nlattr *attribute = attributes->of[type];

	if (!attribute || mnl_attr_get_payload_len(attribute) < size)
		return false;
	memcpy(to, mnl_attr_get_payload(attribute), size);
	return true;
}

static bool read_addresses(const struct nlattr *nest, struct tracker_listed *connection)
{
	bool ipv6 = connection->family == ARENA_IPV6;
	size_t size = ipv6 ? sizeof(struct in6_addr) : sizeof(struct in_addr);
	struct attributes ip;

	read_nested(nest, &ip);
	return get(&ip, ipv6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC, &connection->source, size) &&
	       get(&ip, ipv6 ? CTA_IP_V6_DST : CTA_IP_V4_DST, &connection->destination, size);
}

static bool read_icmp(const struct attributes *protocol, uint16_t id, struct tracker_listed *to)
{
	return get(protocol, id, &to->transport.icmp.id, sizeof(to->transport.icmp.id)) &&
	       get(protocol, id + 1, &to->transport.icmp.type, 1) &&
	       get(protocol, id + 2, &to->transport.icmp.code, 1);
}

static bool read_transport(const struct nlattr *nest, struct tracker_listed *to)
{
	struct attributes protocol;

	read_nested(nest, &protocol);
	if (!get(&protocol, CTA_PROTO_NUM, &to->protocol, 1))
		return false;
	if (to->protocol == IPPROTO_ICMP)
		return read_icmp(&protocol, CTA_PROTO_ICMP_ID, to);
	if (to->protocol == IPPROTO_ICMPV6)
		return read_icmp(&protocol, CTA_PROTO_ICMPV6_ID, to);
	/* Those of protocols without ports are not there, or are 0. */
	get(&protocol, CTA_PROTO_SRC_PORT, &to->transport.port.source, sizeof(__be16));
	get(&protocol, CTA_PROTO_DST_PORT, &to->transport.port.destination, sizeof(__be16));
	return true;
}

static bool read_tcp(const struct nlattr *nest, struct tracker_listed *to)
{
	struct attributes information, tcp;
	struct nf_ct_tcp_flags flags[2] = {0};

	read_nested(nest, &information);
	read_nested(information.of[CTA_PROTOINFO_TCP], &tcp);
	if (!get(&tcp, CTA_PROTOINFO_TCP_STATE, &to->tcp_state, 1) ||
	    to->tcp_state == TRACKER_TCP_NONE || to->tcp_state >= TRACKER_TCP_STATES)
		return false;
	get(&tcp, CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, &to->window_scale[0], 1);
	get(&tcp, CTA_PROTOINFO_TCP_WSCALE_REPLY, &to->window_scale[1], 1);
	get(&tcp, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, &flags[0], sizeof(flags[0]));
	get(&tcp, CTA_PROTOINFO_TCP_FLAGS_REPLY, &flags[1], sizeof(flags[1]));
	for (int direction = 0; direction < 2; direction++)
		to->side_flags[direction] = flags[direction].flags & (IP_CT_TCP_FLAG_WINDOW_SCALE |
								      IP_CT_TCP_FLAG_SACK_PERM);
	return to->window_scale[0] <= 14 && to->window_scale[1] <= 14; /* RFC 7323 section 2.3 */
}

bool conntrack_message_read(const struct nlmsghdr *header, struct tracker_listed *ret_connection)
{
	const struct nfgenmsg *generic = mnl_nlmsg_get_payload(header);
	struct tracker_listed connection = {0};
	uint32_t status, seconds;
	struct attributes top = {0}, tuple;

	if (mnl_nlmsg_get_payload_len(header) < sizeof(*generic))
		return false;
	mnl_attr_parse(header, sizeof(*generic), keep, &top);
	read_nested(top.of[CTA_TUPLE_ORIG], &tuple);
	connection.family = generic->nfgen_family == NFPROTO_IPV6 ? ARENA_IPV6 : ARENA_IPV4;
	if (!get(&top, CTA_STATUS, &status, sizeof(status)) ||
	    !get(&top, CTA_TIMEOUT, &seconds, sizeof(seconds)) || top.of[CTA_ZONE] ||
	    tuple.of[CTA_TUPLE_ZONE] || !read_addresses(tuple.of[CTA_TUPLE_IP], &connection) ||
	    !read_transport(tuple.of[CTA_TUPLE_PROTO], &connection))
		return false;
	status = ntohl(status);
	connection.seconds = ntohl(seconds);
	connection.status = (uint8_t)(status & HANDED_OVER);
	if (status & (IPS_NAT_MASK | IPS_DYING | IPS_TEMPLATE) || !connection.seconds)
		return false;
	if (connection.protocol == IPPROTO_TCP && !read_tcp(top.of[CTA_PROTOINFO], &connection))
		return false;
	*ret_connection = connection;
	return true;
}

static void put_addresses(struct nlmsghdr *header, const struct tracker_listed *connection,
			  bool reply)
{
	const struct tracker_address *from = reply ? &connection->destination : &connection->source;
	const struct tracker_address *to = reply ? &connection->source : &connection->destination;
	struct nlattr *nest = mnl_attr_nest_start(header, CTA_TUPLE_IP);

	if (connection->family == ARENA_IPV6) {
		mnl_attr_put(header, CTA_IP_V6_SRC, sizeof(struct in6_addr), from);
		mnl_attr_put(header, CTA_IP_V6_DST, sizeof(struct in6_addr), to);
	} else {
		mnl_attr_put(header, CTA_IP_V4_SRC, sizeof(struct in_addr), from);
		mnl_attr_put(header, CTA_IP_V4_DST, sizeof(struct in_addr), to);
	}
	mnl_attr_nest_end(header, nest);
}

/* The type of the answer to a query: RFC 792, RFC 950, RFC 4443, RFC 4620. */
static uint8_t answer_type(uint8_t type)
{
	return type == 8 ? 0 : type + 1;
}

static void put_icmp(struct nlmsghdr *header, const struct tracker_listed *connection, uint16_t id,
		     bool reply)
{
	uint8_t type = connection->transport.icmp.type;

	mnl_attr_put_u16(header, id, connection->transport.icmp.id);
	mnl_attr_put_u8(header, id + 1, reply ? answer_type(type) : type);
	mnl_attr_put_u8(header, id + 2, connection->transport.icmp.code);
}

static void put_transport(struct nlmsghdr *header, const struct tracker_listed *connection,
			  bool reply)
{
	__be16 source = connection->transport.port.source;
	__be16 destination = connection->transport.port.destination;
	struct nlattr *nest = mnl_attr_nest_start(header, CTA_TUPLE_PROTO);

	mnl_attr_put_u8(header, CTA_PROTO_NUM, connection->protocol);
	if (connection->protocol == IPPROTO_ICMP) {
		put_icmp(header, connection, CTA_PROTO_ICMP_ID, reply);
	} else if (connection->protocol == IPPROTO_ICMPV6) {
		put_icmp(header, connection, CTA_PROTO_ICMPV6_ID, reply);
	} else {
		mnl_attr_put_u16(header, CTA_PROTO_SRC_PORT, reply ? destination : source);
		mnl_attr_put_u16(header, CTA_PROTO_DST_PORT, reply ? source : destination);
	}
	mnl_attr_nest_end(header, nest);
}

static void put_tuple(struct nlmsghdr *header, const struct tracker_listed *connection, bool reply)
{
	struct nlattr *nest = mnl_attr_nest_start(header, reply ? CTA_TUPLE_REPLY : CTA_TUPLE_ORIG);

	put_addresses(header, connection, reply);
	put_transport(header, connection, reply);
	mnl_attr_nest_end(header, nest);
}

static void put_tcp(struct nlmsghdr *header, const struct tracker_listed *connection)
{
	struct nlattr *nest = mnl_attr_nest_start(header, CTA_PROTOINFO);
	struct nlattr *tcp = mnl_attr_nest_start(header, CTA_PROTOINFO_TCP);

	mnl_attr_put_u8(header, CTA_PROTOINFO_TCP_STATE, connection->tcp_state);
	mnl_attr_put_u8(header, CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, connection->window_scale[0]);
	mnl_attr_put_u8(header, CTA_PROTOINFO_TCP_WSCALE_REPLY, connection->window_scale[1]);
	for (int direction = 0; direction < 2; direction++) {
		const struct nf_ct_tcp_flags flags = {
			.flags = (connection->side_flags[direction] &
				  (IP_CT_TCP_FLAG_WINDOW_SCALE | IP_CT_TCP_FLAG_SACK_PERM)) |
				 IP_CT_TCP_FLAG_BE_LIBERAL,
			.mask = IP_CT_TCP_FLAG_WINDOW_SCALE | IP_CT_TCP_FLAG_SACK_PERM |
				IP_CT_TCP_FLAG_BE_LIBERAL,
		};

		mnl_attr_put(header,
			     direction ? CTA_PROTOINFO_TCP_FLAGS_REPLY
				       : CTA_PROTOINFO_TCP_FLAGS_ORIGINAL,
			     sizeof(flags), &flags);
	}
	mnl_attr_nest_end(header, tcp);
	mnl_attr_nest_end(header, nest);
}

void conntrack_message_write(struct nlmsghdr *header, const struct tracker_listed *connection)
{
	put_tuple(header, connection, false);
	put_tuple(header, connection, true);
	mnl_attr_put_u32(header, CTA_STATUS,
			 htonl((connection->status & HANDED_OVER) | IPS_CONFIRMED));
	mnl_attr_put_u32(header, CTA_TIMEOUT, htonl(connection->seconds));
	if (connection->protocol == IPPROTO_TCP)
		put_tcp(header, connection);
}
