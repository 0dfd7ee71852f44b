// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/ipv6_probe.h"

#include "common/cleanup.h"

#include <netinet/in.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

/* Protocols that nobody speaks: the one that rules ask for, and the one behind the extension
 * header. */
#define PROTOCOL_ASKED  253
#define PROTOCOL_BEHIND 254

/* The filter table with one rule in OUTPUT, -p 253 -j ACCEPT: accepts everything but what hotdrops.
 */
struct probe_table {
	struct ip6t_replace replace;
	struct ip6t_standard input;
	struct ip6t_standard forward;
	struct ip6t_standard rule;
	struct ip6t_standard output;
	struct ip6t_error end;
};

#define ENTRY_OFFSET(member) (offsetof(struct probe_table, member) - sizeof(struct ip6t_replace))

static void fill_table(struct probe_table *table, struct xt_counters *counters)
{
	const struct ip6t_standard accept = IP6T_STANDARD_INIT(NF_ACCEPT);
	const struct ip6t_error end = IP6T_ERROR_INIT;

	*table = (struct probe_table){
		.replace =
			{
				.name = "filter",
				.valid_hooks = 1 << NF_INET_LOCAL_IN | 1 << NF_INET_FORWARD |
					       1 << NF_INET_LOCAL_OUT,
				.num_entries = 5,
				.size = sizeof(*table) - sizeof(table->replace),
				/* Of the table that a namespace begins with. */
				.num_counters = 4,
				.counters = counters,
			},
		.input = accept,
		.forward = accept,
		.rule = accept,
		.output = accept,
		.end = end,
	};
	table->rule.entry.ipv6.flags = IP6T_F_PROTO;
	table->rule.entry.ipv6.proto = PROTOCOL_ASKED;
	table->replace.hook_entry[NF_INET_LOCAL_IN] = ENTRY_OFFSET(input);
	table->replace.underflow[NF_INET_LOCAL_IN] = ENTRY_OFFSET(input);
	table->replace.hook_entry[NF_INET_FORWARD] = ENTRY_OFFSET(forward);
	table->replace.underflow[NF_INET_FORWARD] = ENTRY_OFFSET(forward);
	table->replace.hook_entry[NF_INET_LOCAL_OUT] = ENTRY_OFFSET(rule);
	table->replace.underflow[NF_INET_LOCAL_OUT] = ENTRY_OFFSET(output);
}

static int bring_loopback_up(int socket)
{
	struct ifreq request = {.ifr_name = "lo"};

	request.ifr_flags = IFF_UP;
	return ioctl(socket, SIOCSIFFLAGS, &request);
}

static int load_table(int socket)
{
	struct xt_counters counters[4];
	struct ip6t_getinfo info = {.name = "filter"};
	socklen_t size = sizeof(info);
	struct probe_table table;

	/* The first question makes the table. */
	if (getsockopt(socket, SOL_IPV6, IP6T_SO_GET_INFO, &info, &size))
		return -1;
	fill_table(&table, counters);
	return setsockopt(socket, SOL_IPV6, IP6T_SO_SET_REPLACE, &table, sizeof(table));
}

/* A packet to ::1 whose only extension header says that it is longer than the packet. */
static int send_packet(int socket)
{
	struct {
		uint8_t version, class, flow[2];
		uint16_t payload;
		uint8_t next, hop_limit;
		struct in6_addr source, destination;
		uint8_t option_next, option_length, options[6];
	} packet = {
		.version = 6 << 4,
		.payload = htons(8),
		.next = IPPROTO_DSTOPTS,
		.hop_limit = 1,
		.source = IN6ADDR_LOOPBACK_INIT,
		.destination = IN6ADDR_LOOPBACK_INIT,
		.option_next = PROTOCOL_BEHIND,
		.option_length = 10,
	};
	struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};

	return sendto(socket, &packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to)) < 0
		       ? -errno
		       : 0;
}

/* In a process of its own: the namespace ends with it. */
static bool ask_kernel(void)
{
	_cleanup_close_ int raw = -1;

	if (unshare(CLONE_NEWNET))
		return true;
	raw = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (raw < 0 || bring_loopback_up(raw) || load_table(raw))
		return true;
	return send_packet(raw) != 0;
}

bool ipv6_probe_checks_length(void)
{
	pid_t child = fork();
	int status = 0;

	if (child < 0)
		return true;
	if (child == 0)
		_exit(ask_kernel());
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return true;
	return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}
