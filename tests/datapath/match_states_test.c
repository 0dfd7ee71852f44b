// SPDX-License-Identifier: GPL-2.0-or-later
/* Matches that keep something from packet to packet: what they say, and how long they keep it. */
#include "abi/arena.h"
#include "abi/match_state.h"
#include "common/cleanup.h"
#include "common/tick_rate.h"
#include "filter.h"

#include <linux/netfilter/xt_limit.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_quota.h>
#include <linux/netfilter/xt_statistic.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define MATCH(blob, name, payload) blob_match(blob, name, 0, payload, sizeof(*(payload)))

static void set_time(uint64_t ticks)
{
	__atomic_store_n(&filter_root()->test_ticks, ticks, __ATOMIC_SEQ_CST);
}

/* Puts the table in force; counters are looked at by matches(). */
static void install(struct filter *filter, struct blob *blob)
{
	struct message message = {};

	if (datapath_replace(filter->datapath, filter_ruleset(blob), NULL, &message))
		fail_msg("a ruleset is refused: %s", message.text);
}

/* Sends a UDP packet from port 5 to port 6 to INPUT, @payload more bytes long than a header. */
static uint32_t send_packet(struct filter *filter, uint32_t payload)
{
	struct packet_bytes packet;

	packet_bytes_make(TEST_FAMILY, &packet, IPPROTO_UDP, 1, 2, 5, 6);
	packet.size += payload;
	filter_run(filter, NF_INET_LOCAL_IN, &packet);
	return packet.size;
}

/* How many packets rule @number of INPUT, from 0 on, has counted. */
static uint64_t counted(const struct filter *filter, uint32_t number)
{
	const struct ruleset *ruleset = datapath_ruleset(filter->datapath, TEST_FAMILY);
	_cleanup_free_ struct xt_counters *counters = NULL;

	assert_int_equal(datapath_counters(filter->datapath, TEST_FAMILY, &counters), 0);
	return counters[ruleset_base_chain(ruleset, NF_INET_LOCAL_IN)->first + number].pcnt;
}

/* Does rule @number match a packet that is sent now? */
static bool matches(struct filter *filter, uint32_t number)
{
	uint64_t before = counted(filter, number);

	send_packet(filter, 0);
	return counted(filter, number) != before;
}

static struct blob *limit_rule(uint32_t average, uint32_t burst)
{
	const struct xt_rateinfo info = {.avg = average, .burst = burst};
	struct blob *blob = table_new();

	table_rule(blob, "INPUT", NULL);
	MATCH(blob, "limit", &info);
	return blob;
}

/*
 * A bucket of @burst tokens, of which @rate come in a second: what xt_limit.c computes in credits,
 * here in fractions of a token for each tick.
 */
struct bucket {
	uint64_t fractions; /* tick_rate() of them are a token */
	uint64_t rate;
	uint64_t burst;
	uint64_t time;
};

static bool bucket_gives(struct bucket *bucket, uint64_t now)
{
	uint64_t full = bucket->burst * tick_rate();

	bucket->fractions += (now - bucket->time) * bucket->rate;
	bucket->time = now;
	if (bucket->fractions > full)
		bucket->fractions = full;
	if (bucket->fractions < tick_rate())
		return false;
	bucket->fractions -= tick_rate();
	return true;
}

static void test_a_limit_is_exact_to_the_tick(void **state)
{
	static const uint32_t rates[] = {1, 2, 5, 10, 50};
	struct filter *filter = *state;

	for (size_t r = 0; r < ARRAY_SIZE(rates); r++) {
		uint64_t now = 5000000000 + r;
		struct bucket bucket = {.rate = rates[r], .burst = r + 1, .time = now};
		unsigned int n_matched = 0;

		bucket.fractions = bucket.burst * tick_rate();
		set_time(now);
		install(filter, limit_rule(XT_LIMIT_SCALE / rates[r], (uint32_t)r + 1));
		for (int i = 0; i < 400; i++) {
			bool expected = bucket_gives(&bucket, now);

			assert_int_equal(matches(filter, 0), expected);
			n_matched += expected;
			now += random_below(2 * tick_rate() / rates[r]) * random_below(3) / 2;
			set_time(now);
		}
		assert_in_range(n_matched, 100, 390);
		filter_reset(state);
	}
}

static void test_every_nth_packet(void **state)
{
	struct filter *filter = *state;

	for (uint32_t every = 1; every < 6; every++) {
		for (uint32_t packet = 0; packet < every; packet++) {
			/* As libxt_statistic.c fills it in. */
			struct xt_statistic_info info = {
				.mode = XT_STATISTIC_MODE_NTH,
				.u.nth = {.every = every - 1, .packet = packet},
			};
			struct blob *blob = table_new();

			info.u.nth.count = every - 1 - packet;
			table_rule(blob, "INPUT", NULL);
			MATCH(blob, "statistic", &info);
			info.flags = XT_STATISTIC_INVERT;
			table_rule(blob, "INPUT", NULL);
			MATCH(blob, "statistic", &info);
			install(filter, blob);
			for (uint32_t i = 0; i < 3 * every; i++) {
				assert_int_equal(matches(filter, 0), i % every == packet);
				assert_int_equal(counted(filter, 0) + counted(filter, 1), i + 1);
			}
			filter_reset(state);
		}
	}
}

static void test_some_packets_at_random(void **state)
{
	/* Of all, and how many of 4,000 at least and at most: six standard deviations. */
	static const uint32_t cases[][3] = {{0, 0, 0},
					    {0x80000000, 4000, 4000},
					    {0x40000000, 1810, 2190},
					    {0x10000000, 374, 626}};
	struct filter *filter = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct xt_statistic_info info = {.u.random.probability = cases[i][0]};
		struct blob *blob = table_new();

		table_rule(blob, "INPUT", NULL);
		MATCH(blob, "statistic", &info);
		info.flags = XT_STATISTIC_INVERT;
		table_rule(blob, "INPUT", NULL);
		MATCH(blob, "statistic", &info);
		install(filter, blob);
		for (int n = 0; n < 4000; n++)
			send_packet(filter, 0);
		assert_in_range(counted(filter, 0), cases[i][1], cases[i][2]);
		assert_in_range(counted(filter, 1), 4000 - cases[i][2], 4000 - cases[i][1]);
		filter_reset(state);
	}
}

static struct blob *quota_rule(uint64_t bytes)
{
	const struct xt_quota_info info = {.quota = bytes};
	const struct xt_quota_info inverse = {.quota = bytes, .flags = XT_QUOTA_INVERT};
	struct blob *blob = table_new();

	table_rule(blob, "INPUT", NULL);
	MATCH(blob, "quota", &info);
	table_rule(blob, "INPUT", NULL);
	MATCH(blob, "quota", &inverse);
	return blob;
}

static void test_a_quota_ends_with_the_first_packet_that_is_too_large(void **state)
{
	struct filter *filter = *state;
	uint32_t size = send_packet(filter, 0);

	install(filter, quota_rule(3 * size + 10));
	send_packet(filter, 0);
	send_packet(filter, 0);
	send_packet(filter, 11);
	assert_int_equal(counted(filter, 0), 2);
	/* There would be room for this one. */
	send_packet(filter, 0);
	assert_int_equal(counted(filter, 0), 2);
	assert_int_equal(counted(filter, 1), 2);
	filter_reset(state);
	/* To the last byte. */
	install(filter, quota_rule(2 * size));
	for (int i = 0; i < 4; i++)
		send_packet(filter, 0);
	assert_int_equal(counted(filter, 0), 2);
}

static void add_ports(struct blob *blob)
{
	const struct xt_multiport_v1 ports = {
		.flags = XT_MULTIPORT_EITHER,
		.count = 2,
		.pflags = {1},
		.ports = {1, 10},
	};

	blob_match(blob, "multiport", 1, &ports, sizeof(ports));
}

/* The rules have alternatives, of which a packet may meet several; but each of them is one rule. */
static void test_a_rule_with_alternatives_is_evaluated_once(void **state)
{
	const struct xt_statistic_info info = {
		.mode = XT_STATISTIC_MODE_NTH,
		.u.nth = {.every = 2, .count = 2},
	};
	uint32_t n_evaluated = 0, n_behind = 0;
	struct filter *filter = *state;
	struct blob *blob = table_new();

	set_protocol(table_rule(blob, "INPUT", NULL), IPPROTO_UDP);
	add_ports(blob);
	MATCH(blob, "statistic", &info);
	set_protocol(table_rule(blob, "INPUT", NULL), IPPROTO_UDP);
	MATCH(blob, "statistic", &info);
	add_ports(blob);
	set_protocol(table_rule(blob, "INPUT", NULL), IPPROTO_UDP);
	add_ports(blob);
	add_ports(blob);
	MATCH(blob, "statistic", &info);
	add_ports(blob);
	install(filter, blob);
	for (uint32_t i = 0; i < 40; i++) {
		struct packet_bytes packet;

		/* Both ports, the source port alone, the destination port alone, neither. */
		packet_bytes_make(TEST_FAMILY, &packet, IPPROTO_UDP, 1, 2, i & 1 ? 50 : 5,
				  i & 2 ? 60 : 6);
		filter_run(filter, NF_INET_LOCAL_IN, &packet);
		n_evaluated += (i & 3) != 3;
		/* Where it comes first it sees packets of all ports. */
		n_behind += i % 3 == 0 && (i & 3) != 3;
		assert_int_equal(counted(filter, 0), (n_evaluated + 2) / 3);
		assert_int_equal(counted(filter, 1), n_behind);
		assert_int_equal(counted(filter, 2), (n_evaluated + 2) / 3);
	}
}

/* What stands before the match in the rule keeps packets from it, what stands behind it does not.
 */
static void test_only_packets_that_get_there_count(void **state)
{
	const struct xt_statistic_info info = {.mode = XT_STATISTIC_MODE_NTH, .u.nth.every = 1};
	struct filter *filter = *state;
	struct packet_bytes packet;
	struct blob *blob = table_new();

	set_source(table_rule(blob, "INPUT", NULL), 1);
	MATCH(blob, "statistic", &info);
	set_protocol(table_rule(blob, "INPUT", NULL), IPPROTO_UDP);
	MATCH(blob, "statistic", &info);
	add_ports(blob);
	install(filter, blob);
	packet_bytes_make(TEST_FAMILY, &packet, IPPROTO_UDP, 7, 2, 50, 60);
	for (uint32_t i = 0; i < 10; i++) {
		/* Another source, and other ports: seen by the second rule's statistic alone. */
		filter_run(filter, NF_INET_LOCAL_IN, &packet);
		send_packet(filter, 0);
		assert_int_equal(counted(filter, 0), (i + 1) / 2);
		assert_int_equal(counted(filter, 1), i + 1);
	}
}

static struct blob *quotas(const char *const *chains, const uint64_t *bytes, size_t n)
{
	struct blob *blob = table_new();

	for (size_t i = 0; i < n; i++) {
		const struct xt_quota_info info = {.quota = bytes[i]};

		if (!bytes[i]) {
			set_source(table_rule(blob, chains[i], NULL), (uint32_t)i + 100);
			continue;
		}
		table_rule(blob, chains[i], NULL);
		MATCH(blob, "quota", &info);
	}
	return blob;
}

/* How much is left to state number @i of the table in force. */
static uint64_t left(const struct filter *filter, uint32_t i)
{
	const struct ruleset *ruleset = datapath_ruleset(filter->datapath, TEST_FAMILY);
	const struct match_quota *quota =
		(const void *)((const uint8_t *)filter_root() + ruleset->states[i].position);

	assert_true(i < ruleset->n_states);
	return quota->left;
}

static void test_what_is_kept_survives_changes_elsewhere(void **state)
{
	static const char *const chains[] = {"INPUT", "INPUT", "INPUT", "INPUT"};
	static const char *const others[] = {"INPUT", "INPUT", "OUTPUT", "OUTPUT"};
	struct filter *filter = *state;
	uint32_t size = send_packet(filter, 0);

	install(filter, quotas(chains, (uint64_t[]){10000, 20000}, 2));
	send_packet(filter, 0);
	/* Appended, inserted, in another chain. */
	install(filter, quotas(chains, (uint64_t[]){10000, 20000, 0}, 3));
	assert_int_equal(left(filter, 0), 10000 - size);
	assert_int_equal(left(filter, 1), 20000 - size);
	install(filter, quotas(chains, (uint64_t[]){0, 30000, 10000, 20000}, 4));
	assert_int_equal(left(filter, 0), 30000);
	assert_int_equal(left(filter, 1), 10000 - size);
	assert_int_equal(left(filter, 2), 20000 - size);
	send_packet(filter, 0);
	install(filter, quotas(others, (uint64_t[]){20000, 10000, 10000, 30000}, 4));
	assert_int_equal(left(filter, 0), 20000 - 2 * size);
	assert_int_equal(left(filter, 1), 10000 - 2 * size);
	/* Same rules, but in another chain. */
	assert_int_equal(left(filter, 2), 10000);
	assert_int_equal(left(filter, 3), 30000);
	/* And packets go on where they were. */
	send_packet(filter, 0);
	assert_int_equal(left(filter, 0), 20000 - 3 * size);
	/* A rule that was away begins anew. */
	install(filter, quotas(chains, (uint64_t[]){20000}, 1));
	install(filter, quotas(chains, (uint64_t[]){20000, 10000}, 2));
	assert_int_equal(left(filter, 0), 20000 - 3 * size);
	assert_int_equal(left(filter, 1), 10000);
}

static void test_a_rule_can_keep_several_things(void **state)
{
	const struct xt_statistic_info random = {.u.random.probability = 0x80000000};
	const struct xt_statistic_info nth = {.mode = XT_STATISTIC_MODE_NTH, .u.nth.every = 1};
	struct filter *filter = *state;
	uint32_t size = send_packet(filter, 0);
	const struct xt_quota_info quota = {.quota = 3 * size};

	for (uint32_t round = 0; round < 2; round++) {
		struct blob *blob = table_new();

		table_rule(blob, "INPUT", NULL);
		MATCH(blob, "statistic", &random);
		MATCH(blob, "statistic", &nth);
		MATCH(blob, "quota", &quota);
		table_rule(blob, "INPUT", round ? "ACCEPT" : NULL);
		install(filter, blob);
		/* Every other packet, and three of them. */
		for (uint32_t i = 0; i < 4; i++)
			assert_int_equal(matches(filter, 0), i % 2 && (!round || i < 3));
	}
	assert_int_equal(left(filter, 2), 0);
}

static void test_equal_rules_keep_their_own(void **state)
{
	static const char *const chains[] = {"INPUT", "INPUT", "INPUT"};
	struct filter *filter = *state;
	uint32_t size = send_packet(filter, 0);
	struct blob *blob;

	blob = quotas(chains, (uint64_t[]){10000}, 1);
	install(filter, blob);
	send_packet(filter, 0);
	install(filter, quotas(chains, (uint64_t[]){10000, 10000}, 2));
	send_packet(filter, 0);
	assert_int_equal(left(filter, 0), 10000 - 2 * size);
	assert_int_equal(left(filter, 1), 10000 - size);
	/* The same table again is not compiled. */
	install(filter, quotas(chains, (uint64_t[]){10000, 10000}, 2));
	send_packet(filter, 0);
	assert_int_equal(left(filter, 0), 10000 - 3 * size);
	assert_int_equal(left(filter, 1), 10000 - 2 * size);
}

static void test_places_are_used_again(void **state)
{
	static const char *const chains[] = {"INPUT", "INPUT", "INPUT"};
	struct filter *filter = *state;
	uint32_t lowest = UINT32_MAX, highest = 0;

	for (uint32_t i = 0; i < 300; i++) {
		const struct ruleset *ruleset;

		install(filter, quotas(chains, (uint64_t[]){1000 + i, 2000 + i / 2, 3000}, 3));
		ruleset = datapath_ruleset(filter->datapath, TEST_FAMILY);
		for (uint32_t n = 0; n < 3; n++) {
			uint32_t position = ruleset->states[n].position;

			if (position < lowest)
				lowest = position;
			if (position > highest)
				highest = position;
		}
		assert_int_equal(left(filter, 0), 1000 + i);
	}
	assert_in_range(highest - lowest, 3 * MATCH_CELL_SIZE, 8 * MATCH_CELL_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		filter_test(test_a_limit_is_exact_to_the_tick),
		filter_test(test_every_nth_packet),
		filter_test(test_some_packets_at_random),
		filter_test(test_a_quota_ends_with_the_first_packet_that_is_too_large),
		filter_test(test_a_rule_with_alternatives_is_evaluated_once),
		filter_test(test_only_packets_that_get_there_count),
		filter_test(test_what_is_kept_survives_changes_elsewhere),
		filter_test(test_a_rule_can_keep_several_things),
		filter_test(test_equal_rules_keep_their_own),
		filter_test(test_places_are_used_again),
	};

	return cmocka_run_group_tests(tests, filter_set_up, filter_tear_down);
}
