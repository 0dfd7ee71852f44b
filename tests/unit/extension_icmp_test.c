// SPDX-License-Identifier: GPL-2.0-or-later
#include "evaluate.h"

#include <errno.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct predicate predicate;

/* In IPv4 type 255 stands for any. */
static const struct {
	const char *name;
	uint8_t protocol;
	bool has_any;
} matches[] = {
	{"icmp", IPPROTO_ICMP, true},
	{"icmp6", IPPROTO_ICMPV6, false},
};

#define N_MATCHES (sizeof(matches) / sizeof(matches[0]))

/* xt_tcpudp.c icmp_match() and icmp6_match(). */
static enum outcome kernel_outcome(const struct ipt_icmp *icmp, bool has_any,
				   const struct packet *packet)
{
	uint32_t shape = (uint32_t)packet->fields[FIELD_SHAPE].low;
	uint64_t type = packet->fields[FIELD_ICMP].low >> 8;
	uint64_t code = packet->fields[FIELD_ICMP].low & 0xff;
	bool inside = (icmp->type == 0xff && has_any) ||
		      (type == icmp->type && code >= icmp->code[0] && code <= icmp->code[1]);

	if (shape == SHAPE_FRAGMENT_1 || shape == SHAPE_FRAGMENT)
		return NO_MATCH;
	if (shape == SHAPE_4_BYTES || shape == SHAPE_TINY)
		return HOTDROP;
	return inside != (icmp->invflags & IPT_ICMP_INV) ? MATCH : NO_MATCH;
}

static uint8_t random_type(void)
{
	return random_below(4) ? random_below(3) : 0xfd + random_below(3);
}

static void packets_get_what_the_kernel_gives_them(void **state)
{
	unsigned int n_matched = 0;

	(void)state;
	for (unsigned int round = 0; round < 3000; round++) {
		unsigned int which = round % N_MATCHES;
		bool has_any = matches[which].has_any;
		const struct ipt_icmp icmp = {
			.type = random_type(),
			.code = {random_type(), random_below(2) ? random_type() : 0xff},
			.invflags = random_below(2),
		};

		compile_match(find_match(matches[which].name, 0), matches[which].protocol, &icmp,
			      &predicate);
		for (unsigned int i = 0; i < 50; i++) {
			struct packet packet = {0};

			packet.fields[FIELD_SHAPE] = VALUE(random_shape(NFPROTO_IPV4));
			packet.fields[FIELD_ICMP] = VALUE(random_type() << 8 | random_type());
			assert_int_equal(predicate_evaluate(&predicate, &packet),
					 kernel_outcome(&icmp, has_any, &packet));
			n_matched += kernel_outcome(&icmp, has_any, &packet) == MATCH;
		}
	}
	assert_in_range(n_matched, 10000, 140000);
}

/* iptables -p icmp --icmp-type any. */
static void any_type_is_no_requirement_on_it(void **state)
{
	struct ipt_icmp icmp = {.type = 0xff, .code = {0, 0xff}};

	(void)state;
	compile_match(find_match("icmp", 0), IPPROTO_ICMP, &icmp, &predicate);
	assert_int_equal(predicate.n_steps, 2);
	icmp.invflags = IPT_ICMP_INV;
	compile_match(find_match("icmp", 0), IPPROTO_ICMP, &icmp, &predicate);
	assert_int_equal(predicate.n_steps, 3);
	assert_int_equal(predicate.steps[2].requirement[0].n_intervals, 0);
}

static void unknown_inversions_are_refused(void **state)
{
	struct ipt_icmp icmp = {0};

	(void)state;
	for (size_t i = 0; i < N_MATCHES; i++) {
		const struct extension *extension = find_match(matches[i].name, 0);

		icmp.invflags = IPT_ICMP_INV;
		assert_int_equal(check_match(extension, matches[i].protocol, false, &icmp), 0);
		icmp.invflags = 0x02;
		assert_int_equal(check_match(extension, matches[i].protocol, false, &icmp),
				 -EINVAL);
	}
}

static void each_is_for_one_family_and_protocol(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_MATCHES; i++) {
		assert_int_equal(find_match(matches[i].name, 0)->protocol, matches[i].protocol);
		assert_int_equal(find_match(matches[i].name, 0)->size, sizeof(struct ipt_icmp));
	}
	assert_false(extension_known(EXTENSION_MATCH, "icmp", NFPROTO_IPV6));
	assert_false(extension_known(EXTENSION_MATCH, "icmp6", NFPROTO_IPV4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_get_what_the_kernel_gives_them),
		cmocka_unit_test(any_type_is_no_requirement_on_it),
		cmocka_unit_test(unknown_inversions_are_refused),
		cmocka_unit_test(each_is_for_one_family_and_protocol),
	};
	int failed = cmocka_run_group_tests_name("extension_icmp", tests, NULL, NULL);

	predicate_free(&predicate);
	return failed;
}
