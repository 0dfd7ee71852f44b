// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How long connections live: one in each state of each protocol, for five days by a clock that is
 * warped. Each is there until its second has come, and is removed then by the kernel's timer, while
 * nobody sends a packet. The times are the kernel's (tracker_kernel_test.c compares them).
 */
#include "tracker_fixture.h"

#include "common/cleanup.h"

#include <netinet/in.h>
#include <string.h>
#include <time.h>

#define SERVER     2u
#define HOUR       3600u
#define DAY        (24 * HOUR)
#define MARKER     99u
#define FIRST_HOST 100u
#define MOST_STEPS 8

enum step {
	END, /* of the steps */
	C_SYN,
	S_SYN,
	S_SYN_ACK,
	C_ACK,
	C_DATA,
	C_CLOSED_WINDOW,
	C_FIN,
	S_ACK_FIN,
	S_FIN,
	C_ACK_FIN,
	C_RESET,
	REQUEST,
	REPLY_TO_IT,
	TWO_SECONDS, /* pass */
};

#define OPEN C_SYN, S_SYN_ACK, C_ACK

static const struct life {
	const char *name;
	unsigned int seconds; /* after its last packet */
	uint8_t protocol;
	enum step steps[MOST_STEPS];
} lives[] = {
	{"SYN_SENT", 120, IPPROTO_TCP, {C_SYN}},
	/* The SYN that leads there does not count: it could be a retransmission. */
	{"SYN_SENT2", 120, IPPROTO_TCP, {C_SYN, S_SYN, C_SYN}},
	{"SYN_RECV", 60, IPPROTO_TCP, {C_SYN, S_SYN_ACK}},
	{"ESTABLISHED", 5 * DAY, IPPROTO_TCP, {OPEN}},
	{"unacknowledged", 300, IPPROTO_TCP, {OPEN, C_DATA}},
	{"repeated", 300, IPPROTO_TCP, {OPEN, C_ACK, C_ACK, C_ACK, C_ACK}},
	{"closed window", 300, IPPROTO_TCP, {OPEN, C_CLOSED_WINDOW}},
	{"picked up", 300, IPPROTO_TCP, {C_ACK}},
	{"FIN_WAIT", 120, IPPROTO_TCP, {OPEN, C_FIN}},
	{"CLOSE_WAIT", 60, IPPROTO_TCP, {OPEN, C_FIN, S_ACK_FIN}},
	{"LAST_ACK", 30, IPPROTO_TCP, {OPEN, C_FIN, S_FIN}},
	{"TIME_WAIT", 120, IPPROTO_TCP, {OPEN, C_FIN, S_FIN, C_ACK_FIN}},
	{"CLOSE", 10, IPPROTO_TCP, {OPEN, C_RESET}},
	{"UDP", 30, IPPROTO_UDP, {REQUEST}},
	{"answered UDP", 30, IPPROTO_UDP, {REQUEST, REPLY_TO_IT, REQUEST}},
	{"UDP stream", 120, IPPROTO_UDP, {REQUEST, REPLY_TO_IT, TWO_SECONDS, REQUEST}},
	{"UDP-Lite", 30, IPPROTO_UDPLITE, {REQUEST}},
	{"answered UDP-Lite", 120, IPPROTO_UDPLITE, {REQUEST, REPLY_TO_IT, REQUEST}},
	{"echo", 30, IPPROTO_ICMP, {REQUEST}},
	{"answered echo", 30, IPPROTO_ICMP, {REQUEST, REPLY_TO_IT, TWO_SECONDS, REQUEST}},
	{"ESP", 600, IPPROTO_ESP, {REQUEST}},
	{"answered ESP", 600, IPPROTO_ESP, {REQUEST, REPLY_TO_IT, TWO_SECONDS, REQUEST}},
	{"GRE", 600, IPPROTO_GRE, {REQUEST}},
	{"SCTP", 600, IPPROTO_SCTP, {REQUEST}},
	{"DCCP", 600, IPPROTO_DCCP, {REQUEST}},
	{"IPIP", 600, IPPROTO_IPIP, {REQUEST, REPLY_TO_IT}},
};

static const int families[] = {ARENA_IPV4, ARENA_IPV6};

static struct tracker_packet segment(int family, unsigned int host, enum step step)
{
	static const struct {
		bool server;
		uint8_t flags;
		uint32_t sequence, acknowledgement, length;
	} segments[] = {
		[C_SYN] = {false, SYN, 0, 0, 0},          [S_SYN] = {true, SYN, 0, 0, 0},
		[S_SYN_ACK] = {true, SYN | ACK, 0, 1, 0}, [C_ACK] = {false, ACK, 1, 1, 0},
		[C_DATA] = {false, ACK, 1, 1, 10},        [C_CLOSED_WINDOW] = {false, ACK, 1, 1, 0},
		[C_FIN] = {false, FIN | ACK, 1, 1, 0},    [S_ACK_FIN] = {true, ACK, 1, 2, 0},
		[S_FIN] = {true, FIN | ACK, 1, 2, 0},     [C_ACK_FIN] = {false, ACK, 2, 2, 0},
		[C_RESET] = {false, RST, 1, 0, 0},
	};
	bool server = segments[step].server;
	struct tracker_packet packet =
		test_tcp(family, server ? SERVER : host, server ? 80 : 1000, server ? host : SERVER,
			 server ? 1000 : 80, segments[step].flags, segments[step].sequence,
			 segments[step].acknowledgement, segments[step].length);

	if (step == C_CLOSED_WINDOW)
		packet.tcp.window = 0;
	return packet;
}

static struct tracker_packet echo(int family, unsigned int host, bool reply)
{
	bool ipv6 = family == ARENA_IPV6;
	uint8_t request = ipv6 ? 128 : 8, answer = ipv6 ? 129 : 0;

	return test_icmp(family, reply ? SERVER : host, reply ? host : SERVER,
			 reply ? answer : request, 0, 1);
}

static struct tracker_packet other(int family, uint8_t protocol, unsigned int host, bool reply)
{
	struct tracker_packet packet;

	if (protocol == IPPROTO_ICMP)
		return echo(family, host, reply);
	packet = reply ? test_udp(family, SERVER, 53, host, 1000)
		       : test_udp(family, host, 1000, SERVER, 53);
	packet.protocol = protocol;
	if (protocol != IPPROTO_UDP && protocol != IPPROTO_UDPLITE && protocol != IPPROTO_SCTP &&
	    protocol != IPPROTO_DCCP)
		packet.transport.word = 0;
	return packet;
}

static unsigned int host_of(size_t life)
{
	return FIRST_HOST + (unsigned int)life;
}

/* Plays the steps of a life from the one @begin on; returns where it has to wait, or MOST_STEPS. */
static int play(struct tracker_fixture *fixture, int family, size_t number, int begin)
{
	const struct life *life = &lives[number];

	for (int i = begin; i < MOST_STEPS && life->steps[i] != END; i++) {
		enum step step = life->steps[i];
		unsigned int host = host_of(number);
		struct tracker_packet packet;

		if (step == TWO_SECONDS)
			return i;
		packet = step < REQUEST ? segment(family, host, step)
					: other(family, life->protocol, host, step == REPLY_TO_IT);
		if (tracker_run(fixture, &packet, true) == INVALID)
			fail_msg("step %d of %s is INVALID", i, life->name);
	}
	return MOST_STEPS;
}

static void begin_all(struct tracker_fixture *fixture)
{
	int waits[ARRAY_SIZE(lives)];

	for (size_t i = 0; i < ARRAY_SIZE(lives); i++)
		if (lives[i].steps[2] == TWO_SECONDS)
			for (size_t j = 0; j < ARRAY_SIZE(families); j++)
				waits[i] = play(fixture, families[j], i, 0);
	tracker_wait(fixture, 2.1);
	for (size_t i = 0; i < ARRAY_SIZE(lives); i++) {
		int begin = lives[i].steps[2] == TWO_SECONDS ? waits[i] + 1 : 0;

		for (size_t j = 0; j < ARRAY_SIZE(families); j++)
			assert_int_equal(play(fixture, families[j], i, begin), MOST_STEPS);
	}
}

/* How many of them live longer than so many seconds. */
static unsigned int longer_than(unsigned int seconds)
{
	unsigned int count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(lives); i++)
		count += lives[i].seconds > seconds ? ARRAY_SIZE(families) : 0;
	return count;
}

struct roll {
	unsigned int seconds; /* since all began */
	bool seen[ARENA_FAMILIES][ARRAY_SIZE(lives)];
};

static int call_out(const struct tracker_listed *listed, void *argument)
{
	struct roll *roll = argument;

	for (size_t i = 0; i < ARRAY_SIZE(lives); i++) {
		struct tracker_address address = test_address(listed->family, host_of(i));

		if (memcmp(&address, &listed->source, sizeof(address)) &&
		    memcmp(&address, &listed->destination, sizeof(address)))
			continue;
		if (lives[i].seconds <= roll->seconds)
			fail_msg("%s lives after %u seconds", lives[i].name, roll->seconds);
		roll->seen[listed->family][i] = true;
	}
	return 0;
}

/* After so many seconds: exactly those are alive that should be, and are where they belong. */
static void check_alive(struct tracker_fixture *fixture, unsigned int seconds)
{
	struct roll roll = {.seconds = seconds};
	struct message message = {};

	if (tracker_iterate(&fixture->tracker, call_out, &roll, &message))
		fail_msg("%s", message.text);
	for (size_t i = 0; i < ARRAY_SIZE(lives); i++)
		for (size_t j = 0; j < ARRAY_SIZE(families); j++)
			if (lives[i].seconds > seconds && !roll.seen[families[j]][i])
				fail_msg("%s does not live %u seconds", lives[i].name, seconds);
}

/* The timer's work, and nobody else's: no packet comes. */
static void await_collection(struct tracker_fixture *fixture, unsigned int expected)
{
	const struct timespec pause = {.tv_nsec = 5000000};
	struct tracker_counts counts;

	for (int i = 0; i < 4000; i++) {
		counts = tracker_count(&fixture->tracker);
		if (counts.settled + counts.half_open == expected)
			return;
		nanosleep(&pause, NULL);
	}
	fail_msg("%llu settled and %llu half-open connections, %u are alive",
		 (unsigned long long)counts.settled, (unsigned long long)counts.half_open,
		 expected);
}

/* The tracker's clock, in seconds. */
static double tracker_clock(const struct tracker_fixture *fixture)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec +
	       1e-9 * (double)fixture->tracker.shared->settings.clock_offset;
}

static void wait_until(struct tracker_fixture *fixture, double time)
{
	tracker_wait(fixture, time - tracker_clock(fixture));
}

/*
 * The clock goes on to @seconds since @begin, and the collector round: a marker that has expired is
 * gone when it has been everywhere.
 */
static void pass_to(struct tracker_fixture *fixture, double begin, unsigned int seconds)
{
	struct tracker_packet marker = echo(ARENA_IPV4, MARKER, false);

	wait_until(fixture, begin + seconds - 31);
	assert_int_equal(tracker_run(fixture, &marker, true), NEW);
	wait_until(fixture, begin + seconds);
	await_collection(fixture, longer_than(seconds));
	check_alive(fixture, seconds);
}

static void test_every_state(void **state)
{
	static const unsigned int moments[] = {10, 30, 60, 120, 300, 600, 5 * DAY};
	struct tracker_fixture *fixture = *state;
	uint64_t expired = tracker_count(&fixture->tracker).expired;
	unsigned int number = ARRAY_SIZE(lives) * ARRAY_SIZE(families), markers = 0;
	double begin;

	begin_all(fixture);
	begin = tracker_clock(fixture);
	await_collection(fixture, number);
	for (size_t i = 0; i < ARRAY_SIZE(moments); i++) {
		/* Between ten minutes and five days: each hour of a day, and then some. */
		for (unsigned int hour = 1; moments[i] > DAY && hour < 5 * 24;
		     hour += hour < 24 ? 1 : 19, markers++)
			pass_to(fixture, begin, hour * HOUR);
		wait_until(fixture, begin + moments[i] - 1.5);
		check_alive(fixture, moments[i] - 2);
		wait_until(fixture, begin + moments[i] + 0.1);
		check_alive(fixture, moments[i]);
		await_collection(fixture, longer_than(moments[i]));
	}
	assert_int_equal(tracker_count(&fixture->tracker).expired - expired, number + markers);
}

/* A packet at the last moment, again and again: for a day nothing that is used ends. */
static void test_in_use(void **state)
{
	static const struct {
		uint8_t protocol;
		unsigned int seconds;
	} uses[] = {
		{IPPROTO_UDP, 120}, {IPPROTO_UDPLITE, 120}, {IPPROTO_ICMP, 30}, {IPPROTO_ESP, 600}};
	struct tracker_fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(uses); i++) {
		struct tracker_packet request = other(ARENA_IPV6, uses[i].protocol, 1, false);
		struct tracker_packet reply = other(ARENA_IPV6, uses[i].protocol, 1, true);

		tracker_fixture_reset(state);
		assert_int_equal(tracker_run(fixture, &request, true), NEW);
		assert_int_equal(tracker_run(fixture, &reply, true), ESTABLISHED | REPLY);
		tracker_wait(fixture, 2.1);
		assert_int_equal(tracker_run(fixture, &request, true), ESTABLISHED);
		for (unsigned int time = 0; time < DAY; time += uses[i].seconds - 2) {
			tracker_wait(fixture, uses[i].seconds - 2);
			assert_int_equal(tracker_run(fixture, &request, true), ESTABLISHED);
		}
		tracker_wait(fixture, uses[i].seconds + 0.1);
		assert_int_equal(tracker_run(fixture, &request, true), NEW);
	}
}

#define TEST(name) cmocka_unit_test_setup(name, tracker_fixture_reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_state),
		TEST(test_in_use),
	};

	return cmocka_run_group_tests(tests, tracker_fixture_set_up, tracker_fixture_tear_down);
}
