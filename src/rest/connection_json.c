// SPDX-License-Identifier: GPL-2.0-or-later
#include "rest/connection_json.h"

#include "abi/arena.h"
#include "rest/connection_names.h"

#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <stdio.h>

/* Node information (RFC 4620). */
#define NODE_QUERY 139
#define NODE_REPLY 140

/* Of a query; after invmap[] of nf_conntrack_proto_icmp.c and nf_conntrack_proto_icmpv6.c. */
static uint8_t reply_type(uint8_t protocol, uint8_t type)
{
	if (protocol == IPPROTO_ICMPV6)
		return type == NODE_QUERY ? NODE_REPLY : ICMP6_ECHO_REPLY;
	switch (type) {
	case ICMP_TIMESTAMP:
		return ICMP_TIMESTAMPREPLY;
	case ICMP_INFO_REQUEST:
		return ICMP_INFO_REPLY;
	case ICMP_ADDRESS:
		return ICMP_ADDRESSREPLY;
	default:
		return ICMP_ECHOREPLY;
	}
}

static json_t *describe_direction(const struct tracker_listed *connection, bool reply)
{
	const struct tracker_address *source =
		reply ? &connection->destination : &connection->source;
	const struct tracker_address *destination =
		reply ? &connection->source : &connection->destination;
	const union tracker_transport *transport = &connection->transport;
	int domain = connection->family == ARENA_IPV6 ? AF_INET6 : AF_INET;
	char from[INET6_ADDRSTRLEN] = "", to[INET6_ADDRSTRLEN] = "";

	inet_ntop(domain, source, from, sizeof(from));
	inet_ntop(domain, destination, to, sizeof(to));
	if (connection_protocol_has_ports(connection->protocol)) {
		int near = ntohs(transport->port.source), far = ntohs(transport->port.destination);

		return json_pack("{s:s, s:s, s:i, s:i}", "source", from, "destination", to, "sport",
				 reply ? far : near, "dport", reply ? near : far);
	}
	if (connection_protocol_is_query(connection->protocol)) {
		uint8_t type = transport->icmp.type;

		return json_pack("{s:s, s:s, s:i, s:i, s:i}", "source", from, "destination", to,
				 "type", reply ? reply_type(connection->protocol, type) : type,
				 "code", transport->icmp.code, "id", ntohs(transport->icmp.id));
	}
	return json_pack("{s:s, s:s}", "source", from, "destination", to);
}

json_t *connection_json(const struct tracker_listed *connection)
{
	const char *name = connection_protocol_name(connection->protocol);
	const char *state = connection->protocol == IPPROTO_TCP
				    ? connection_tcp_state_name(connection->tcp_state)
				    : NULL;

	return json_pack("{s:s, s:s?, s:i, s:i, s:s?, s:b, s:b, s:b, s:o, s:o}", "family",
			 connection->family == ARENA_IPV6 ? "ipv6" : "ipv4", "protocol", name,
			 "protocol_number", connection->protocol, "timeout",
			 (int)connection->seconds, "state", state, "replied",
			 (connection->status & TRACKER_SEEN_REPLY) != 0, "assured",
			 (connection->status & TRACKER_ASSURED) != 0, "settled",
			 connection->settled, "original", describe_direction(connection, false),
			 "reply", describe_direction(connection, true));
}
