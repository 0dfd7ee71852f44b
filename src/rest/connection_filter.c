// SPDX-License-Identifier: GPL-2.0-or-later
#include "rest/connection_filter.h"

#include "abi/arena.h"
#include "rest/connection_names.h"
#include "rest/number.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

const char *const connection_filter_names[] = {
	"family", "protocol", "source", "destination", "sport", "dport", "state", NULL,
};

static bool refuse(struct rest_reply *reply, const char *name, const char *value,
		   const char *expected)
{
	rest_reply_error(reply, REST_INVALID, name, value, "this is not %s", expected);
	return false;
}

static bool read_family(const char *name, const char *value, int *ret_family,
			struct rest_reply *reply)
{
	if (strcmp(value, "ipv4") == 0)
		*ret_family = ARENA_IPV4;
	else if (strcmp(value, "ipv6") == 0)
		*ret_family = ARENA_IPV6;
	else
		return refuse(reply, name, value, "ipv4 or ipv6");
	return true;
}

static bool parse_prefix(const char *value, struct connection_prefix *ret_prefix)
{
	struct connection_prefix prefix = {.given = true};
	char address[INET6_ADDRSTRLEN];
	size_t length = strcspn(value, "/");
	int most, bits;

	if (length >= sizeof(address))
		return false;
	memcpy(address, value, length);
	address[length] = '\0';
	prefix.family = strchr(address, ':') ? ARENA_IPV6 : ARENA_IPV4;
	most = prefix.family == ARENA_IPV6 ? 128 : 32;
	bits = value[length] ? read_number(value + length + 1, most) : most;
	if (bits < 0 ||
	    inet_pton(prefix.family == ARENA_IPV6 ? AF_INET6 : AF_INET, address, prefix.bytes) != 1)
		return false;
	prefix.length = (unsigned int)bits;
	*ret_prefix = prefix;
	return true;
}

static bool read_prefix(const char *name, const char *value, struct connection_prefix *ret_prefix,
			struct rest_reply *reply)
{
	return parse_prefix(value, ret_prefix) ||
	       refuse(reply, name, value, "an address, nor ADDRESS/LENGTH");
}

static bool read_protocol(const char *name, const char *value, int *ret_protocol,
			  struct rest_reply *reply)
{
	*ret_protocol = connection_protocol_number(value);
	return *ret_protocol >= 0 ||
	       refuse(reply, name, value, "a protocol's name or number that is known");
}

static bool read_port(const char *name, const char *value, int *ret_port, struct rest_reply *reply)
{
	*ret_port = read_number(value, UINT16_MAX);
	return *ret_port >= 0 || refuse(reply, name, value, "a port's number");
}

static bool read_state(const char *name, const char *value, struct connection_filter *filter,
		       struct rest_reply *reply)
{
	if (strcmp(value, "ASSURED") == 0) {
		filter->status = filter->status_values = TRACKER_ASSURED;
		return true;
	}
	if (strcmp(value, "UNREPLIED") == 0) {
		filter->status = TRACKER_SEEN_REPLY;
		return true;
	}
	filter->tcp_state = connection_tcp_state_number(value);
	return filter->tcp_state >= 0 ||
	       refuse(reply, name, value, "a state of TCP, UNREPLIED or ASSURED");
}

static bool read_parameter(const char *name, const char *value, struct connection_filter *filter,
			   struct rest_reply *reply)
{
	if (strcmp(name, "family") == 0)
		return read_family(name, value, &filter->family, reply);
	if (strcmp(name, "protocol") == 0)
		return read_protocol(name, value, &filter->protocol, reply);
	if (strcmp(name, "source") == 0)
		return read_prefix(name, value, &filter->source, reply);
	if (strcmp(name, "destination") == 0)
		return read_prefix(name, value, &filter->destination, reply);
	if (strcmp(name, "sport") == 0)
		return read_port(name, value, &filter->source_port, reply);
	if (strcmp(name, "dport") == 0)
		return read_port(name, value, &filter->destination_port, reply);
	return read_state(name, value, filter, reply);
}

bool connection_filter_read(const struct rest_request *request,
			    struct connection_filter *ret_filter, struct rest_reply *reply)
{
	struct connection_filter filter = {
		.family = -1,
		.protocol = -1,
		.source_port = -1,
		.destination_port = -1,
		.tcp_state = -1,
	};

	for (size_t i = 0; i < request->n_query; i++)
		if (!read_parameter(request->query[i].name, request->query[i].value, &filter,
				    reply))
			return false;
	*ret_filter = filter;
	return true;
}

static bool is_in_prefix(const struct connection_prefix *prefix,
			 const struct tracker_listed *connection,
			 const struct tracker_address *address)
{
	const uint8_t *bytes = (const uint8_t *)address;
	unsigned int whole = prefix->length / 8, rest = prefix->length % 8;

	if (!prefix->given)
		return true;
	if (prefix->family != connection->family || memcmp(bytes, prefix->bytes, whole) != 0)
		return false;
	return !rest || !((bytes[whole] ^ prefix->bytes[whole]) >> (8 - rest));
}

static bool are_ports_right(const struct connection_filter *filter,
			    const struct tracker_listed *connection)
{
	if (filter->source_port < 0 && filter->destination_port < 0)
		return true;
	if (!connection_protocol_has_ports(connection->protocol))
		return false;
	if (filter->source_port >= 0 &&
	    filter->source_port != ntohs(connection->transport.port.source))
		return false;
	return filter->destination_port < 0 ||
	       filter->destination_port == ntohs(connection->transport.port.destination);
}

static bool is_state_right(const struct connection_filter *filter,
			   const struct tracker_listed *connection)
{
	if ((connection->status & filter->status) != filter->status_values)
		return false;
	return filter->tcp_state < 0 ||
	       (connection->protocol == IPPROTO_TCP && connection->tcp_state == filter->tcp_state);
}

bool connection_filter_matches(const struct connection_filter *filter,
			       const struct tracker_listed *connection)
{
	if (filter->family >= 0 && filter->family != connection->family)
		return false;
	if (filter->protocol >= 0 && filter->protocol != connection->protocol)
		return false;
	return is_in_prefix(&filter->source, connection, &connection->source) &&
	       is_in_prefix(&filter->destination, connection, &connection->destination) &&
	       are_ports_right(filter, connection) && is_state_right(filter, connection);
}
