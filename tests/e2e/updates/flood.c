// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sends packets of LENGTH bytes as fast as it can until its standard input is closed: UDP
 * datagrams, or ICMP echo requests, which the other side's kernel answers by itself. They come from
 * SOURCE and the addresses behind it, of either family. Usage: flood CPU udp|echo ADDRESS SOURCE
 * LENGTH. Prints "started", and at the end how many it has sent.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SOCKETS     8u /* flows, which the receiver spreads over its processors */
#define BATCH       32u
#define PORT        9
#define HEADER_SIZE 8u /* of UDP and of ICMP echo requests */
#define MAX_LENGTH  1024u

union end {
	struct sockaddr any;
	struct sockaddr_in ipv4;
	struct sockaddr_in6 ipv6;
};

struct ends {
	union end to;
	union end source;
	bool echo;
};

static bool read_end(const char *text, uint16_t port, union end *ret_end)
{
	*ret_end = (union end){.ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)}};
	if (inet_pton(AF_INET6, text, &ret_end->ipv6.sin6_addr) == 1)
		return true;
	*ret_end = (union end){.ipv4 = {.sin_family = AF_INET, .sin_port = htons(port)}};
	return inet_pton(AF_INET, text, &ret_end->ipv4.sin_addr) == 1;
}

static bool is_ipv6(const struct ends *ends)
{
	return ends->to.any.sa_family == AF_INET6;
}

/* The addresses that are used differ in their last byte only. */
static void add_to_address(union end *end, unsigned int number)
{
	if (end->any.sa_family == AF_INET6)
		end->ipv6.sin6_addr.s6_addr[15] += (uint8_t)number;
	else
		end->ipv4.sin_addr.s_addr += htonl(number);
}

static int open_flow(const struct ends *ends, unsigned int number)
{
	int family = ends->to.any.sa_family;
	int echo_protocol = is_ipv6(ends) ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	int fd = ends->echo ? socket(family, SOCK_RAW, echo_protocol)
			    : socket(family, SOCK_DGRAM, 0);
	union end source = ends->source;

	add_to_address(&source, number);
	if (fd < 0 || bind(fd, &source.any, sizeof(source)) ||
	    connect(fd, &ends->to.any, sizeof(ends->to)))
		err(1, "socket");
	return fd;
}

static void pin(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		err(1, "sched_setaffinity");
}

/*
 * Each packet that is not counted here must not have been sent, or the totals are worth nothing.
 * One for which the receiving processor has no room is counted: the receiving device counts it as
 * dropped. Some sockets tell of it with ENOBUFS, as the raw ones of IPv6 (net/ipv6/raw.c), which
 * sendmmsg() would hide behind the number of those before it.
 */
static unsigned int send_batch(int fd, const struct msghdr *message)
{
	unsigned int sent = 0;

	for (unsigned int i = 0; i < BATCH; i++) {
		if (sendmsg(fd, message, 0) >= 0 || errno == ENOBUFS)
			sent++;
		else if (errno != EINTR)
			err(1, "sendmsg");
	}
	return sent;
}

static unsigned long flood(const struct ends *ends, struct iovec *payload)
{
	struct msghdr message = {.msg_iov = payload, .msg_iovlen = 1};
	struct pollfd input = {.fd = 0, .events = POLLIN};
	int flows[SOCKETS];
	unsigned long sent = 0;

	for (unsigned int i = 0; i < SOCKETS; i++)
		flows[i] = open_flow(ends, i);
	for (unsigned int round = 0; poll(&input, 1, 0) == 0; round++) {
		for (unsigned int i = 0; i < SOCKETS; i++)
			sent += send_batch(flows[i], &message);
		if (round == 0)
			puts("started");
	}
	return sent;
}

/*
 * Zeros behind the header; the checksum of a header that is all zero but for its type. The kernel
 * makes that of ICMPv6.
 */
static void make_echo_request(const struct ends *ends, void *bytes)
{
	struct icmphdr header = {.type = ICMP_ECHO, .checksum = htons(0xffff - (ICMP_ECHO << 8))};

	if (is_ipv6(ends))
		header = (struct icmphdr){.type = ICMPV6_ECHO_REQUEST};
	memcpy(bytes, &header, sizeof(header));
}

int main(int argc, char **argv)
{
	static char bytes[MAX_LENGTH];
	struct ends ends = {};
	struct iovec payload = {.iov_base = bytes};
	unsigned long length, headers;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 6 || !read_end(argv[3], PORT, &ends.to) ||
	    !read_end(argv[4], 0, &ends.source) ||
	    ends.to.any.sa_family != ends.source.any.sa_family)
		errx(2, "Usage: flood CPU udp|echo ADDRESS SOURCE LENGTH");
	ends.echo = !strcmp(argv[2], "echo");
	length = strtoul(argv[5], NULL, 10);
	headers = (is_ipv6(&ends) ? 40 : 20) + HEADER_SIZE;
	if (length < headers || length > MAX_LENGTH)
		errx(2, "packets have %lu to %u bytes", headers, MAX_LENGTH);
	payload.iov_len = length - headers + (ends.echo ? HEADER_SIZE : 0);
	if (ends.echo)
		make_echo_request(&ends, bytes);
	pin(atoi(argv[1]));
	printf("%lu\n", flood(&ends, &payload));
	return 0;
}
