// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Images against the rules that they were compiled from: random rulesets, random packets, judged by
 * the classifier's walk and by going through the rules one after the other.
 */
#include "common/cleanup.h"
#include "compiler/compiler.h"
#include "image_walk.h"
#include "random_ruleset.h"
#include "test_family.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MEMORY_SIZE (64u << 20)

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
	static const uint16_t protocols[] = {
		IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_NONE,
		IPPROTO_ESP, 47};
	static const char *const names[] = {"eth0", "eth1", "eth10", "lo", "averylongname15", ""};
	struct value *fields = packet->fields;
	uint32_t shape = random_below(2) ? SHAPE_WHOLE : random_shape(TEST_FAMILY);

	memset(packet, 0, sizeof(*packet));
	fields[FIELD_SOURCE] = random_address(TEST_FAMILY);
	fields[FIELD_DESTINATION] = random_address(TEST_FAMILY);
	fields[FIELD_PROTOCOL] = VALUE(protocols[random_below(ARRAY_SIZE(protocols))]);
	fields[FIELD_IN_INTERFACE] = interface_value(names[random_below(ARRAY_SIZE(names))]);
	if (shape == SHAPE_BAD_OPTIONS && fields[FIELD_PROTOCOL].low != IPPROTO_TCP)
		shape = SHAPE_WHOLE;
	fields[FIELD_SHAPE] = VALUE(shape);
	fields[FIELD_HOP_LIMIT] = VALUE(random_hop_limit());
	/* They are the same two bytes of a packet. */
	fields[FIELD_ICMP] =
		VALUE(random_below(2) ? random_port() : random_below(4) << 8 | random_below(3));
	fields[FIELD_SOURCE_PORT] = fields[FIELD_ICMP];
	fields[FIELD_DESTINATION_PORT] = VALUE(random_port());
	fields[FIELD_TCP_FLAGS] = VALUE(random_below(64));
}

/* --- comparison --- */

static void *image_memory;

static void report(const struct ruleset *ruleset, uint32_t index, const struct packet *packet,
		   uint64_t by_image, uint64_t by_rules)
{
	for (int field = 0; field < FIELD_COUNT; field++)
		print_message("packet: %s %lx:%lx\n", field_name(field), packet->fields[field].high,
			      packet->fields[field].low);
	if (ruleset->entries[index].kind == ENTRY_RULE)
		print_rule(ruleset, index);
	fail_msg("%s rule %u: counted %lu by the image, %lu by the rules",
		 ruleset->chains[ruleset->entries[index].chain].name,
		 ruleset_rule_number(ruleset, index), by_image, by_rules);
}

static uint64_t random_bits(void)
{
	return (uint64_t)random_below(UINT32_MAX) << 32 | random_below(UINT32_MAX);
}

/* The two words of the key's mask from @word on. */
static struct value key_mask(const struct image *image, uint32_t word)
{
	return (struct value){image->key_mask[word], image->key_mask[word + 1]};
}

/* Those bits of @field that the image says its rules look at. */
static struct value looked_at(const struct image *image, enum field field)
{
	uint32_t interfaces = image_key_interfaces(TEST_FAMILY == NFPROTO_IPV6);
	uint64_t addresses = image->key_mask[IMAGE_KEY_ADDRESSES];

	if (field >= FIELD_FIRST_NARROW)
		return VALUE(image->key_mask[IMAGE_KEY_NARROW] >> field_shift(field));
	if (field >= FIELD_IN_INTERFACE && image->key_words == interfaces)
		return VALUE(0);
	if (field >= FIELD_IN_INTERFACE)
		return key_mask(image, interfaces + 2 * (field - FIELD_IN_INTERFACE));
	if (TEST_FAMILY == NFPROTO_IPV6)
		return key_mask(image, IMAGE_KEY_ADDRESSES + 2 * field);
	return VALUE(field == FIELD_SOURCE ? addresses >> 32 : addresses & UINT32_MAX);
}

/* Makes those bits random that the image says its rules do not look at. */
static void scramble(const struct image *image, struct packet *packet)
{
	struct value *fields = packet->fields;

	for (enum field field = 0; field < FIELD_COUNT; field++) {
		struct value keep = looked_at(image, field);
		struct value noise = {random_bits(), random_bits()};
		struct value maximum = field_maximum(TEST_FAMILY, field);

		fields[field].high =
			(fields[field].high & keep.high) | (noise.high & ~keep.high & maximum.high);
		fields[field].low =
			(fields[field].low & keep.low) | (noise.low & ~keep.low & maximum.low);
	}
	/* Two fields in the same bytes. */
	fields[FIELD_ICMP] = fields[FIELD_SOURCE_PORT];
}

/* Packets with the same key take the same way. */
static void check_key(const struct compiled *compiled, const struct packet *packet, bool accepted,
		      const uint64_t *counters)
{
	_cleanup_free_ uint64_t *others = calloc(compiled->n_counters, sizeof(*others));
	struct packet other = *packet;

	assert_non_null(others);
	scramble(image_memory, &other);
	assert_int_equal(image_judge(image_memory, other.fields, others, NULL), accepted);
	assert_memory_equal(others, counters, compiled->n_counters * sizeof(*others));
}

static void compare(const struct ruleset *ruleset, const struct compiled *compiled,
		    const struct packet *packet)
{
	const struct judge judge = {.ruleset = ruleset, .hook = NF_INET_LOCAL_IN, .length = 1};
	_cleanup_free_ uint64_t *by_image = calloc(compiled->n_counters, sizeof(*by_image));
	_cleanup_free_ struct xt_counters *by_rules = calloc(ruleset->n_entries, sizeof(*by_rules));
	bool image_accepts, rules_accept, has_residuals;

	assert_non_null(by_image);
	assert_non_null(by_rules);
	image_accepts = image_judge(image_memory, packet->fields, by_image, &has_residuals);
	rules_accept = judge_by_rules(&judge, packet, by_rules);
	for (uint32_t i = 0; i < compiled->n_counters; i++) {
		uint32_t index = compiled->entry_of_counter[i];

		if (by_image[i] != by_rules[index].pcnt)
			report(ruleset, index, packet, by_image[i], by_rules[index].pcnt);
	}
	assert_int_equal(image_accepts, rules_accept);
	if (!has_residuals)
		check_key(compiled, packet, image_accepts, by_image);
}

static void compare_packets(struct ruleset *ruleset, bool arranged, uint32_t n_packets)
{
	const struct image *image = image_memory;
	struct compiled compiled = {};
	struct message message = {};

	if (compiler_compile(ruleset, NF_INET_LOCAL_IN, NULL, image_memory, MEMORY_SIZE, &compiled,
			     &message))
		fail_msg("cannot be compiled: %s", message.text);
	if (arranged)
		assert_true(image->places);
	while (n_packets--) {
		struct packet packet;

		random_packet(&packet);
		compare(ruleset, &compiled, &packet);
	}
	compiled_free(&compiled);
	ruleset_free(ruleset);
}

static void compare_random(uint32_t n_rules, uint32_t n_packets)
{
	compare_packets(random_ruleset(TEST_FAMILY, "INPUT", n_rules), false, n_packets);
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

static void test_images_with_arranged_rules(void **state)
{
	(void)state;
	for (int i = 0; i < 40; i++)
		compare_packets(random_final_ruleset(TEST_FAMILY, "INPUT", 400 + random_below(400)),
				true, 200);
	compare_packets(random_final_ruleset(TEST_FAMILY, "INPUT", 5000), true, 200);
}

/* What a blocklist has beside rules that accept or drop packets from one address. */
enum beside {
	BESIDE_OTHER_TARGETS = 1 << 0,
	BESIDE_RULES_FOR_ALL = 1 << 1, /* which only count */
	BESIDE_A_CHAIN = 1 << 2,       /* to which one address jumps, for another one */
};

/* Some addresses occur again. */
static struct ruleset *addresses_ruleset(uint32_t n_rules, uint32_t beside)
{
	static const char *const targets[] = {"ACCEPT", "DROP", "DROP", NULL, "RETURN"};
	uint32_t n_targets = beside & BESIDE_OTHER_TARGETS ? 5 : 3;
	_cleanup_free_ struct ipt_replace *replace = NULL;
	struct blob *blob = table_new();
	struct ruleset *ruleset = NULL;
	struct message message = {};
	size_t length;

	for (uint32_t i = 0; i < n_rules; i++) {
		set_source(table_rule(blob, "INPUT", targets[random_below(n_targets)]),
			   random_below(n_rules));
		if (beside & BESIDE_RULES_FOR_ALL && !random_below(4))
			table_rule(blob, "INPUT", NULL);
	}
	if (beside & BESIDE_A_CHAIN) {
		set_source(table_rule(blob, "INPUT", "chain"), n_rules);
		blob_chain(blob, "chain");
		set_source(table_rule(blob, "chain", "DROP"), n_rules + 1);
	}
	if (random_below(2))
		blob_policy(blob, "INPUT", NF_DROP);
	replace = blob_build(blob, &length);
	blob_free(blob);
	if (ruleset_decode(TEST_FAMILY, replace, length, &ruleset, &message))
		fail_msg("refused: %s", message.text);
	return ruleset;
}

static void compare_addresses(uint32_t n_rules, uint32_t beside)
{
	struct ruleset *ruleset = addresses_ruleset(n_rules, beside);
	const struct image *image = image_memory;
	struct compiled compiled = {};
	struct packet packet;

	assert_int_equal(compiler_compile(ruleset, NF_INET_LOCAL_IN, NULL, image_memory,
					  MEMORY_SIZE, &compiled, NULL),
			 0);
	if (!(beside & ~BESIDE_OTHER_TARGETS))
		assert_true(image->needs & IMAGE_IS_DIRECT);
	for (int i = 0; i < 300; i++) {
		random_packet(&packet);
		packet.fields[FIELD_SOURCE] = VALUE(random_below(n_rules + 3));
		compare(ruleset, &compiled, &packet);
	}
	compiled_free(&compiled);
	ruleset_free(ruleset);
}

static void test_rows_that_say_what_becomes_of_a_packet(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 80; i++)
		compare_addresses(1 + random_below(300), i % 8);
	for (uint32_t beside = 0; beside < 8; beside++)
		compare_addresses(5000, beside);
}

static void test_an_empty_table_is_its_policy(void **state)
{
	(void)state;
	compare_random(0, 10);
}

static void test_too_little_memory_is_refused(void **state)
{
	struct ruleset *ruleset = random_ruleset(TEST_FAMILY, "INPUT", 200);
	struct compiled compiled = {};

	(void)state;
	for (size_t capacity = 0; capacity < 16384; capacity += 1000) {
		struct message message = {};

		assert_int_equal(compiler_compile(ruleset, NF_INET_LOCAL_IN, NULL, image_memory,
						  capacity, &compiled, &message),
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
		cmocka_unit_test(test_images_with_arranged_rules),
		cmocka_unit_test(test_rows_that_say_what_becomes_of_a_packet),
		cmocka_unit_test(test_too_little_memory_is_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
