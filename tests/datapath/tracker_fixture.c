// SPDX-License-Identifier: GPL-2.0-or-later
#include "tracker_fixture.h"

#include "tracker_program.skel.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NANOSECONDS 1000000000.0

struct frame {
	uint8_t bytes[TEST_PACKET_OFFSET + sizeof(struct tracker_packet)];
};

int tracker_fixture_set_up(void **state)
{
	return tracker_fixture_set_up_with(state, TEST_SETTLED, TEST_HALF_OPEN);
}

int tracker_fixture_set_up_with(void **state, uint32_t settled, uint32_t half_open)
{
	struct tracker_fixture *fixture = calloc(1, sizeof(*fixture));
	const struct tracker_sizes sizes = {
		.settled = settled,
		.half_open = half_open,
		.fragmented_datagrams = 1024,
	};
	struct message message = {};

	assert_non_null(fixture);
	fixture->skeleton = tracker_program__open();
	assert_non_null(fixture->skeleton);
	if (tracker_set_sizes(fixture->skeleton->obj, &sizes, &message))
		fail_msg("%s", message.text);
	if (tracker_program__load(fixture->skeleton))
		fail_msg("the kernel refuses the tracker: %s", strerror(errno));
	if (tracker_open(&fixture->tracker, fixture->skeleton->obj, &message))
		fail_msg("%s", message.text);
	*state = fixture;
	return 0;
}

int tracker_fixture_tear_down(void **state)
{
	struct tracker_fixture *fixture = *state;

	tracker_close(&fixture->tracker);
	tracker_program__destroy(fixture->skeleton);
	free(fixture);
	return 0;
}

int tracker_fixture_reset(void **state)
{
	struct tracker_fixture *fixture = *state;

	tracker_flush(&fixture->tracker);
	tracker_await_empty(fixture);
	fixture->tracker.shared->settings.clock_offset = 0;
	fixture->tracker.shared->settings.tcp_loose = 1;
	return 0;
}

void tracker_await(const volatile __u64 *count, uint64_t expected)
{
	const struct timespec pause = {.tv_nsec = 5000000};

	for (int i = 0; *count != expected; i++) {
		if (i == 4000)
			fail_msg("after 20 seconds a count is still %llu instead of %llu", *count,
				 (unsigned long long)expected);
		nanosleep(&pause, NULL);
	}
}

void tracker_await_empty(const struct tracker_fixture *fixture)
{
	const struct tracker_counts *counts = &fixture->tracker.shared->counts;

	tracker_await(&counts->settled, 0);
	tracker_await(&counts->half_open, 0);
}

static void make_frame(struct frame *frame, const struct tracker_packet *packet, uint32_t flags)
{
	memset(frame, 0, sizeof(*frame));
	memcpy(frame->bytes + TEST_FLAGS_OFFSET, &flags, sizeof(flags));
	memcpy(frame->bytes + TEST_PACKET_OFFSET, packet, sizeof(*packet));
}

static void run_program(const struct bpf_program *program, struct bpf_test_run_opts *options)
{
	if (bpf_prog_test_run_opts(bpf_program__fd(program), options))
		fail_msg("the kernel refuses a test run: %s", strerror(errno));
}

int tracker_run(struct tracker_fixture *fixture, const struct tracker_packet *packet, bool accept)
{
	return tracker_run_repeatedly(fixture, packet, accept ? TEST_ACCEPT : 0, 1);
}

int tracker_run_repeatedly(struct tracker_fixture *fixture, const struct tracker_packet *packet,
			   uint32_t flags, unsigned int times)
{
	struct frame frame;
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = &frame, .data_size_in = sizeof(frame),
		    .repeat = (int)times);

	make_frame(&frame, packet, flags);
	run_program(fixture->runs++ % 2 ? fixture->skeleton->progs.tracker_test_tc
					: fixture->skeleton->progs.tracker_test_xdp,
		    &options);
	return (int)(options.retval & ~(uint32_t)TEST_COMMIT);
}

unsigned int tracker_run_often(struct tracker_fixture *fixture, const struct tracker_packet *packet,
			       bool nothing)
{
	struct frame frame;
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = &frame, .data_size_in = sizeof(frame),
		    .repeat = 1000000);

	make_frame(&frame, packet, TEST_ACCEPT);
	run_program(nothing ? fixture->skeleton->progs.tracker_test_nothing
			    : fixture->skeleton->progs.tracker_test_xdp,
		    &options);
	return options.duration;
}

void tracker_wait(struct tracker_fixture *fixture, double seconds)
{
	fixture->tracker.shared->settings.clock_offset += (int64_t)(seconds * NANOSECONDS);
}

struct alive {
	unsigned int count;
	struct tracker_listed *listed;
};

static int count_one(const struct tracker_listed *listed, void *argument)
{
	struct alive *alive = argument;

	alive->count++;
	if (alive->listed)
		*alive->listed = *listed;
	return 0;
}

unsigned int tracker_alive(struct tracker_fixture *fixture, struct tracker_listed *ret_listed)
{
	struct alive alive = {.listed = ret_listed};
	struct message message = {};

	if (tracker_iterate(&fixture->tracker, count_one, &alive, &message))
		fail_msg("%s", message.text);
	return alive.count;
}

struct tracker_address test_address(int family, unsigned int number)
{
	struct tracker_address address = {};
	struct in6_addr ipv6 = {.s6_addr = {0xfd}};
	uint32_t ipv4 = htonl(0x0a000000 + number);

	if (family == ARENA_IPV4) {
		memcpy(&address, &ipv4, sizeof(ipv4));
	} else {
		memcpy(ipv6.s6_addr + 12, &ipv4, sizeof(ipv4));
		memcpy(&address, &ipv6, sizeof(ipv6));
	}
	return address;
}

struct tracker_packet test_packet(int family, uint8_t protocol, unsigned int source,
				  unsigned int destination)
{
	return (struct tracker_packet){
		.source = test_address(family, source),
		.destination = test_address(family, destination),
		.family = (uint8_t)family,
		.protocol = protocol,
		.shape = SHAPE_WHOLE,
		.hop_limit = 64,
		.length = 20,
	};
}

struct tracker_packet test_udp(int family, unsigned int source, uint16_t source_port,
			       unsigned int destination, uint16_t destination_port)
{
	struct tracker_packet packet = test_packet(family, IPPROTO_UDP, source, destination);

	packet.transport.port.source = htons(source_port);
	packet.transport.port.destination = htons(destination_port);
	packet.udp.length = (uint16_t)packet.length;
	return packet;
}

struct tracker_packet test_tcp(int family, unsigned int source, uint16_t source_port,
			       unsigned int destination, uint16_t destination_port,
			       unsigned int flags, uint32_t sequence, uint32_t acknowledgement,
			       uint32_t length)
{
	struct tracker_packet packet = test_packet(family, IPPROTO_TCP, source, destination);

	packet.transport.port.source = htons(source_port);
	packet.transport.port.destination = htons(destination_port);
	packet.length = 20 + length;
	packet.tcp.header_size = 20;
	packet.tcp.flags = (uint8_t)flags;
	packet.tcp.sequence = sequence;
	packet.tcp.acknowledgement = acknowledgement;
	packet.tcp.window = 32768;
	return packet;
}

struct tracker_packet test_icmp(int family, unsigned int source, unsigned int destination,
				uint8_t type, uint8_t code, uint16_t id)
{
	struct tracker_packet packet = test_packet(
		family, family == ARENA_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, source, destination);

	packet.transport.icmp.type = type;
	packet.transport.icmp.code = code;
	packet.transport.icmp.id = htons(id);
	return packet;
}

struct tracker_packet test_error(const struct tracker_packet *quoted, unsigned int source,
				 uint8_t type)
{
	struct tracker_packet packet = test_icmp(quoted->family, source, 0, type, 0, 0);

	packet.destination = quoted->source;
	packet.quoted.source = quoted->source;
	packet.quoted.destination = quoted->destination;
	packet.quoted.protocol = quoted->protocol;
	packet.quoted.transport = quoted->transport;
	packet.quoted.present = true;
	return packet;
}
