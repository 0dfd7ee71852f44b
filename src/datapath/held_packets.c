// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/held_packets.h"

#include "common/cleanup.h"
#include "datapath/route_netlink.h"

#include <dirent.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

#define MILLISECOND 1000000ull
#define SECOND      (1000 * MILLISECOND)

/* A number that the kernel says; @otherwise if it does not. */
__attribute__((format(printf, 2, 3))) static uint64_t read_number(uint64_t otherwise,
								  const char *format, ...)
{
	_cleanup_fclose_ FILE *file = NULL;
	unsigned long long number;
	char path[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(path, sizeof(path), format, arguments);
	va_end(arguments);
	file = fopen(path, "re");
	return file && fscanf(file, "%llu", &number) == 1 ? number : otherwise;
}

static int note_incomplete(const struct nlmsghdr *header, void *data)
{
	const struct ndmsg *neighbour = mnl_nlmsg_get_payload(header);
	bool *incomplete = data;

	if (header->nlmsg_type == RTM_NEWNEIGH &&
	    mnl_nlmsg_get_payload_len(header) >= sizeof(*neighbour) &&
	    neighbour->ndm_state & NUD_INCOMPLETE)
		*incomplete = true;
	return MNL_CB_OK;
}

bool held_packets_for_neighbours(void)
{
	_Alignas(struct nlmsghdr) char buffer[ROUTE_NETLINK_REQUEST];
	struct nlmsghdr *request =
		route_netlink_request(buffer, RTM_GETNEIGH, sizeof(struct ndmsg));
	bool incomplete = false;

	request->nlmsg_flags |= NLM_F_DUMP;
	return route_netlink_ask(request, note_incomplete, &incomplete) || incomplete;
}

/* neigh_max_probes() in net/core/neighbour.c, times what is between two. */
static uint64_t probe_time(const char *family, const char *device)
{
	static const char format[] = "/proc/sys/net/%s/neigh/%s/%s";
	uint64_t probes = read_number(3, format, family, device, "ucast_solicit") +
			  read_number(3, format, family, device, "mcast_solicit") +
			  read_number(0, format, family, device, "app_solicit");

	return probes * read_number(1000, format, family, device, "retrans_time_ms") * MILLISECOND;
}

uint64_t held_packets_neighbour_time(void)
{
	static const char *const families[] = {"ipv4", "ipv6"};
	uint64_t longest = 0;

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		char path[64];
		const struct dirent *entry;
		DIR *directory;

		snprintf(path, sizeof(path), "/proc/sys/net/%s/neigh", families[i]);
		directory = opendir(path);
		while (directory && (entry = readdir(directory))) {
			uint64_t time = probe_time(families[i], entry->d_name);

			longest = time > longest ? time : longest;
		}
		if (directory)
			closedir(directory);
	}
	return longest + SECOND;
}

bool held_packets_in_queues(void)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/self/net/netfilter/nfnetlink_queue", "re");
	char line[256];
	unsigned int waiting;

	/* net/netfilter/nfnetlink_queue.c seq_show(): number, owner, packets that wait ... */
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%*u %*u %u", &waiting) == 1 && waiting)
			return true;
	return false;
}

uint64_t held_packets_fragment_time(void)
{
	static const char *const names[] = {
		"ipv4/ipfrag_time",
		"ipv6/ip6frag_time",
		"netfilter/nf_conntrack_frag6_timeout",
	};
	uint64_t longest = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		uint64_t time = read_number(60, "/proc/sys/net/%s", names[i]);

		longest = time > longest ? time : longest;
	}
	return (longest + 1) * SECOND;
}
