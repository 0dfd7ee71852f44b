// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * send_cost: what a packet costs that this machine sends, in CPU time of the sender.
 *
 *   send_cost CPU HOW FLOWS
 *
 * Sends datagrams of the flow table FLOWS with sendto(), as a server does that answers many
 * clients: from one socket for each source address and port. A filter that drops what it sends
 * makes sendto() fail. generator_run() says what HOW is, and what is printed.
 */
#include "bench/flow_table.h"
#include "bench/generator.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define MAX_SOCKETS 4096
/*
 * Fewer than of FLOW_RANDOM_ADDRESS, whose cost would be that of the kernel's table of IP
 * identifiers, by address (net/ipv4/route.c, __ip_select_ident()), and of the caches.
 */
#define RANDOM_ADDRESS_BITS 0xff
#define PAYLOAD             18 /* fills the smallest frame of Ethernet */

struct target {
	struct sockaddr_in to;
	int socket;
	uint8_t flags;
};

struct source {
	__be32 address;
	__be16 port;
	int socket;
};

struct sender {
	struct generator generator; /* first: it is what generator_run() knows */
	struct target *targets;
	uint32_t count, next;
	uint32_t random;
};

/* xorshift32 (G. Marsaglia, Xorshift RNGs, 2003) */
static uint32_t draw(struct sender *sender)
{
	sender->random ^= sender->random << 13;
	sender->random ^= sender->random >> 17;
	sender->random ^= sender->random << 5;
	return sender->random;
}

static struct sockaddr_in next_address(struct sender *sender, int *ret_socket)
{
	const struct target *target = &sender->targets[sender->next];
	struct sockaddr_in to = target->to;

	if (++sender->next == sender->count)
		sender->next = 0;
	if (target->flags & FLOW_RANDOM_ADDRESS)
		to.sin_addr.s_addr ^= htonl(draw(sender) & RANDOM_ADDRESS_BITS);
	if (target->flags & FLOW_RANDOM_PORT)
		to.sin_port = htons((uint16_t)(1 + draw(sender) % UINT16_MAX));
	*ret_socket = target->socket;
	return to;
}

static int send_datagrams(struct generator *generator, uint32_t count, uint32_t batch)
{
	struct sender *sender = (struct sender *)generator;
	static const char payload[PAYLOAD];

	(void)batch;
	for (uint32_t i = 0; i < count; i++) {
		int socket;
		struct sockaddr_in to = next_address(sender, &socket);

		if (sendto(socket, payload, sizeof(payload), 0, (struct sockaddr *)&to,
			   sizeof(to)) >= 0)
			continue;
		if (errno != EPERM) {
			fprintf(stderr, "send_cost: %s\n", strerror(errno));
			return -errno;
		}
		generator->refused++;
	}
	return 0;
}

static int open_socket(const struct flow *flow)
{
	struct sockaddr_in from = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = flow->source,
		.sin_port = flow->source_port,
	};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && !bind(fd, (struct sockaddr *)&from, sizeof(from)))
		return fd;
	fprintf(stderr, "send_cost: socket: %s\n", strerror(errno));
	return -errno;
}

static int find_socket(const struct flow *flow)
{
	static struct source sources[MAX_SOCKETS];
	static uint32_t n_sources;
	struct source *source;

	for (source = sources; source < sources + n_sources; source++)
		if (source->address == flow->source && source->port == flow->source_port)
			return source->socket;
	if (n_sources == MAX_SOCKETS) {
		fprintf(stderr, "send_cost: too many sources\n");
		return -ENFILE;
	}
	*source = (struct source){flow->source, flow->source_port, open_socket(flow)};
	if (source->socket >= 0)
		n_sources++;
	return source->socket;
}

static int prepare(const struct flow_table *table, struct sender *ret_sender)
{
	ret_sender->count = table->count;
	ret_sender->targets = calloc(table->count, sizeof(*ret_sender->targets));
	if (!ret_sender->targets)
		return -ENOMEM;
	for (uint32_t i = 0; i < table->count; i++) {
		const struct flow *flow = &table->flows[i];
		struct target *target = &ret_sender->targets[i];

		target->to = (struct sockaddr_in){
			.sin_family = AF_INET,
			.sin_addr.s_addr = flow->destination,
			.sin_port = flow->destination_port,
		};
		target->flags = flow->flags;
		target->socket = find_socket(flow);
		if (target->socket < 0)
			return target->socket;
	}
	return 0;
}

int main(int count, char **arguments)
{
	struct sender sender = {.generator.send = send_datagrams, .random = 2463534242};
	struct rlimit limit = {MAX_SOCKETS + 64, MAX_SOCKETS + 64};
	struct flow_table table;

	if (count != 4) {
		fprintf(stderr, "usage: send_cost CPU HOW FLOWS\n");
		return EXIT_FAILURE;
	}
	setrlimit(RLIMIT_NOFILE, &limit);
	if (flow_table_read(arguments[3], &table) || prepare(&table, &sender))
		return EXIT_FAILURE;
	return generator_run(&sender.generator, arguments[1], arguments[2]);
}
