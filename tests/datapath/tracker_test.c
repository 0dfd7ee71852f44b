// SPDX-License-Identifier: GPL-2.0-or-later
/* What the tracker says of packets, for each protocol, through programs of both types. */
#include "tracker_fixture.h"

#include "common/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

static const int families[] = {ARENA_IPV4, ARENA_IPV6};

#define EXPECT(fixture, packet, expected)                                          \
	do {                                                                       \
		struct tracker_packet packet_ = (packet);                          \
		int got_ = tracker_run(fixture, &packet_, true);                   \
		if (got_ != (int)(expected))                                       \
			fail_msg("line %d: expected label %#x, got %#x", __LINE__, \
				 (unsigned int)(expected), (unsigned int)got_);    \
	} while (0)

#define EXPECT_DEADLINE(fixture, expected)                                            \
	do {                                                                          \
		struct tracker_listed listed_ = {};                                   \
		unsigned int alive_ = tracker_alive(fixture, &listed_);               \
		if (alive_ != 1)                                                      \
			fail_msg("line %d: %u connections", __LINE__, alive_);        \
		if (listed_.seconds + 2 < (expected) || listed_.seconds > (expected)) \
			fail_msg("line %d: expected %u seconds, got %u", __LINE__,    \
				 (unsigned int)(expected), listed_.seconds);          \
	} while (0)

/* Client 1 port 1000, server 2 port 80; both count from 0. */
#define CLIENT(flags, sequence, acknowledgement, length) \
	test_tcp(family, 1, 1000, 2, 80, flags, sequence, acknowledgement, length)
#define SERVER(flags, sequence, acknowledgement, length) \
	test_tcp(family, 2, 80, 1, 1000, flags, 5000 + (sequence), acknowledgement, length)

static void handshake(struct tracker_fixture *fixture, int family)
{
	EXPECT(fixture, CLIENT(SYN, 0, 0, 0), NEW);
	EXPECT_DEADLINE(fixture, 120);
	EXPECT(fixture, SERVER(SYN | ACK, 0, 1, 0), ESTABLISHED | REPLY);
	EXPECT_DEADLINE(fixture, 60);
	EXPECT(fixture, CLIENT(ACK, 1, 5001, 0), ESTABLISHED);
	EXPECT_DEADLINE(fixture, 432000);
}

static void expect_state(struct tracker_fixture *fixture, int state, bool settled)
{
	struct tracker_listed listed = {};

	assert_int_equal(tracker_alive(fixture, &listed), 1);
	assert_int_equal(listed.tcp_state, state);
	assert_int_equal(listed.settled, settled);
}

static void test_tcp_life(void **state)
{
	struct tracker_fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		int family = families[i];

		tracker_fixture_reset(state);
		handshake(fixture, family);
		expect_state(fixture, TRACKER_TCP_ESTABLISHED, true);
		EXPECT(fixture, CLIENT(ACK | PSH, 1, 5001, 100), ESTABLISHED);
		EXPECT_DEADLINE(fixture, 300); /* unacknowledged */
		EXPECT(fixture, SERVER(ACK, 1, 101, 0), ESTABLISHED | REPLY);
		EXPECT_DEADLINE(fixture, 432000);
		EXPECT(fixture, CLIENT(FIN | ACK, 101, 5001, 0), ESTABLISHED);
		expect_state(fixture, TRACKER_TCP_FIN_WAIT, true);
		EXPECT_DEADLINE(fixture, 120);
		EXPECT(fixture, SERVER(ACK, 1, 102, 0), ESTABLISHED | REPLY);
		expect_state(fixture, TRACKER_TCP_CLOSE_WAIT, true);
		EXPECT_DEADLINE(fixture, 60);
		EXPECT(fixture, SERVER(FIN | ACK, 1, 102, 0), ESTABLISHED | REPLY);
		expect_state(fixture, TRACKER_TCP_LAST_ACK, true);
		EXPECT_DEADLINE(fixture, 30);
		EXPECT(fixture, CLIENT(ACK, 102, 5002, 0), ESTABLISHED);
		expect_state(fixture, TRACKER_TCP_TIME_WAIT, true);
		EXPECT_DEADLINE(fixture, 120);
		/* The same ports again. */
		EXPECT(fixture, CLIENT(SYN, 70000, 0, 0), NEW);
		expect_state(fixture, TRACKER_TCP_SYN_SENT, true);
		EXPECT(fixture, SERVER(SYN | ACK, 0, 70001, 0), ESTABLISHED | REPLY);
	}
}

static void test_tcp_resets(void **state)
{
	struct tracker_fixture *fixture = *state;
	int family = ARENA_IPV4;

	/* A closed port. */
	EXPECT(fixture, CLIENT(SYN, 0, 0, 0), NEW);
	EXPECT(fixture, SERVER(RST | ACK, (uint32_t)-5000, 1, 0), ESTABLISHED | REPLY);
	assert_int_equal(tracker_alive(fixture, NULL), 0);
	EXPECT(fixture, SERVER(RST | ACK, (uint32_t)-5000, 1, 0), INVALID);

	/* A forged reset, and an exact one. */
	handshake(fixture, family);
	EXPECT(fixture, SERVER(ACK, 1, 1, 0), ESTABLISHED | REPLY);
	EXPECT(fixture, SERVER(RST, (uint32_t)-100, 0, 0), INVALID);
	expect_state(fixture, TRACKER_TCP_ESTABLISHED, true);
	EXPECT(fixture, SERVER(RST, 10, 0, 0), ESTABLISHED | REPLY);
	expect_state(fixture, TRACKER_TCP_ESTABLISHED, true);
	EXPECT(fixture, SERVER(RST, 1, 0, 0), ESTABLISHED | REPLY);
	expect_state(fixture, TRACKER_TCP_CLOSE, true);
	EXPECT_DEADLINE(fixture, 10);
}

static void test_tcp_simultaneous_open(void **state)
{
	struct tracker_fixture *fixture = *state;
	int family = ARENA_IPV6;

	EXPECT(fixture, CLIENT(SYN, 0, 0, 0), NEW);
	EXPECT(fixture, SERVER(SYN, 0, 0, 0), ESTABLISHED | REPLY);
	expect_state(fixture, TRACKER_TCP_SYN_SENT2, false);
	EXPECT(fixture, CLIENT(SYN | ACK, 0, 5001, 0), ESTABLISHED);
	expect_state(fixture, TRACKER_TCP_SYN_RECV, false);
	EXPECT(fixture, SERVER(ACK, 1, 1, 0), ESTABLISHED | REPLY);
	expect_state(fixture, TRACKER_TCP_ESTABLISHED, true);
}

static void test_tcp_pick_up(void **state)
{
	struct tracker_fixture *fixture = *state;
	int family = ARENA_IPV4;

	EXPECT(fixture, CLIENT(ACK, 1000000, 99, 10), NEW);
	expect_state(fixture, TRACKER_TCP_ESTABLISHED, false);
	EXPECT_DEADLINE(fixture, 300);
	EXPECT(fixture, SERVER(ACK, (uint32_t)-4901, 1000010, 10), ESTABLISHED | REPLY);
	expect_state(fixture, TRACKER_TCP_ESTABLISHED, false);
	EXPECT(fixture, CLIENT(ACK, 1000010, 109, 10), ESTABLISHED);
	expect_state(fixture, TRACKER_TCP_ESTABLISHED, true);

	tracker_fixture_reset(state);
	fixture->tracker.shared->settings.tcp_loose = 0;
	EXPECT(fixture, CLIENT(ACK, 1000000, 99, 10), INVALID);
	EXPECT(fixture, CLIENT(SYN | ACK, 1000000, 99, 0), INVALID);
	EXPECT(fixture, CLIENT(FIN | ACK, 1000000, 99, 0), INVALID);
	EXPECT(fixture, CLIENT(RST, 1000000, 99, 0), INVALID);
	assert_int_equal(tracker_alive(fixture, NULL), 0);
}

static void test_tcp_windows(void **state)
{
	struct tracker_fixture *fixture = *state;
	int family = ARENA_IPV4;

	handshake(fixture, family);
	/* Data that nobody has asked for, and an acknowledgement of what nobody has sent. */
	EXPECT(fixture, CLIENT(ACK, 1000000, 5001, 10), INVALID);
	EXPECT(fixture, CLIENT(ACK, 1, 9000, 10), INVALID);
	EXPECT(fixture, CLIENT(ACK, 1, 5001, 10), ESTABLISHED);
	/* Flags that no TCP sends. */
	EXPECT(fixture, CLIENT(SYN | FIN, 11, 5001, 0), INVALID);
	EXPECT(fixture, CLIENT(0, 11, 5001, 0), INVALID);
	EXPECT(fixture, CLIENT(FIN | URG | PSH, 11, 5001, 0), INVALID);
	EXPECT(fixture, CLIENT(ACK | URG | 0xc0, 11, 5001, 0), ESTABLISHED);
}

/* A packet of a connection changes it even if it is dropped; a new connection has to survive. */
static void test_commit(void **state)
{
	struct tracker_fixture *fixture = *state;
	int family = ARENA_IPV4;
	struct tracker_packet packet = CLIENT(SYN, 0, 0, 0);

	assert_int_equal(tracker_run(fixture, &packet, false), NEW);
	assert_int_equal(tracker_alive(fixture, NULL), 0);
	packet = SERVER(SYN | ACK, 0, 1, 0);
	assert_int_equal(tracker_run(fixture, &packet, true), INVALID);
	assert_int_equal(tracker_alive(fixture, NULL), 0);

	handshake(fixture, family);
	packet = CLIENT(RST, 1, 0, 0);
	assert_int_equal(tracker_run(fixture, &packet, false), ESTABLISHED);
	expect_state(fixture, TRACKER_TCP_CLOSE, true);
}

static void test_udp_life(void **state)
{
	struct tracker_fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		int family = families[i];
		struct tracker_packet request = test_udp(family, 9, 1000, 2, 53);
		struct tracker_packet reply = test_udp(family, 2, 53, 9, 1000);
		struct tracker_packet malformed = request;

		tracker_fixture_reset(state);
		EXPECT(fixture, request, NEW);
		EXPECT(fixture, request, NEW);
		EXPECT_DEADLINE(fixture, 30);
		malformed.udp.length = 7;
		EXPECT(fixture, malformed, INVALID);
		malformed.udp.length = 21;
		EXPECT(fixture, malformed, INVALID);
		malformed.shape = SHAPE_4_BYTES;
		EXPECT(fixture, malformed, INVALID);
		EXPECT(fixture, reply, ESTABLISHED | REPLY);
		tracker_wait(fixture, 1.8);
		EXPECT(fixture, request, ESTABLISHED);
		EXPECT_DEADLINE(fixture, 30);
		expect_state(fixture, 0, false);
		tracker_wait(fixture, 0.4);
		EXPECT(fixture, request, ESTABLISHED);
		EXPECT_DEADLINE(fixture, 120);
		expect_state(fixture, 0, true);
		tracker_wait(fixture, 119);
		EXPECT(fixture, reply, ESTABLISHED | REPLY);
		tracker_wait(fixture, 121);
		assert_int_equal(tracker_alive(fixture, NULL), 0);
		EXPECT(fixture, reply, NEW); /* the roles change */
	}
}

static void test_icmp_queries(void **state)
{
	static const struct {
		int family;
		uint8_t request, reply;
	} queries[] = {
		{ARENA_IPV4, 8, 0},   {ARENA_IPV4, 13, 14},   {ARENA_IPV4, 15, 16},
		{ARENA_IPV4, 17, 18}, {ARENA_IPV6, 128, 129}, {ARENA_IPV6, 139, 140},
	};
	struct tracker_fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(queries); i++) {
		int family = queries[i].family;

		tracker_fixture_reset(state);
		EXPECT(fixture, test_icmp(family, 2, 1, queries[i].reply, 0, 7), INVALID);
		EXPECT(fixture, test_icmp(family, 1, 2, queries[i].request, 0, 7), NEW);
		EXPECT_DEADLINE(fixture, 30);
		EXPECT(fixture, test_icmp(family, 2, 1, queries[i].reply, 0, 8), INVALID);
		EXPECT(fixture, test_icmp(family, 2, 1, queries[i].reply, 1, 7), INVALID);
		EXPECT(fixture, test_icmp(family, 1, 2, queries[i].reply, 0, 7), INVALID);
		EXPECT(fixture, test_icmp(family, 2, 1, queries[i].reply, 0, 7),
		       ESTABLISHED | REPLY);
		EXPECT(fixture, test_icmp(family, 1, 2, queries[i].request, 0, 7), ESTABLISHED);
		/* The other one asks with the same number: another connection. */
		EXPECT(fixture, test_icmp(family, 2, 1, queries[i].request, 0, 7), NEW);
		assert_int_equal(tracker_alive(fixture, NULL), 2);
	}
}

static void test_icmp_types(void **state)
{
	struct tracker_fixture *fixture = *state;

	for (unsigned int type = 0; type < 256; type++) {
		bool query = type == 8 || type == 13 || type == 15 || type == 17;
		bool query6 = type == 128 || type == 139;
		bool untracked =
			(type >= 130 && type <= 136) || type == 143 || type == 151 || type == 152;

		EXPECT(fixture, test_icmp(ARENA_IPV4, 1, 2, (uint8_t)type, 0, 1),
		       query ? NEW : INVALID);
		EXPECT(fixture, test_icmp(ARENA_IPV6, 1, 2, (uint8_t)type, 0, 1),
		       query6      ? NEW
		       : untracked ? UNTRACKED
				   : INVALID);
	}
	/* The other family's protocol. */
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct tracker_packet packet = test_icmp(families[i], 1, 2, 8, 0, 1);

		packet.family = (uint8_t)families[!i];
		EXPECT(fixture, packet, INVALID);
		packet.transport.icmp.type = 128;
		EXPECT(fixture, packet, INVALID);
	}
}

static void check_errors(struct tracker_fixture *fixture, const struct tracker_packet *request,
			 const struct tracker_packet *reply)
{
	static const uint8_t types[] = {3, 4, 5, 11, 12};
	static const uint8_t types6[] = {1, 2, 3, 4, 100, 127};
	bool ipv6 = request->family == ARENA_IPV6;

	for (size_t i = 0; i < (ipv6 ? ARRAY_SIZE(types6) : ARRAY_SIZE(types)); i++) {
		uint8_t type = ipv6 ? types6[i] : types[i];
		struct tracker_packet error = test_error(request, 77, type);

		EXPECT(fixture, error, RELATED | REPLY);
		error.destination = test_address(request->family, 3);
		EXPECT(fixture, error, INVALID);
		error = test_error(request, 77, type);
		error.quoted.present = false;
		EXPECT(fixture, error, INVALID);
		error = test_error(request, 77, type);
		error.shape = SHAPE_4_BYTES;
		EXPECT(fixture, error, INVALID);
		error = test_error(request, 77, type);
		error.quoted.transport.word ^= 0x100;
		EXPECT(fixture, error,
		       request->protocol == IPPROTO_ESP ? RELATED | REPLY : INVALID);
		EXPECT(fixture, test_error(reply, 77, type), RELATED);
	}
}

static void test_errors(void **state)
{
	struct tracker_fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		int family = families[i];
		bool ipv6 = family == ARENA_IPV6;
		const struct tracker_packet pairs[][2] = {
			{test_udp(family, 1, 5, 2, 6), test_udp(family, 2, 6, 1, 5)},
			{test_udp(family, 2, 5, 1, 6), test_udp(family, 1, 6, 2, 5)},
			{CLIENT(SYN, 0, 0, 0), SERVER(SYN | ACK, 0, 1, 0)},
			{test_icmp(family, 1, 2, ipv6 ? 128 : 8, 0, 3),
			 test_icmp(family, 2, 1, ipv6 ? 129 : 0, 0, 3)},
			{test_packet(family, IPPROTO_ESP, 1, 2),
			 test_packet(family, IPPROTO_ESP, 2, 1)},
		};

		for (size_t j = 0; j < ARRAY_SIZE(pairs); j++) {
			struct tracker_listed before = {}, after = {};

			tracker_fixture_reset(state);
			EXPECT(fixture, test_error(&pairs[j][0], 77, ipv6 ? 1 : 3), INVALID);
			EXPECT(fixture, pairs[j][0], NEW);
			assert_int_equal(tracker_alive(fixture, &before), 1);
			check_errors(fixture, &pairs[j][0], &pairs[j][1]);
			assert_int_equal(tracker_alive(fixture, &after), 1);
			assert_int_equal(after.status, before.status);
			tracker_wait(fixture, 601);
			EXPECT(fixture, test_error(&pairs[j][0], 77, ipv6 ? 1 : 3), INVALID);
		}
	}
}

static void test_redirects(void **state)
{
	struct tracker_fixture *fixture = *state;
	struct tracker_packet packet = test_udp(ARENA_IPV6, 1, 5, 2, 6);
	struct tracker_packet redirect = test_error(&packet, 77, 137);

	EXPECT(fixture, packet, NEW);
	((uint8_t *)&redirect.source)[0] = 0xfe;
	((uint8_t *)&redirect.source)[1] = 0x80;
	redirect.hop_limit = 255;
	EXPECT(fixture, redirect, RELATED | REPLY);
	redirect.hop_limit = 254;
	EXPECT(fixture, redirect, INVALID);
	redirect.hop_limit = 255;
	((uint8_t *)&redirect.source)[1] = 0xc0;
	EXPECT(fixture, redirect, INVALID);
	((uint8_t *)&redirect.source)[1] = 0xbf;
	EXPECT(fixture, redirect, RELATED | REPLY);
	redirect.transport.icmp.code = 1;
	EXPECT(fixture, redirect, INVALID);
}

static void test_other_protocols(void **state)
{
	static const uint8_t protocols[] = {IPPROTO_GRE, IPPROTO_ESP, IPPROTO_SCTP, IPPROTO_DCCP,
					    200};
	struct tracker_fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		struct tracker_packet packet = test_packet(ARENA_IPV4, protocols[i], 1, 2);

		tracker_fixture_reset(state);
		packet.shape = i == 2 || i == 3 ? SHAPE_4_BYTES : SHAPE_TINY;
		EXPECT(fixture, packet, NEW);
		EXPECT_DEADLINE(fixture, 600);
		EXPECT(fixture, test_packet(ARENA_IPV4, protocols[i], 2, 1), ESTABLISHED | REPLY);
		EXPECT(fixture, packet, ESTABLISHED);
		packet.shape = i == 2 || i == 3 ? SHAPE_TINY : SHAPE_BROKEN;
		EXPECT(fixture, packet, INVALID);
	}
	/* No next header: in IPv6 there is nothing behind it. */
	EXPECT(fixture, test_packet(ARENA_IPV4, IPPROTO_NONE, 1, 2), NEW);
	EXPECT(fixture, test_packet(ARENA_IPV6, IPPROTO_NONE, 1, 2), INVALID);
	/* Equal numbers of the other family are another connection. */
	EXPECT(fixture, test_udp(ARENA_IPV4, 1, 2, 3, 4), NEW);
	EXPECT(fixture, test_udp(ARENA_IPV6, 3, 4, 1, 2), NEW);
}

/* Who talks to himself finds the reply's direction, as in the kernel. */
static void test_self(void **state)
{
	struct tracker_fixture *fixture = *state;

	EXPECT(fixture, test_udp(ARENA_IPV4, 1, 2, 1, 2), NEW);
	EXPECT(fixture, test_udp(ARENA_IPV4, 1, 2, 1, 2), ESTABLISHED | REPLY);
	EXPECT(fixture, test_udp(ARENA_IPV4, 1, 2, 1, 3), NEW);
	EXPECT(fixture, test_udp(ARENA_IPV4, 1, 3, 1, 2), ESTABLISHED | REPLY);
	EXPECT(fixture, test_icmp(ARENA_IPV4, 1, 1, 8, 0, 1), NEW);
	EXPECT(fixture, test_icmp(ARENA_IPV4, 1, 1, 0, 0, 1), ESTABLISHED | REPLY);
}

static struct tracker_packet fragment_of(const struct tracker_packet *first, uint16_t offset)
{
	struct tracker_packet packet = *first;

	packet.fragment_offset = offset;
	if (offset) {
		packet.shape = offset == 8 ? SHAPE_FRAGMENT_1 : SHAPE_FRAGMENT;
		packet.transport.word = 0;
	}
	packet.more_fragments = true;
	return packet;
}

static void test_fragments(void **state)
{
	struct tracker_fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		int family = families[i];
		struct tracker_packet packet = test_udp(family, 1, 5, 2, 6), other;

		tracker_fixture_reset(state);
		packet.length = 1480;
		packet.udp.length = 5000;
		packet.fragment_id = 17;
		/* Before the first, or after one that was dropped. */
		EXPECT(fixture, fragment_of(&packet, 1480), INVALID);
		other = fragment_of(&packet, 0);
		assert_int_equal(tracker_run(fixture, &other, false), NEW);
		EXPECT(fixture, fragment_of(&packet, 1480), INVALID);
		EXPECT(fixture, fragment_of(&packet, 0), NEW);
		EXPECT(fixture, fragment_of(&packet, 1480), NEW | TEST_FOLLOWS);
		EXPECT(fixture, fragment_of(&packet, 2960), NEW | TEST_FOLLOWS);
		/* Overlapping the first. */
		EXPECT(fixture, fragment_of(&packet, 8), INVALID);
		EXPECT(fixture, fragment_of(&packet, 1472), INVALID);
		/* Of another datagram. */
		other = packet;
		other.fragment_id++;
		EXPECT(fixture, fragment_of(&other, 1480), INVALID);
		other = packet;
		other.source = test_address(family, 3);
		EXPECT(fixture, fragment_of(&other, 1480), INVALID);
		other = packet;
		other.protocol = 17 + 1;
		EXPECT(fixture, fragment_of(&other, 1480),
		       family == ARENA_IPV4 ? INVALID : NEW | TEST_FOLLOWS);
		tracker_wait(fixture, 31);
		EXPECT(fixture, fragment_of(&packet, 1480), INVALID);
	}
}

static void test_tiny_fragments(void **state)
{
	struct tracker_fixture *fixture = *state;
	int family = ARENA_IPV4;
	struct tracker_packet packet;

	handshake(fixture, family);
	/* The flags are in the next fragment. */
	packet = CLIENT(ACK, 1, 5001, 0);
	packet.length = 8;
	packet.shape = SHAPE_8_BYTES;
	EXPECT(fixture, fragment_of(&packet, 0), INVALID);
	EXPECT(fixture, fragment_of(&packet, 8), INVALID);

	packet = CLIENT(ACK, 1, 5001, 1460);
	EXPECT(fixture, fragment_of(&packet, 0), ESTABLISHED);
	EXPECT(fixture, fragment_of(&packet, 1480), ESTABLISHED | TEST_FOLLOWS);
	EXPECT(fixture, fragment_of(&packet, 8), INVALID);
	/* The whole datagram is acknowledged, more than was seen of it. */
	EXPECT(fixture, SERVER(ACK, 1, 4001, 0), ESTABLISHED | REPLY);
}

static void test_end_and_flush(void **state)
{
	struct tracker_fixture *fixture = *state;
	int family = ARENA_IPV6;
	struct tracker_address client = test_address(family, 1);
	struct tracker_listed listed = {};
	struct message message = {};

	handshake(fixture, family);
	assert_int_equal(tracker_alive(fixture, &listed), 1);
	assert_memory_equal(&listed.source, &client, sizeof(client));
	assert_int_equal(listed.transport.port.source, htons(1000));
	assert_int_equal(listed.transport.port.destination, htons(80));
	assert_int_equal(listed.status, TRACKER_SEEN_REPLY | TRACKER_ASSURED | TRACKER_CONFIRMED);
	assert_int_equal(tracker_end(&fixture->tracker, &listed.key, &message), 0);
	assert_int_equal(tracker_alive(fixture, NULL), 0);
	assert_int_equal(tracker_end(&fixture->tracker, &listed.key, &message), -ENOENT);
	assert_string_equal(message.text, "there is no such connection");
	EXPECT(fixture, SERVER(FIN | ACK, 1, 1, 0), INVALID);

	EXPECT(fixture, test_udp(family, 2, 5, 1, 6), NEW);
	EXPECT(fixture, test_udp(family, 2, 5, 1, 7), NEW);
	assert_int_equal(tracker_alive(fixture, NULL), 2);
	tracker_flush(&fixture->tracker);
	assert_int_equal(tracker_alive(fixture, NULL), 0);
	EXPECT(fixture, test_udp(family, 1, 6, 2, 5), NEW);
	assert_int_equal(tracker_alive(fixture, &listed), 1);
	assert_int_equal(listed.transport.port.source, htons(6));
}

#define TEST(name) cmocka_unit_test_setup(name, tracker_fixture_reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_tcp_life),      TEST(test_tcp_resets),   TEST(test_tcp_simultaneous_open),
		TEST(test_tcp_pick_up),   TEST(test_tcp_windows),  TEST(test_commit),
		TEST(test_udp_life),      TEST(test_icmp_queries), TEST(test_icmp_types),
		TEST(test_errors),        TEST(test_redirects),    TEST(test_other_protocols),
		TEST(test_self),          TEST(test_fragments),    TEST(test_tiny_fragments),
		TEST(test_end_and_flush),
	};

	return cmocka_run_group_tests(tests, tracker_fixture_set_up, tracker_fixture_tear_down);
}
