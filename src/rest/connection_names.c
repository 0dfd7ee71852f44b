// SPDX-License-Identifier: GPL-2.0-or-later
#include "rest/connection_names.h"

#include "abi/tracker.h"
#include "common/cleanup.h"
#include "rest/number.h"

#include <netinet/in.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *name;
	uint8_t number;
	bool ports;
} protocols[] = {
	{"tcp", IPPROTO_TCP, true},   {"udp", IPPROTO_UDP, true},
	{"icmp", IPPROTO_ICMP},       {"icmpv6", IPPROTO_ICMPV6},
	{"sctp", IPPROTO_SCTP, true}, {"dccp", IPPROTO_DCCP, true},
	{"gre", IPPROTO_GRE},         {"udplite", IPPROTO_UDPLITE, true},
};

/* As the kernel's tcp_conntrack_names[] (nf_conntrack_proto_tcp.c). */
static const char *const tcp_states[TRACKER_TCP_STATES] = {
	[TRACKER_TCP_NONE] = "NONE",         [TRACKER_TCP_SYN_SENT] = "SYN_SENT",
	[TRACKER_TCP_SYN_RECV] = "SYN_RECV", [TRACKER_TCP_ESTABLISHED] = "ESTABLISHED",
	[TRACKER_TCP_FIN_WAIT] = "FIN_WAIT", [TRACKER_TCP_CLOSE_WAIT] = "CLOSE_WAIT",
	[TRACKER_TCP_LAST_ACK] = "LAST_ACK", [TRACKER_TCP_TIME_WAIT] = "TIME_WAIT",
	[TRACKER_TCP_CLOSE] = "CLOSE",       [TRACKER_TCP_SYN_SENT2] = "SYN_SENT2",
};

const char *connection_protocol_name(uint8_t protocol)
{
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (protocols[i].number == protocol)
			return protocols[i].name;
	return NULL;
}

int connection_protocol_number(const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (strcasecmp(protocols[i].name, text) == 0)
			return protocols[i].number;
	return read_number(text, UINT8_MAX);
}

bool connection_protocol_has_ports(uint8_t protocol)
{
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (protocols[i].number == protocol)
			return protocols[i].ports;
	return false;
}

bool connection_protocol_is_query(uint8_t protocol)
{
	return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

const char *connection_tcp_state_name(uint8_t state)
{
	return state < TRACKER_TCP_STATES ? tcp_states[state] : "NONE";
}

int connection_tcp_state_number(const char *name)
{
	for (int state = 0; state < TRACKER_TCP_STATES; state++)
		if (strcmp(tcp_states[state], name) == 0)
			return state;
	return -1;
}
