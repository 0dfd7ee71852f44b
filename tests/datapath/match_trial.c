// SPDX-License-Identifier: GPL-2.0-or-later
#include "match_trial.h"

#include "common/cleanup.h"
#include "packet_family.h"
#include "random_ruleset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define IPV6_FRAGMENT      44
#define IPV6_FRAGMENT_SIZE 8u

const uint8_t *trial_bytes(const struct trial_packet *packet, uint32_t offset, uint32_t size)
{
	if (offset > packet->bytes.size || size > packet->bytes.size - offset)
		return NULL;
	return packet->bytes.bytes + offset;
}

static uint32_t random_offset(void)
{
	return random_below(8) ? 0 : 1 + random_below(4);
}

/* The IP header; returns where the transport header is. */
static uint32_t make_ipv4(struct trial_packet *packet, uint8_t protocol)
{
	uint8_t *bytes = packet->bytes.bytes;
	uint32_t words = random_below(3) ? 5 : 5 + random_below(4);

	packet->fragment = random_offset();
	bytes[0] = (uint8_t)(0x40 | words);
	bytes[9] = protocol;
	put_u16(bytes + 6, packet->fragment);
	packet->transport = words * 4;
	return packet->transport;
}

/* In a fragment but the first the kernel does not say where the transport header would be. */
static uint32_t make_ipv6(struct trial_packet *packet, uint8_t protocol)
{
	uint8_t *bytes = packet->bytes.bytes;
	bool fragmented = !random_below(6);

	bytes[0] = (uint8_t)(0x60 | random_below(16));
	bytes[6] = fragmented ? IPV6_FRAGMENT : protocol;
	packet->transport = 40 + fragmented * IPV6_FRAGMENT_SIZE;
	if (fragmented) {
		packet->fragment = random_below(2) ? 0 : 8 * (1 + random_below(4));
		bytes[40] = protocol;
		put_u16(bytes + 42, packet->fragment);
	}
	return packet->transport;
}

static void make_packet(const struct trial *trial, const void *payload, struct trial_packet *packet)
{
	uint8_t carried = trial->carried ? trial->carried : IPPROTO_UDP;
	uint8_t protocol = trial->protocol ? trial->protocol : carried;
	uint32_t behind_ip;

	*packet = (struct trial_packet){.bytes.family = TEST_FAMILY};
	for (uint32_t i = 0; i < PACKET_MAX_SIZE; i++)
		packet->bytes.bytes[i] = (uint8_t)random_below(256);
	behind_ip = TEST_FAMILY == NFPROTO_IPV4 ? make_ipv4(packet, protocol)
						: make_ipv6(packet, protocol);
	if (trial->fill)
		trial->fill(payload, packet->bytes.bytes + behind_ip, PACKET_MAX_SIZE - behind_ip);
	packet->bytes.size = behind_ip + random_below(random_below(2) ? 40 : 200);
	if (TEST_FAMILY == NFPROTO_IPV4)
		put_u16(packet->bytes.bytes + 2, packet->bytes.size);
	if (TEST_FAMILY == NFPROTO_IPV6 && packet->fragment)
		packet->transport = 0;
}

static struct ruleset *make_ruleset(const struct trial *trial, const void *payload)
{
	struct blob *blob = table_new();
	ip_rule *rule = table_rule(blob, "INPUT", NULL);

	if (trial->protocol)
		set_protocol(rule, trial->protocol);
	blob_match(blob, trial->name, trial->revision, payload, trial->size);
	return filter_ruleset(blob);
}

static uint64_t rule_packets(struct filter *filter)
{
	uint32_t first = ruleset_base_chain(filter->ruleset, NF_INET_LOCAL_IN)->first;
	_cleanup_free_ struct xt_counters *got = NULL;

	assert_int_equal(datapath_counters(filter->datapath, TEST_FAMILY, &got), 0);
	return got[first].pcnt;
}

static void report(const struct trial *trial, const struct trial_packet *packet)
{
	print_message("%s, packet of %u bytes:", trial->name, packet->bytes.size);
	for (uint32_t i = 0; i < packet->bytes.size; i++)
		print_message("%s%02x", i % 4 ? "" : " ", packet->bytes.bytes[i]);
	print_message("\n");
}

static enum trial_outcome outcome_of(bool accepted, bool counted)
{
	if (accepted)
		return counted ? TRIAL_MATCH : TRIAL_NO_MATCH;
	return counted ? TRIAL_DOOMED : TRIAL_HOTDROP;
}

static void run_trial(struct filter *filter, const struct trial *trial)
{
	static const char *const names[] = {"no match", "match", "hotdrop", "match and hotdrop"};
	_Alignas(8) uint8_t payload[TRIAL_MAX_PAYLOAD];
	uint32_t seen = 0;

	for (uint32_t i = 0; i < trial->n_payloads; i++) {
		uint64_t counted = 0;

		memset(payload, 0, sizeof(payload));
		trial->make_payload(payload);
		filter_reset((void **)&filter);
		assert_int_equal(datapath_replace(filter->datapath, make_ruleset(trial, payload),
						  NULL, &(struct message){0}),
				 0);
		filter->ruleset = datapath_ruleset(filter->datapath, TEST_FAMILY);
		for (uint32_t n = 0; n < trial->n_packets; n++) {
			enum trial_outcome expected, got;
			struct trial_packet packet;
			bool accepted;
			uint64_t now;

			make_packet(trial, payload, &packet);
			expected = trial->judge(payload, &packet);
			accepted = filter_run(filter, NF_INET_LOCAL_IN, &packet.bytes);
			now = rule_packets(filter);
			got = outcome_of(accepted, now != counted);
			counted = now;
			seen |= 1u << expected;
			if (got == expected)
				continue;
			report(trial, &packet);
			fail_msg("%s: expected %s, got %s", trial->name, names[expected],
				 names[got]);
		}
	}
	assert_int_equal(seen & trial->outcomes, trial->outcomes);
	filter_reset((void **)&filter);
}

/* cmocka hands a test nothing but the filter. */
static const struct trial *all_trials;
static size_t n_trials;

static void test_each_match(void **state)
{
	for (size_t i = 0; i < n_trials; i++)
		run_trial(*state, &all_trials[i]);
}

int trial_main(const struct trial *trials, size_t n)
{
	const struct CMUnitTest tests[] = {
		filter_test(test_each_match),
	};

	all_trials = trials;
	n_trials = n;
	return cmocka_run_group_tests(tests, filter_set_up, filter_tear_down);
}
