// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sends packets of LENGTH bytes as fast as it can until its standard input is closed: UDP
 * datagrams, or ICMP echo requests, which the other side's kernel answers by itself. They come from
 * SOURCE and the addresses behind it. Usage: flood CPU udp|echo ADDRESS SOURCE LENGTH. Prints
 * "started", and at the end how many it has sent.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <linux/icmp.h>
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
#define IP_SIZE     20u
#define HEADER_SIZE 8u /* of UDP and of ICMP echo requests */
#define MAX_LENGTH  1024u

struct ends {
	struct sockaddr_in to;
	struct sockaddr_in source;
	bool echo;
};

static int open_flow(const struct ends *ends, unsigned int number)
{
	int fd = ends->echo ? socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)
			    : socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in source = ends->source;

	source.sin_addr.s_addr = htonl(ntohl(source.sin_addr.s_addr) + number);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&source, sizeof(source)) ||
	    connect(fd, (const struct sockaddr *)&ends->to, sizeof(ends->to)))
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

/* Each packet that is not counted here must not have been sent, or the totals are worth nothing. */
static unsigned int send_batch(int fd, struct mmsghdr *messages)
{
	int sent = sendmmsg(fd, messages, BATCH, 0);

	if (sent < 0 && errno != EINTR)
		err(1, "sendmmsg");
	return sent < 0 ? 0 : (unsigned int)sent;
}

static unsigned long flood(const struct ends *ends, struct iovec *payload)
{
	struct mmsghdr messages[BATCH] = {};
	struct pollfd input = {.fd = 0, .events = POLLIN};
	int flows[SOCKETS];
	unsigned long sent = 0;

	for (unsigned int i = 0; i < BATCH; i++) {
		messages[i].msg_hdr.msg_iov = payload;
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	for (unsigned int i = 0; i < SOCKETS; i++)
		flows[i] = open_flow(ends, i);
	for (unsigned int round = 0; poll(&input, 1, 0) == 0; round++) {
		for (unsigned int i = 0; i < SOCKETS; i++)
			sent += send_batch(flows[i], messages);
		if (round == 0)
			puts("started");
	}
	return sent;
}

/* Zeros behind the header; the checksum of a header that is all zero but for its type. */
static void make_echo_request(void *bytes)
{
	struct icmphdr header = {.type = ICMP_ECHO, .checksum = htons(0xffff - (ICMP_ECHO << 8))};

	memcpy(bytes, &header, sizeof(header));
}

int main(int argc, char **argv)
{
	static char bytes[MAX_LENGTH];
	struct ends ends = {.to = {.sin_family = AF_INET, .sin_port = htons(PORT)},
			    .source = {.sin_family = AF_INET}};
	struct iovec payload = {.iov_base = bytes};
	unsigned long length;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 6 || inet_pton(AF_INET, argv[3], &ends.to.sin_addr) != 1 ||
	    inet_pton(AF_INET, argv[4], &ends.source.sin_addr) != 1)
		errx(2, "Usage: flood CPU udp|echo ADDRESS SOURCE LENGTH");
	ends.echo = !strcmp(argv[2], "echo");
	length = strtoul(argv[5], NULL, 10);
	if (length < IP_SIZE + HEADER_SIZE || length > MAX_LENGTH)
		errx(2, "packets have %u to %u bytes", IP_SIZE + HEADER_SIZE, MAX_LENGTH);
	payload.iov_len = length - IP_SIZE - (ends.echo ? 0 : HEADER_SIZE);
	if (ends.echo)
		make_echo_request(bytes);
	pin(atoi(argv[1]));
	printf("%lu\n", flood(&ends, &payload));
	return 0;
}
