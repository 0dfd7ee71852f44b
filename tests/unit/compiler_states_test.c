// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is done with packets by the state of their connection alone, against the walk that looks at
 * all of the packet.
 */
#include "common/cleanup.h"
#include "compiler/compiler.h"
#include "evaluate.h"
#include "image_walk.h"
#include "random_ruleset.h"
#include "test_family.h"

#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_limit.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define MEMORY_SIZE (16u << 20)
#define ESTABLISHED XT_CONNTRACK_STATE_BIT(IP_CT_ESTABLISHED)
#define RELATED     XT_CONNTRACK_STATE_BIT(IP_CT_RELATED)
#define NEW         XT_CONNTRACK_STATE_BIT(IP_CT_NEW)

static unsigned char *image_memory;

static void add_states(struct blob *blob, uint16_t mask, bool inverted)
{
	const struct xt_conntrack_mtinfo3 states = {
		.match_flags = XT_CONNTRACK_STATE,
		.invert_flags = inverted ? XT_CONNTRACK_STATE : 0,
		.state_mask = mask,
	};

	blob_match(blob, "conntrack", 3, &states, sizeof(states));
}

static void add_limit(struct blob *blob)
{
	const struct xt_rateinfo limit = {.avg = 10000, .burst = 5};

	blob_match(blob, "limit", 0, &limit, sizeof(limit));
}

/* A port, behind which short packets are dropped on the spot. */
static void add_port(struct blob *blob, ip_rule *rule)
{
	const struct xt_tcp tcp = {.spts = {0, 65535}, .dpts = {80, random_below(2) ? 80 : 65535}};

	set_protocol(rule, IPPROTO_TCP);
	blob_match(blob, "tcp", 0, &tcp, sizeof(tcp));
}

static void add_random_rule(struct blob *blob)
{
	static const char *const targets[] = {"ACCEPT", "DROP", "ACCEPT", "DROP",
					      "RETURN", NULL,   "chain"};
	ip_rule *rule = table_rule(blob, "INPUT", targets[random_below(ARRAY_SIZE(targets))]);

	if (!random_below(8))
		add_port(blob, rule);
	if (!random_below(8))
		add_limit(blob);
	if (random_below(10))
		add_states(blob, (uint16_t)(1 + random_below(255)), random_below(2));
	if (!random_below(8))
		add_limit(blob);
	if (!random_below(8))
		set_source(rule, random_below(3));
}

/* So many rules with an address each that their bits are put in an order of their own. */
static void add_addresses(struct blob *blob, uint32_t n)
{
	while (n--)
		set_source(table_rule(blob, "INPUT", random_below(2) ? "ACCEPT" : "DROP"),
			   random_below(UINT32_MAX));
}

static const uint32_t *compile(struct blob *blob, struct compiled *ret_compiled)
{
	_cleanup_free_ struct ipt_replace *replace = NULL;
	struct ruleset *ruleset = NULL;
	struct message message = {};
	struct image *image = (struct image *)image_memory;
	size_t length;

	replace = blob_build(blob, &length);
	blob_free(blob);
	if (ruleset_decode(TEST_FAMILY, replace, length, &ruleset, &message) ||
	    compiler_compile(ruleset, NF_INET_LOCAL_IN, NULL, image, MEMORY_SIZE, ret_compiled,
			     &message))
		fail_msg("refused: %s", message.text);
	ruleset_free(ruleset);
	return image->by_state ? (const uint32_t *)(image_memory + image->by_state) : NULL;
}

static void random_packet(struct packet *packet, uint32_t state)
{
	uint32_t shape = random_below(2) ? SHAPE_WHOLE : SHAPE_4_BYTES;

	*packet = (struct packet){};
	packet->fields[FIELD_SOURCE] = VALUE(random_below(3));
	packet->fields[FIELD_PROTOCOL] = VALUE(random_below(2) ? IPPROTO_TCP : IPPROTO_UDP);
	packet->fields[FIELD_SHAPE] = VALUE(shape);
	packet->fields[FIELD_DESTINATION_PORT] = VALUE(random_below(2) ? 80 : 81);
	packet->fields[FIELD_CONNTRACK] = VALUE(state);
}

static void check_decision(const struct compiled *compiled, uint32_t state, uint32_t shortly)
{
	_cleanup_free_ uint64_t *counters = calloc(compiled->n_counters, sizeof(*counters));
	const struct image *image = (const struct image *)image_memory;
	struct packet packet;
	uint64_t sum = 0;

	assert_non_null(counters);
	random_packet(&packet, state);
	assert_int_equal(image_judge(image, packet.fields, counters, NULL),
			 !!(shortly & IMAGE_RULE_ACCEPT));
	for (uint32_t i = 0; i < compiled->n_counters; i++)
		sum += counters[i];
	assert_int_equal(sum, 1);
	assert_int_equal(counters[shortly & IMAGE_RULE_COUNTER], 1);
}

/* Returns how many values were decided. */
static uint32_t check_decisions(struct blob *blob)
{
	struct compiled compiled = {};
	const uint32_t *by_state = compile(blob, &compiled);
	uint32_t decided = 0;

	for (uint32_t state = 0; by_state && state < CONNTRACK_VALUES; state++) {
		if (by_state[state] & IMAGE_RULE_LONG)
			continue;
		decided++;
		for (int i = 0; i < 20; i++)
			check_decision(&compiled, state, by_state[state]);
	}
	compiled_free(&compiled);
	return decided;
}

static void test_decisions_are_those_of_the_rules(void **state)
{
	uint32_t decided = 0;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		struct blob *blob = table_new();

		for (uint32_t n = random_below(6); n; n--)
			add_random_rule(blob);
		if (!random_below(20))
			add_addresses(blob, 300);
		for (uint32_t n = random_below(3); n; n--)
			add_random_rule(blob);
		blob_chain(blob, "chain");
		if (random_below(2))
			blob_policy(blob, "INPUT", NF_DROP);
		decided += check_decisions(blob);
	}
	assert_true(decided > 1000);
}

static struct blob *stateful_table(void)
{
	struct blob *blob = table_new();

	table_rule(blob, "INPUT", "ACCEPT");
	add_states(blob, ESTABLISHED | RELATED, false);
	table_rule(blob, "INPUT", "DROP");
	add_states(blob, XT_CONNTRACK_STATE_INVALID, false);
	return blob;
}

static void test_first_rules_decide_by_states(void **state)
{
	struct blob *blob = stateful_table();
	struct compiled compiled = {};
	const uint32_t *by_state;

	(void)state;
	set_source(table_rule(blob, "INPUT", "ACCEPT"), 1);
	by_state = compile(blob, &compiled);
	assert_non_null(by_state);
	assert_int_equal(by_state[CONNTRACK_ESTABLISHED], 0 | IMAGE_RULE_ACCEPT);
	assert_int_equal(by_state[CONNTRACK_ESTABLISHED | CONNTRACK_REPLY], 0 | IMAGE_RULE_ACCEPT);
	assert_int_equal(by_state[CONNTRACK_RELATED], 0 | IMAGE_RULE_ACCEPT);
	assert_int_equal(by_state[CONNTRACK_INVALID], 1);
	assert_true(by_state[CONNTRACK_NEW] & IMAGE_RULE_LONG);
	assert_true(by_state[CONNTRACK_UNTRACKED] & IMAGE_RULE_LONG);
	compiled_free(&compiled);
}

static void test_the_policy_decides_what_no_rule_accepts(void **state)
{
	struct blob *blob = stateful_table();
	struct compiled compiled = {};
	const uint32_t *by_state;

	(void)state;
	set_source(table_rule(blob, "INPUT", "DROP"), 1);
	add_states(blob, XT_CONNTRACK_STATE_UNTRACKED, false);
	by_state = compile(blob, &compiled);
	assert_non_null(by_state);
	assert_int_equal(by_state[CONNTRACK_NEW], 3 | IMAGE_RULE_ACCEPT);
	compiled_free(&compiled);
}

static void test_rules_in_front_that_ask_for_more_leave_it_open(void **state)
{
	struct blob *blob = table_new();

	(void)state;
	set_source(table_rule(blob, "INPUT", "ACCEPT"), 1);
	table_rule(blob, "INPUT", "ACCEPT");
	add_states(blob, ESTABLISHED | RELATED | NEW, false);
	assert_int_equal(check_decisions(blob), 0);
}

static void test_many_rules_leave_it_open(void **state)
{
	struct blob *blob = table_new();

	(void)state;
	for (int i = 0; i < 100; i++) {
		set_source(table_rule(blob, "INPUT", "ACCEPT"), 1);
		add_states(blob, ESTABLISHED, false);
	}
	assert_int_equal(check_decisions(blob), 0);
}

static int set_up(void **state)
{
	(void)state;
	image_memory = malloc(MEMORY_SIZE);
	return !image_memory;
}

static int tear_down(void **state)
{
	(void)state;
	free(image_memory);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decisions_are_those_of_the_rules),
		cmocka_unit_test(test_first_rules_decide_by_states),
		cmocka_unit_test(test_the_policy_decides_what_no_rule_accepts),
		cmocka_unit_test(test_rules_in_front_that_ask_for_more_leave_it_open),
		cmocka_unit_test(test_many_rules_leave_it_open),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
