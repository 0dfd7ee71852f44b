// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Images against the rules that they were compiled from: random rulesets, random packets, judged by
 * the classifier's walk and by going through the rules one after the other.
 */
#include "blob.h"
#include "common/cleanup.h"
#include "compiler/compiler.h"
#include "evaluate.h"
#include "image_walk.h"

#include <errno.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MEMORY_SIZE (64u << 20)

/* Chains of a random table: user chains jump only to chains with a higher number. */
#define N_USER_CHAINS 6u

static const char *const user_chains[N_USER_CHAINS] = {"a", "b", "c", "d", "e", "f"};

/* --- random rules --- */

static uint32_t random_address(void)
{
	static const uint32_t bases[] = {0x0a000000, 0x0a000100, 0x0a010000, 0xc0a80000, 0, ~255u};

	if (!random_below(16))
		return random_below(UINT32_MAX);
	return bases[random_below(ARRAY_SIZE(bases))] + random_below(8);
}

static uint32_t random_mask(void)
{
	static const uint32_t odd[] = {0xff00ff00, 0x000000ff, 0x0f0f0f0f, 0xfffffffe, 0x7fffffff,
				       0xff0000ff, 0x00ff0001};

	if (!random_below(6))
		return odd[random_below(ARRAY_SIZE(odd))];
	return random_below(3) ? ~0u << random_below(32) : ~0u;
}

static uint16_t random_port(void)
{
	return random_below(8) ? (uint16_t)random_below(24) : (uint16_t)random_below(65536);
}

static void random_range(uint16_t range[2])
{
	uint16_t a = random_port(), b = random_below(2) ? a : random_port();

	range[0] = a < b ? a : b;
	range[1] = a < b ? b : a;
}

static void add_tcp(struct blob *blob)
{
	struct xt_tcp tcp = {.spts = {0, 65535}, .dpts = {0, 65535}};

	if (random_below(2))
		random_range(tcp.spts);
	if (random_below(2))
		random_range(tcp.dpts);
	if (!random_below(3)) {
		tcp.flg_mask = (uint8_t)random_below(64);
		tcp.flg_cmp = tcp.flg_mask & (uint8_t)random_below(64);
	}
	if (!random_below(5))
		tcp.option = 3;
	tcp.invflags = (uint8_t)(random_below(3) ? 0 : random_below(XT_TCP_INV_MASK + 1));
	blob_match(blob, "tcp", 0, &tcp, sizeof(tcp));
}

static void add_udp(struct blob *blob)
{
	struct xt_udp udp = {.spts = {0, 65535}, .dpts = {0, 65535}};

	if (random_below(2))
		random_range(udp.spts);
	random_range(udp.dpts);
	udp.invflags = (uint8_t)(random_below(3) ? 0 : random_below(XT_UDP_INV_MASK + 1));
	blob_match(blob, "udp", 0, &udp, sizeof(udp));
}

static void add_icmp(struct blob *blob)
{
	struct ipt_icmp icmp = {.type = (uint8_t)(random_below(4) ? random_below(4) : 255),
				.code = {0, 255}};

	icmp.invflags = !random_below(4);
	blob_match(blob, "icmp", 0, &icmp, sizeof(icmp));
}

static void add_multiport(struct blob *blob)
{
	struct xt_multiport_v1 multiport = {.flags = (uint8_t)random_below(3)};

	multiport.count = (uint8_t)(1 + random_below(4));
	for (int i = 0; i < multiport.count; i++)
		multiport.ports[i] = random_port();
	multiport.invert = !random_below(4);
	blob_match(blob, "multiport", 1, &multiport, sizeof(multiport));
}

static void add_matches(struct blob *blob, uint16_t protocol)
{
	uint32_t n = random_below(4) ? random_below(2) : random_below(4);

	while (n--) {
		bool multiport = (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) &&
				 random_below(3) == 0;

		if (multiport)
			add_multiport(blob);
		else if (protocol == IPPROTO_TCP)
			add_tcp(blob);
		else if (protocol == IPPROTO_UDP)
			add_udp(blob);
		else if (protocol == IPPROTO_ICMP)
			add_icmp(blob);
	}
}

static void random_interface(char *name, unsigned char *mask)
{
	static const char *const names[] = {"eth0", "eth1", "eth", "lo", "averylongname15"};
	const char *chosen = names[random_below(ARRAY_SIZE(names))];

	memcpy(name, chosen, strlen(chosen) + 1);
	memset(mask, 0xff, strlen(chosen) + random_below(2));
}

static void random_header(struct ipt_ip *ip)
{
	static const uint16_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, 47, 0};

	ip->proto = protocols[random_below(ARRAY_SIZE(protocols))];
	if (random_below(2)) {
		ip->smsk.s_addr = htonl(random_mask());
		ip->src.s_addr = htonl(random_address()) & ip->smsk.s_addr;
	}
	if (random_below(2)) {
		ip->dmsk.s_addr = htonl(random_mask());
		ip->dst.s_addr = htonl(random_address()) & ip->dmsk.s_addr;
	}
	if (!random_below(4))
		random_interface(ip->iniface, ip->iniface_mask);
	if (!random_below(8))
		ip->flags |= IPT_F_FRAG;
	if (!random_below(4))
		ip->invflags = (uint8_t)(random_below(IPT_INV_MASK + 1) & ~IPT_INV_VIA_OUT);
}

static const char *random_target(uint32_t first_chain)
{
	static const char *const targets[] = {"ACCEPT", "DROP", "RETURN", NULL};

	if (first_chain < N_USER_CHAINS && random_below(2))
		return user_chains[first_chain + random_below(N_USER_CHAINS - first_chain)];
	return targets[random_below(ARRAY_SIZE(targets))];
}

static void add_rules(struct blob *blob, const char *chain, uint32_t first_chain, uint32_t n_rules)
{
	while (n_rules--) {
		const char *target = random_target(first_chain);
		struct ipt_ip *ip = blob_rule(blob, chain, target);

		random_header(ip);
		if (target && strlen(target) == 1 && !random_below(4))
			ip->flags |= IPT_F_GOTO;
		/* Matches on the header need the protocol, not its negation. */
		if (!(ip->invflags & XT_INV_PROTO))
			add_matches(blob, ip->proto);
	}
}

static struct ruleset *random_ruleset(uint32_t n_rules)
{
	struct blob *blob = blob_new();
	_cleanup_free_ struct ipt_replace *replace = NULL;
	struct ruleset *ruleset = NULL;
	struct message message = {};
	size_t length;

	for (uint32_t i = 0; i < N_USER_CHAINS; i++)
		blob_chain(blob, user_chains[i]);
	add_rules(blob, "INPUT", 0, n_rules);
	for (uint32_t i = 0; i < N_USER_CHAINS; i++)
		add_rules(blob, user_chains[i], i + 1, n_rules / 3);
	if (random_below(2))
		blob_policy(blob, "INPUT", NF_DROP);
	replace = blob_build(blob, &length);
	if (ruleset_decode(NFPROTO_IPV4, replace, length, &ruleset, &message))
		fail_msg("a random ruleset is refused: %s", message.text);
	blob_free(blob);
	return ruleset;
}

/* --- random packets --- */

static struct value interface_value(const char *name)
{
	unsigned char bytes[16] = {};
	struct value value = {};

	memcpy(bytes, name, strlen(name));
	for (int i = 0; i < 8; i++) {
		value.high = value.high << 8 | bytes[i];
		value.low = value.low << 8 | bytes[8 + i];
	}
	return value;
}

static void random_packet(struct packet *packet)
{
	static const uint16_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, 47};
	static const char *const names[] = {"eth0", "eth1", "eth10", "lo", "averylongname15", ""};
	struct value *fields = packet->fields;
	uint32_t shape = random_below(2) ? SHAPE_WHOLE : random_below(SHAPE_COUNT);

	memset(packet, 0, sizeof(*packet));
	fields[FIELD_SOURCE] = VALUE(random_address());
	fields[FIELD_DESTINATION] = VALUE(random_address());
	fields[FIELD_PROTOCOL] = VALUE(protocols[random_below(ARRAY_SIZE(protocols))]);
	fields[FIELD_IN_INTERFACE] = interface_value(names[random_below(ARRAY_SIZE(names))]);
	if (shape == SHAPE_BAD_OPTIONS && fields[FIELD_PROTOCOL].low != IPPROTO_TCP)
		shape = SHAPE_WHOLE;
	fields[FIELD_SHAPE] = VALUE(shape);
	fields[FIELD_SOURCE_PORT] = VALUE(random_port());
	fields[FIELD_DESTINATION_PORT] = VALUE(random_port());
	fields[FIELD_TCP_FLAGS] = VALUE(random_below(64));
	fields[FIELD_ICMP] = VALUE(random_below(4) << 8 | random_below(3));
}

/* --- the rules, one after the other --- */

struct position {
	const struct chain *chain;
	uint32_t index;
};

static bool judge_by_rules(const struct ruleset *ruleset, const struct packet *packet,
			   uint64_t *counters)
{
	const struct chain *base = ruleset_base_chain(ruleset, NF_INET_LOCAL_IN);
	struct position stack[N_USER_CHAINS + 1], now = {base, base->first};
	struct predicate predicate = {};
	uint32_t depth = 0;
	bool accepted;

	for (;;) {
		const struct entry *entry = &ruleset->entries[now.index];
		enum outcome outcome = MATCH;
		bool returns = now.index == now.chain->end;

		if (!returns) {
			predicate_clear(&predicate);
			ruleset_compile_entry(ruleset, now.index, &predicate);
			outcome = predicate_evaluate(&predicate, packet);
		}
		if (outcome == HOTDROP) {
			accepted = false;
			break;
		}
		if (outcome == NO_MATCH) {
			now.index++;
			continue;
		}
		if (!returns) {
			counters[now.index]++;
			returns = entry->verdict == VERDICT_RETURN;
		}
		if (returns && depth) {
			now = stack[--depth];
			now.index++;
		} else if (returns) {
			/* Even from a chain that a goto led to: ip_tables.c goes to the underflow. */
			counters[base->end]++;
			accepted = ruleset->entries[base->end].verdict == VERDICT_ACCEPT;
			break;
		} else if (entry->verdict == VERDICT_JUMP || entry->verdict == VERDICT_GOTO) {
			if (entry->verdict == VERDICT_JUMP)
				stack[depth++] = now;
			now.chain = &ruleset->chains[entry->target];
			now.index = now.chain->first;
		} else if (entry->verdict == VERDICT_CONTINUE) {
			now.index++;
		} else {
			accepted = entry->verdict == VERDICT_ACCEPT;
			break;
		}
	}
	predicate_free(&predicate);
	return accepted;
}

/* --- comparison --- */

static void *image_memory;

static void report(const struct ruleset *ruleset, uint32_t index, const struct packet *packet,
		   uint64_t by_image, uint64_t by_rules)
{
	struct predicate predicate = {};

	for (int field = 0; field < FIELD_COUNT; field++)
		print_message("packet: %s %lx:%lx\n", field_name(field),
			      packet->fields[field].high, packet->fields[field].low);
	ruleset_compile_entry(ruleset, index, &predicate);
	for (uint32_t i = 0; i < predicate.n_steps; i++) {
		const struct step *step = &predicate.steps[i];
		const struct requirement *first = &step->requirement[0];

		print_message("rule: step kind %d", step->kind);
		if (step->kind == STEP_HOTDROP)
			print_message(" shapes %#x", step->shapes);
		for (uint32_t n = 0; step->kind <= STEP_REQUIRE_EITHER && n < first->n_intervals; n++)
			print_message(" %s %lx..%lx", field_name(first->field),
				      predicate.intervals[first->first_interval + n].first.low,
				      predicate.intervals[first->first_interval + n].last.low);
		print_message("\n");
	}
	predicate_free(&predicate);
	fail_msg("%s rule %u: counted %lu by the image, %lu by the rules",
		 ruleset->chains[ruleset->entries[index].chain].name,
		 ruleset_rule_number(ruleset, index), by_image, by_rules);
}

static void compare(const struct ruleset *ruleset, const struct compiled *compiled,
		    const struct packet *packet)
{
	_cleanup_free_ uint64_t *by_image = calloc(compiled->n_counters, sizeof(*by_image));
	_cleanup_free_ uint64_t *by_rules = calloc(ruleset->n_entries, sizeof(*by_rules));
	bool image_accepts, rules_accept;

	assert_non_null(by_image);
	assert_non_null(by_rules);
	image_accepts = image_judge(image_memory, packet->fields, by_image);
	rules_accept = judge_by_rules(ruleset, packet, by_rules);
	for (uint32_t i = 0; i < compiled->n_counters; i++) {
		uint32_t index = compiled->entry_of_counter[i];

		if (by_image[i] != by_rules[index])
			report(ruleset, index, packet, by_image[i], by_rules[index]);
	}
	assert_int_equal(image_accepts, rules_accept);
}

static void compare_random(uint32_t n_rules, uint32_t n_packets)
{
	struct ruleset *ruleset = random_ruleset(n_rules);
	struct compiled compiled = {};
	struct message message = {};

	if (compiler_compile(ruleset, NF_INET_LOCAL_IN, image_memory, MEMORY_SIZE, &compiled,
			     &message))
		fail_msg("cannot be compiled: %s", message.text);
	while (n_packets--) {
		struct packet packet;

		random_packet(&packet);
		compare(ruleset, &compiled, &packet);
	}
	compiled_free(&compiled);
	ruleset_free(ruleset);
}

static void test_images_of_one_level(void **state)
{
	(void)state;
	for (int i = 0; i < 300; i++)
		compare_random(1 + random_below(16), 60);
}

static void test_images_of_two_levels(void **state)
{
	(void)state;
	for (int i = 0; i < 60; i++)
		compare_random(40 + random_below(400), 60);
}

static void test_images_of_three_levels(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		compare_random(5000, 40);
}

static void test_an_empty_table_is_its_policy(void **state)
{
	(void)state;
	compare_random(0, 10);
}

static void test_too_little_memory_is_refused(void **state)
{
	struct ruleset *ruleset = random_ruleset(200);
	struct compiled compiled = {};

	(void)state;
	for (size_t capacity = 0; capacity < 16384; capacity += 1000) {
		struct message message = {};

		assert_int_equal(compiler_compile(ruleset, NF_INET_LOCAL_IN, image_memory, capacity,
						  &compiled, &message),
				 -E2BIG);
		assert_true(message.text[0]);
	}
	ruleset_free(ruleset);
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
		cmocka_unit_test(test_an_empty_table_is_its_policy),
		cmocka_unit_test(test_images_of_one_level),
		cmocka_unit_test(test_images_of_two_levels),
		cmocka_unit_test(test_images_of_three_levels),
		cmocka_unit_test(test_too_little_memory_is_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
