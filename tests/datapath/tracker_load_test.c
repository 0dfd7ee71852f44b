// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The tracker's tables: floods, what is full, what expires when, a day of it, and two CPUs at the
 * same connection. Counts have to agree with what is in the table, whatever happens.
 */
#include "tracker_fixture.h"

#include "common/cleanup.h"
#include "tracker_program.skel.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>

#define SERVER    2u
#define SPOOFED   0x10000u /* addresses of attackers */
#define HOUR      3600.0
#define MANY      200u /* fewer than TEST_SETTLED, even less what is kept free */
#define OLD_LABEL (ESTABLISHED | REPLY)

static struct tracker_counts counts(const struct tracker_fixture *fixture)
{
	return tracker_count(&fixture->tracker);
}

static struct tracker_packet client(unsigned int number, unsigned int flags, uint32_t sequence,
				    uint32_t acknowledgement)
{
	return test_tcp(ARENA_IPV4, 100 + number, 1000, SERVER, 80, flags, sequence,
			acknowledgement, 0);
}

static struct tracker_packet server(unsigned int number, unsigned int flags, uint32_t sequence,
				    uint32_t acknowledgement)
{
	return test_tcp(ARENA_IPV4, SERVER, 80, 100 + number, 1000, flags, sequence,
			acknowledgement, 0);
}

static int run(struct tracker_fixture *fixture, struct tracker_packet packet)
{
	return tracker_run(fixture, &packet, true);
}

static void connect_client(struct tracker_fixture *fixture, unsigned int number)
{
	assert_int_equal(run(fixture, client(number, SYN, 0, 0)), NEW);
	assert_int_equal(run(fixture, server(number, SYN | ACK, 0, 1)), ESTABLISHED | REPLY);
	assert_int_equal(run(fixture, client(number, ACK, 1, 1)), ESTABLISHED);
}

static void close_client(struct tracker_fixture *fixture, unsigned int number)
{
	assert_int_equal(run(fixture, client(number, FIN | ACK, 1, 1)), ESTABLISHED);
	assert_int_equal(run(fixture, server(number, FIN | ACK, 1, 2)), ESTABLISHED | REPLY);
	assert_int_equal(run(fixture, client(number, ACK, 2, 2)), ESTABLISHED);
}

static struct tracker_packet query(unsigned int number)
{
	return test_udp(ARENA_IPV6, 5000 + number, 1000, SERVER, 53);
}

static struct tracker_packet answer(unsigned int number)
{
	return test_udp(ARENA_IPV6, SERVER, 53, 5000 + number, 1000);
}

/* A day's worth of states, none of which may be lost. */
static void establish(struct tracker_fixture *fixture)
{
	for (unsigned int i = 0; i < MANY / 2; i++) {
		connect_client(fixture, i);
		assert_int_equal(run(fixture, query(i)), NEW);
		assert_int_equal(run(fixture, answer(i)), ESTABLISHED | REPLY);
	}
	tracker_wait(fixture, 2.1);
	for (unsigned int i = 0; i < MANY / 2; i++)
		assert_int_equal(run(fixture, query(i)), ESTABLISHED);
	assert_int_equal(counts(fixture).settled, MANY);
	assert_int_equal(counts(fixture).half_open, 0);
}

static void check_established(struct tracker_fixture *fixture)
{
	assert_int_equal(counts(fixture).settled, MANY);
	for (unsigned int i = 0; i < MANY / 2; i++) {
		assert_int_equal(run(fixture, server(i, ACK, 1, 1)), ESTABLISHED | REPLY);
		assert_int_equal(run(fixture, client(i, ACK, 1, 1)), ESTABLISHED);
		assert_int_equal(run(fixture, answer(i)), ESTABLISHED | REPLY);
		assert_int_equal(run(fixture, query(i)), ESTABLISHED);
	}
}

/* Ten times as many as both populations can have. */
#define FLOOD (10 * (TEST_SETTLED + TEST_HALF_OPEN))

static void test_flood_of_syns(void **state)
{
	struct tracker_fixture *fixture = *state;
	uint64_t evicted = counts(fixture).evicted;

	establish(fixture);
	for (unsigned int i = 0; i < FLOOD; i++)
		assert_int_equal(run(fixture, test_tcp(ARENA_IPV4, SPOOFED + i, 5, SERVER, 80, SYN,
						       i, 0, 0)),
				 NEW);
	assert_int_equal(counts(fixture).half_open, TEST_HALF_OPEN);
	assert_int_equal(counts(fixture).evicted - evicted, FLOOD - TEST_HALF_OPEN);
	check_established(fixture);
	/* Others can still connect. */
	connect_client(fixture, 1000);
	assert_int_equal(counts(fixture).settled, MANY + 1);
}

/* With a server that answers: forged addresses must not do better. */
static void test_flood_with_answers(void **state)
{
	struct tracker_fixture *fixture = *state;

	establish(fixture);
	for (unsigned int i = 0; i < FLOOD; i++) {
		unsigned int forged = SPOOFED + i;

		assert_int_equal(
			run(fixture, test_tcp(ARENA_IPV4, forged, 5, SERVER, 80, SYN, i, 0, 0)),
			NEW);
		assert_int_equal(run(fixture, test_tcp(ARENA_IPV4, SERVER, 80, forged, 5, SYN | ACK,
						       9, i + 1, 0)),
				 ESTABLISHED | REPLY);
		assert_int_equal(run(fixture, test_udp(ARENA_IPV4, forged, 5, SERVER, 53)), NEW);
		assert_int_equal(run(fixture, test_udp(ARENA_IPV4, SERVER, 53, forged, 5)),
				 ESTABLISHED | REPLY);
		assert_int_equal(run(fixture, test_icmp(ARENA_IPV4, forged, SERVER, 8, 0, 1)), NEW);
		assert_int_equal(run(fixture, test_icmp(ARENA_IPV4, SERVER, forged, 0, 0, 1)),
				 ESTABLISHED | REPLY);
		/* And the middle of connections that there never were. */
		assert_int_equal(
			run(fixture, test_tcp(ARENA_IPV4, forged, 6, SERVER, 80, ACK, i, 1, 0)),
			NEW);
	}
	assert_int_equal(counts(fixture).half_open, TEST_HALF_OPEN);
	check_established(fixture);
}

/* The one that has waited longest makes room; the others stay. */
static void test_oldest_goes(void **state)
{
	struct tracker_fixture *fixture = *state;

	/* The timer moves tickets that it has looked at to the end, in their order. */
	for (unsigned int i = 0; i < TEST_HALF_OPEN; i++)
		assert_int_equal(run(fixture, query(i)), NEW);
	assert_int_equal(tracker_alive(fixture, NULL), TEST_HALF_OPEN);
	assert_int_equal(run(fixture, query(TEST_HALF_OPEN)), NEW);
	assert_int_equal(tracker_alive(fixture, NULL), TEST_HALF_OPEN);
	assert_int_equal(run(fixture, answer(TEST_HALF_OPEN)), ESTABLISHED | REPLY);
}

static void test_full(void **state)
{
	struct tracker_fixture *fixture = *state;
	struct tracker_counts before = counts(fixture);
	struct tracker_counts *now = &fixture->tracker.shared->counts;

	for (unsigned int i = 0; i < TEST_SETTLED; i++)
		connect_client(fixture, i);
	assert_int_equal(now->settled, TEST_SETTLED);
	/* One more works as the others, but can be pushed out. */
	connect_client(fixture, TEST_SETTLED);
	assert_int_equal(run(fixture, client(TEST_SETTLED, ACK, 1, 1)), ESTABLISHED);
	assert_int_equal(now->settled, TEST_SETTLED);
	assert_int_equal(now->half_open, 1);
	assert_int_equal(now->crowded - before.crowded, 1);
	assert_int_equal(now->refused, before.refused);
	/* Connections that are being closed make room. */
	close_client(fixture, 7);
	tracker_await(&now->settled, TEST_SETTLED - 1);
	assert_int_equal(now->closed - before.closed, 1);
	assert_int_equal(run(fixture, client(TEST_SETTLED, ACK, 1, 1)), ESTABLISHED);
	assert_int_equal(now->settled, TEST_SETTLED);
	assert_int_equal(now->half_open, 0);
}

/* Far more void tickets than the queue has room for: no connection goes because of them. */
static void test_void_tickets(void **state)
{
	struct tracker_fixture *fixture;
	void *small_queue = NULL;

	(void)state;
	tracker_fixture_set_up_with(&small_queue, 8192, 64);
	fixture = small_queue;
	for (unsigned int i = 0; i < 3 * (2 * 64 + TRACKER_SLACK); i++) {
		if (i % 100 == 0)
			assert_int_equal(run(fixture, query(i)), NEW);
		connect_client(fixture, i);
	}
	for (unsigned int i = 0; i < 3 * (2 * 64 + TRACKER_SLACK); i += 100)
		assert_int_equal(run(fixture, answer(i)), ESTABLISHED | REPLY);
	assert_int_equal(counts(fixture).evicted, 0);
	assert_int_equal(counts(fixture).refused, 0);
	tracker_fixture_tear_down(&small_queue);
}

static void test_collection(void **state)
{
	struct tracker_fixture *fixture = *state;
	struct tracker_counts before = counts(fixture);

	establish(fixture);
	for (unsigned int i = 0; i < 50; i++)
		assert_int_equal(run(fixture, query(1000 + i)), NEW);
	assert_int_equal(counts(fixture).half_open, 50);
	tracker_wait(fixture, 31);
	tracker_await(&fixture->tracker.shared->counts.half_open, 0);
	assert_int_equal(counts(fixture).settled, MANY);
	tracker_wait(fixture, 121); /* UDP streams */
	tracker_await(&fixture->tracker.shared->counts.settled, MANY / 2);
	tracker_wait(fixture, 5 * 24 * HOUR);
	tracker_await(&fixture->tracker.shared->counts.settled, 0);
	assert_int_equal(counts(fixture).expired - before.expired, MANY + 50);
	assert_int_equal(counts(fixture).created - before.created, MANY + 50);
}

/* One day: what lives on, lives on, and nothing stays that should not. */
static void test_day(void **state)
{
	struct tracker_fixture *fixture = *state;
	const struct tracker_packet ping = test_icmp(ARENA_IPV4, 50, SERVER, 8, 0, 1);
	const struct tracker_packet pong = test_icmp(ARENA_IPV4, SERVER, 50, 0, 0, 1);
	const struct tracker_packet tunnel = test_packet(ARENA_IPV4, IPPROTO_ESP, 60, SERVER);
	const struct tracker_packet back = test_packet(ARENA_IPV4, IPPROTO_ESP, SERVER, 60);

	connect_client(fixture, 1);
	connect_client(fixture, 2);
	assert_int_equal(run(fixture, query(1)), NEW);
	assert_int_equal(run(fixture, answer(1)), ESTABLISHED | REPLY);
	assert_int_equal(run(fixture, tunnel), NEW);
	assert_int_equal(run(fixture, back), ESTABLISHED | REPLY);
	tracker_wait(fixture, 3);
	assert_int_equal(run(fixture, query(1)), ESTABLISHED);
	for (double time = 3; time < 24 * HOUR; time += 119) {
		tracker_wait(fixture, 117);
		assert_int_equal(run(fixture, query(1)), ESTABLISHED); /* a stream: 120 s */
		assert_int_equal(run(fixture, tunnel), ESTABLISHED);   /* 600 s */
		/* Pings have 30 s: each is another. */
		assert_int_equal(run(fixture, ping), NEW);
		assert_int_equal(run(fixture, pong), ESTABLISHED | REPLY);
		/* So has a query without answer. */
		assert_int_equal(run(fixture, query(2)), NEW);
		/* A SYN that nobody answers: 120 s from the first. */
		assert_int_equal(run(fixture, client(3, SYN, 7, 0)), NEW);
		tracker_wait(fixture, 2);
	}
	/* Nothing was said there in all that time, which takes five days. */
	assert_int_equal(run(fixture, client(1, ACK, 1, 1)), ESTABLISHED);
	tracker_wait(fixture, 4 * 24 * HOUR - 200);
	assert_int_equal(run(fixture, client(2, ACK, 1, 1)), ESTABLISHED);
	tracker_wait(fixture, 5 * 24 * HOUR - 5);
	assert_int_equal(run(fixture, server(2, FIN | ACK, 1, 1)), ESTABLISHED | REPLY);
	assert_int_equal(run(fixture, server(1, FIN | ACK, 1, 1)), INVALID);
	tracker_wait(fixture, 121);
	assert_int_equal(run(fixture, client(2, FIN | ACK, 1, 1)), INVALID);
	tracker_await_empty(fixture);
}

struct hammer {
	struct tracker_fixture *fixture;
	const struct tracker_packet *packets;
	unsigned int n_packets;
	unsigned int rounds;
	unsigned int repeat; /* each packet so many times */
	unsigned int flags;
	unsigned int seed;
	pthread_barrier_t *barrier;
};

/* In another thread than cmocka's: nothing here may fail a test. */
static void *hammer(void *argument)
{
	const struct hammer *hammer = argument;
	struct tracker_fixture own = *hammer->fixture;
	uint32_t random = hammer->seed;

	own.runs = hammer->seed;
	pthread_barrier_wait(hammer->barrier);
	for (unsigned int i = 0; i < hammer->rounds; i++) {
		random = random * 1664525 + 1013904223;
		tracker_run_repeatedly(&own, &hammer->packets[(random >> 16) % hammer->n_packets],
				       TEST_ACCEPT | hammer->flags, hammer->repeat);
		if (hammer->seed == 1 && i % 1000 == 999)
			tracker_flush(&own.tracker);
	}
	return NULL;
}

static void hammer_both(struct hammer *hammers)
{
	pthread_barrier_t barrier;
	pthread_t threads[2];

	pthread_barrier_init(&barrier, NULL, 2);
	for (int i = 0; i < 2; i++) {
		hammers[i].barrier = &barrier;
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, &hammers[i]), 0);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&barrier);
}

static unsigned int entries(const struct tracker_fixture *fixture)
{
	struct tracker_key key, next;
	unsigned int count = 0;
	bool begun = false;

	while (!bpf_map_get_next_key(fixture->tracker.table, begun ? &key : NULL, &next)) {
		key = next;
		begun = true;
		count++;
	}
	return count;
}

/* One end sends data without pause, the other closes: that must not get lost. */
static void test_two_ends(void **state)
{
	struct tracker_fixture *fixture = *state;

	for (unsigned int i = 0; i < 100; i++) {
		struct tracker_packet data = server(i, ACK, 1, 1), fin = client(i, FIN | ACK, 1, 1);
		struct hammer hammers[2] = {
			{fixture, &data, .n_packets = 1, .rounds = 1, .repeat = 20000},
			{fixture, &fin, .n_packets = 1, .rounds = 1, .repeat = 1},
		};
		struct tracker_listed listed = {};

		tracker_flush(&fixture->tracker);
		connect_client(fixture, i);
		hammer_both(hammers);
		assert_int_equal(tracker_alive(fixture, &listed), 1);
		assert_int_not_equal(listed.tcp_state, TRACKER_TCP_ESTABLISHED);
	}
}

/* Each entry has a ticket, and nobody has removed one twice. */
static void check_order(struct tracker_fixture *fixture)
{
	struct tracker_counts result = counts(fixture);

	assert_in_range(result.half_open, 0, fixture->tracker.shared->settings.half_open_limit);
	assert_in_range(result.settled, 0, fixture->tracker.shared->settings.settled_limit);
	tracker_flush(&fixture->tracker);
	tracker_await_empty(fixture);
	assert_int_equal(entries(fixture), 0);
	result = counts(fixture);
	assert_int_equal(result.created, result.expired + result.evicted + result.closed);
}

#define MOST_CLIENTS 500u

/* Two threads, all kinds of packets of so many clients, and now and then everything ends. */
static void fight(struct tracker_fixture *fixture, unsigned int n_clients)
{
	static struct tracker_packet packets[MOST_CLIENTS * 6];
	struct hammer hammers[2];

	for (unsigned int i = 0; i < n_clients; i++) {
		packets[i * 6] = client(i, SYN, 0, 0);
		packets[i * 6 + 1] = server(i, SYN | ACK, 0, 1);
		packets[i * 6 + 2] = client(i, ACK, 1, 1);
		packets[i * 6 + 3] = i % 3 ? server(i, RST | ACK, 1, 1) : query(i);
		packets[i * 6 + 4] = i % 3 ? client(i, FIN | ACK, 1, 1) : answer(i);
		packets[i * 6 + 5] = i % 3 ? server(i, FIN | ACK, 1, 2) : query(i);
	}
	for (unsigned int i = 0; i < 2; i++)
		hammers[i] = (struct hammer){.fixture = fixture,
					     .packets = packets,
					     .n_packets = n_clients * 6,
					     .rounds = 200000,
					     .repeat = 1,
					     .seed = i + 1};
	hammer_both(hammers);
	check_order(fixture);
}

/* More clients than there is room for, but few enough to meet. */
static void test_two_cpus(void **state)
{
	fight(*state, MOST_CLIENTS);
}

/* Each connection is pushed out again and again, while others use it. */
static void test_two_cpus_in_little_room(void **state)
{
	struct tracker_packet syn = client(1, SYN, 0, 0);
	struct tracker_fixture *fixture;
	struct hammer hammers[2];
	void *small = NULL;

	(void)state;
	tracker_fixture_set_up_with(&small, 3, 3);
	fight(small, 9);
	fixture = small;
	for (unsigned int i = 0; i < 2; i++)
		hammers[i] = (struct hammer){fixture,      .packets = &syn,  .n_packets = 1,
					     .rounds = 20, .repeat = 100000, .flags = TEST_SHUFFLE};
	hammer_both(hammers);
	check_order(fixture);
	tracker_fixture_tear_down(&small);
}

static void test_cost(void **state)
{
	struct tracker_fixture *fixture = *state;
	struct tracker_packet tcp = client(1, ACK, 1, 1), udp = query(1);
	unsigned int nothing;

	connect_client(fixture, 1);
	assert_int_equal(run(fixture, udp), NEW);
	assert_int_equal(run(fixture, answer(1)), ESTABLISHED | REPLY);
	nothing = tracker_run_often(fixture, &tcp, true);
	print_message("established TCP: %u ns, UDP: %u ns\n",
		      tracker_run_often(fixture, &tcp, false) - nothing,
		      tracker_run_often(fixture, &udp, false) - nothing);
}

#define TEST(name) cmocka_unit_test_setup(name, tracker_fixture_reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_flood_of_syns), TEST(test_flood_with_answers),
		TEST(test_oldest_goes),   TEST(test_full),
		TEST(test_void_tickets),  TEST(test_collection),
		TEST(test_day),           TEST(test_two_ends),
		TEST(test_two_cpus),      TEST(test_two_cpus_in_little_room),
		TEST(test_cost),
	};

	return cmocka_run_group_tests(tests, tracker_fixture_set_up, tracker_fixture_tear_down);
}
