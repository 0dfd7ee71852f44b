// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The eBPF program against the rules taken one after the other: random rulesets, random packets,
 * every verdict and every counter.
 */
#include "filter.h"
#include "random_ruleset.h"

#include <linux/netfilter/xt_tcpudp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *const base_chains[] = {
	[NF_INET_LOCAL_IN] = "INPUT",
	[NF_INET_FORWARD] = "FORWARD",
	[NF_INET_LOCAL_OUT] = "OUTPUT",
};

typedef struct ruleset *make_ruleset(uint8_t family, const char *base_chain, uint32_t n_rules);

static void check(struct filter *filter, make_ruleset *make, uint32_t n_rules, uint32_t n_packets)
{
	unsigned int hook = NF_INET_LOCAL_IN + random_below(3);

	filter_replace(filter, make(TEST_FAMILY, base_chains[hook], n_rules));
	while (n_packets--) {
		struct packet_bytes packet;

		packet_bytes_random(TEST_FAMILY, &packet);
		filter_check(filter, hook, &packet);
	}
}

static void check_random(struct filter *filter, uint32_t n_rules, uint32_t n_packets)
{
	check(filter, random_ruleset, n_rules, n_packets);
}

static void test_an_empty_table_is_its_policy(void **state)
{
	for (int i = 0; i < 10; i++)
		check_random(*state, 0, 10);
}

static void test_rulesets_of_one_level(void **state)
{
	for (int i = 0; i < 400; i++)
		check_random(*state, 1 + random_below(16), 60);
}

static void test_rulesets_of_two_levels(void **state)
{
	for (int i = 0; i < 60; i++)
		check_random(*state, 40 + random_below(400), 60);
}

static void test_rulesets_of_three_levels(void **state)
{
	for (int i = 0; i < 3; i++)
		check_random(*state, 5000, 60);
}

static void test_rulesets_with_arranged_rules(void **state)
{
	for (int i = 0; i < 30; i++)
		check(*state, random_final_ruleset, 400 + random_below(400), 60);
	check(*state, random_final_ruleset, 5000, 60);
}

/* Each option that random packets often have, and its inversion. */
static struct ruleset *option_rules(void)
{
	struct blob *blob = table_new();

	for (uint8_t i = 0; i < 16; i++) {
		struct xt_tcp tcp = {.spts = {0, 65535}, .dpts = {0, 65535}};

		tcp.option = i / 2 + 1;
		tcp.invflags = i % 2 ? XT_TCP_INV_OPTION : 0;
		set_protocol(table_rule(blob, "INPUT", NULL), IPPROTO_TCP);
		blob_match(blob, "tcp", 0, &tcp, sizeof(tcp));
	}
	return filter_ruleset(blob);
}

static void test_tcp_options(void **state)
{
	struct filter *filter = *state;

	filter_replace(filter, option_rules());
	for (uint32_t n = 0; n < 5000; n++) {
		struct packet_bytes packet;

		packet_bytes_random(TEST_FAMILY, &packet);
		filter_check(filter, NF_INET_LOCAL_IN, &packet);
	}
}

#define MANY_RULES 10000u

/* Rule i takes one address and one port. */
static struct ruleset *many_rules(void)
{
	struct blob *blob = table_new();

	for (uint32_t i = 0; i < MANY_RULES; i++) {
		struct xt_udp udp = {.spts = {0, 65535}};
		ip_rule *rule = table_rule(blob, "FORWARD", i % 2 ? "ACCEPT" : "DROP");

		set_protocol(rule, IPPROTO_UDP);
		set_source(rule, 0x0a000000 + i / 4);
		udp.dpts[0] = udp.dpts[1] = (uint16_t)(i % 1000);
		blob_match(blob, "udp", 0, &udp, sizeof(udp));
	}
	return filter_ruleset(blob);
}

static void test_each_of_many_rules_is_found(void **state)
{
	struct filter *filter = *state;

	filter_replace(filter, many_rules());
	for (uint32_t n = 0; n < 150; n++) {
		uint32_t i = n < 3 ? n * (MANY_RULES / 2 - 1) : random_below(MANY_RULES);
		struct packet_bytes packet;

		packet_bytes_make(TEST_FAMILY, &packet, IPPROTO_UDP, 0x0a000000 + i / 4, 1, 53,
				  (uint16_t)(i % 1000 + !random_below(4)));
		filter_check(filter, NF_INET_FORWARD, &packet);
	}
}

/* Draws some random numbers first, so that all that follow are others than in the last run. */
static void seed(void)
{
	const char *number = getenv("BPF_IPTABLES_SEED");

	if (!number)
		return;
	printf("# BPF_IPTABLES_SEED=%s\n", number);
	for (long i = atol(number); i > 0; i--)
		random_below(2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		filter_test(test_an_empty_table_is_its_policy),
		filter_test(test_rulesets_of_one_level),
		filter_test(test_rulesets_of_two_levels),
		filter_test(test_rulesets_of_three_levels),
		filter_test(test_rulesets_with_arranged_rules),
		filter_test(test_tcp_options),
		filter_test(test_each_of_many_rules_is_found),
	};

	seed();
	return cmocka_run_group_tests(tests, filter_set_up, filter_tear_down);
}
