// SPDX-License-Identifier: GPL-2.0-or-later
#include "evaluate.h"

#include <errno.h>
#include <linux/netfilter/xt_multiport.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct predicate predicate;

/* xt_multiport.c ports_match_v1(), port after port. */
static bool kernel_matches(const struct xt_multiport_v1 *ports, uint64_t source,
			   uint64_t destination)
{
	for (unsigned int i = 0; i < ports->count; i++) {
		uint16_t first = ports->ports[i];
		uint16_t last = ports->pflags[i] ? ports->ports[++i] : first;
		bool in_source = source >= first && source <= last;
		bool in_destination = destination >= first && destination <= last;

		if ((ports->flags != XT_MULTIPORT_DESTINATION && in_source) ||
		    (ports->flags != XT_MULTIPORT_SOURCE && in_destination))
			return true ^ ports->invert;
	}
	return ports->invert;
}

static enum outcome kernel_outcome(const struct xt_multiport_v1 *ports, const struct packet *packet)
{
	uint32_t shape = (uint32_t)packet->fields[FIELD_SHAPE].low;

	if (shape == SHAPE_FRAGMENT_1 || shape == SHAPE_FRAGMENT)
		return NO_MATCH;
	if (shape == SHAPE_TINY)
		return HOTDROP;
	return kernel_matches(ports, packet->fields[FIELD_SOURCE_PORT].low,
			      packet->fields[FIELD_DESTINATION_PORT].low)
		       ? MATCH
		       : NO_MATCH;
}

static struct xt_multiport_v1 random_match(void)
{
	struct xt_multiport_v1 ports = {
		.flags = random_below(3),
		.count = random_below(XT_MULTI_PORTS + 1),
		.invert = random_below(10) ? random_below(2) : random_below(256),
	};

	for (unsigned int i = 0; i < ports.count; i++) {
		ports.ports[i] = random_below(30);
		if (i + 1 < ports.count && random_below(3) == 0) {
			ports.pflags[i] = 1 + random_below(2);
			ports.ports[i + 1] = ports.ports[i] + random_below(4);
			i++;
		}
	}
	return ports;
}

static void packets_get_what_the_kernel_gives_them(void **state)
{
	const struct extension *extension = find_match("multiport", 1);
	unsigned int n_matched = 0;

	(void)state;
	for (unsigned int round = 0; round < 3000; round++) {
		const struct xt_multiport_v1 ports = random_match();

		assert_int_equal(check_match(extension, IPPROTO_UDP, false, &ports), 0);
		compile_match(extension, IPPROTO_UDP, &ports, &predicate);
		for (unsigned int i = 0; i < 50; i++) {
			struct packet packet = {0};

			packet.fields[FIELD_SHAPE] = VALUE(random_shape(NFPROTO_IPV4));
			packet.fields[FIELD_SOURCE_PORT] = VALUE(random_below(35));
			packet.fields[FIELD_DESTINATION_PORT] = VALUE(random_below(35));
			assert_int_equal(predicate_evaluate(&predicate, &packet),
					 kernel_outcome(&ports, &packet));
			n_matched += kernel_outcome(&ports, &packet) == MATCH;
		}
	}
	assert_in_range(n_matched, 10000, 140000);
}

static void either_port_is_one_step(void **state)
{
	struct xt_multiport_v1 ports = {
		.flags = XT_MULTIPORT_EITHER, .count = 2, .ports = {443, 80}};

	(void)state;
	compile_match(find_match("multiport", 1), IPPROTO_TCP, &ports, &predicate);
	assert_int_equal(predicate.n_steps, 3);
	assert_int_equal(predicate.steps[0].kind, STEP_REQUIRE);
	assert_int_equal(predicate.steps[1].kind, STEP_HOTDROP);
	assert_int_equal(predicate.steps[1].shapes, SHAPE_BIT(SHAPE_TINY));
	assert_int_equal(predicate.steps[2].kind, STEP_REQUIRE_EITHER);

	ports.invert = 1;
	compile_match(find_match("multiport", 1), IPPROTO_TCP, &ports, &predicate);
	assert_int_equal(predicate.n_steps, 4);
	assert_int_equal(predicate.steps[2].kind, STEP_REQUIRE);
	assert_int_equal(predicate.steps[3].kind, STEP_REQUIRE);
}

static void it_needs_a_protocol_with_ports(void **state)
{
	static const uint16_t protocols[] = {6, 17, 136, 132, 33};
	const struct xt_multiport_v1 ports = {.count = 1};
	const struct extension *extension = find_match("multiport", 1);

	(void)state;
	assert_int_equal(extension->protocol, 0);
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		assert_int_equal(check_match(extension, protocols[i], false, &ports), 0);
		assert_int_equal(check_match(extension, protocols[i], true, &ports), -EINVAL);
	}
	assert_int_equal(check_match(extension, 0, false, &ports), -EINVAL);
	assert_int_equal(check_match(extension, 1, false, &ports), -EINVAL);
	assert_int_equal(check_match(extension, 6 + 256, false, &ports), -EINVAL);
}

static void ranges_must_be_whole(void **state)
{
	const struct extension *extension = find_match("multiport", 1);
	struct xt_multiport_v1 ports = {.count = 16};

	(void)state;
	assert_int_equal(check_match(extension, 6, false, &ports), -EINVAL);
	ports = (struct xt_multiport_v1){.flags = 3, .count = 1};
	assert_int_equal(check_match(extension, 6, false, &ports), -EINVAL);
	ports = (struct xt_multiport_v1){.count = 1, .pflags = {1}};
	assert_int_equal(check_match(extension, 6, false, &ports), -EINVAL);
	ports = (struct xt_multiport_v1){.count = 15, .pflags[14] = 1};
	assert_int_equal(check_match(extension, 6, false, &ports), -EINVAL);
	ports = (struct xt_multiport_v1){.count = 3, .pflags = {1, 1}};
	assert_int_equal(check_match(extension, 6, false, &ports), -EINVAL);
	ports = (struct xt_multiport_v1){.count = 2, .pflags = {1}, .ports = {2, 1}};
	assert_int_equal(check_match(extension, 6, false, &ports), -EINVAL);
	ports = (struct xt_multiport_v1){.count = 2, .pflags = {1}, .ports = {1, 1}};
	assert_int_equal(check_match(extension, 6, false, &ports), 0);
}

static void only_revision_1_is_known(void **state)
{
	(void)state;
	assert_int_equal(find_match("multiport", 1)->size, sizeof(struct xt_multiport_v1));
	assert_null(extension_find(EXTENSION_MATCH, "multiport", 0, NFPROTO_IPV4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_get_what_the_kernel_gives_them),
		cmocka_unit_test(either_port_is_one_step),
		cmocka_unit_test(it_needs_a_protocol_with_ports),
		cmocka_unit_test(ranges_must_be_whole),
		cmocka_unit_test(only_revision_1_is_known),
	};
	int failed = cmocka_run_group_tests_name("extension_multiport", tests, NULL, NULL);

	predicate_free(&predicate);
	return failed;
}
