// SPDX-License-Identifier: GPL-2.0-or-later
#include "evaluate.h"

#include <errno.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct predicate predicate;

/* xt_tcpudp.c udp_mt(). */
static enum outcome kernel_outcome(const struct xt_udp *udp, const struct packet *packet)
{
	uint32_t shape = (uint32_t)packet->fields[FIELD_SHAPE].low;
	uint64_t source = packet->fields[FIELD_SOURCE_PORT].low;
	uint64_t destination = packet->fields[FIELD_DESTINATION_PORT].low;
	bool in_source = source >= udp->spts[0] && source <= udp->spts[1];
	bool in_destination = destination >= udp->dpts[0] && destination <= udp->dpts[1];

	if (shape == SHAPE_FRAGMENT_1 || shape == SHAPE_FRAGMENT)
		return NO_MATCH;
	if (shape == SHAPE_4_BYTES || shape == SHAPE_TINY)
		return HOTDROP;
	return in_source != !!(udp->invflags & XT_UDP_INV_SRCPT) &&
			       in_destination != !!(udp->invflags & XT_UDP_INV_DSTPT)
		       ? MATCH
		       : NO_MATCH;
}

static void packets_get_what_the_kernel_gives_them(void **state)
{
	const struct extension *extension = find_match("udp", 0);
	unsigned int n_matched = 0;

	(void)state;
	for (unsigned int round = 0; round < 3000; round++) {
		const struct xt_udp udp = {
			.spts = {random_below(6), random_below(2) ? random_below(6) : 65535},
			.dpts = {random_below(6), random_below(2) ? random_below(6) : 65535},
			.invflags = random_below(2) ? 0 : random_below(4),
		};

		compile_match(extension, IPPROTO_UDP, &udp, &predicate);
		for (unsigned int i = 0; i < 50; i++) {
			struct packet packet = {0};

			packet.fields[FIELD_SHAPE] = VALUE(random_shape(NFPROTO_IPV4));
			packet.fields[FIELD_SOURCE_PORT] = VALUE(random_below(7));
			packet.fields[FIELD_DESTINATION_PORT] = VALUE(random_below(7));
			assert_int_equal(predicate_evaluate(&predicate, &packet),
					 kernel_outcome(&udp, &packet));
			n_matched += kernel_outcome(&udp, &packet) == MATCH;
		}
	}
	assert_in_range(n_matched, 10000, 140000);
}

static void unknown_inversions_are_refused(void **state)
{
	struct xt_udp udp = {.invflags = XT_UDP_INV_MASK};

	(void)state;
	assert_int_equal(check_match(find_match("udp", 0), IPPROTO_UDP, false, &udp), 0);
	udp.invflags = 0x04;
	assert_int_equal(check_match(find_match("udp", 0), IPPROTO_UDP, false, &udp), -EINVAL);
}

static void it_is_for_udp_alone(void **state)
{
	(void)state;
	assert_int_equal(find_match("udp", 0)->protocol, IPPROTO_UDP);
	assert_int_equal(find_match("udp", 0)->size, sizeof(struct xt_udp));
	assert_null(extension_find(EXTENSION_MATCH, "udp", 1, NFPROTO_IPV4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_get_what_the_kernel_gives_them),
		cmocka_unit_test(unknown_inversions_are_refused),
		cmocka_unit_test(it_is_for_udp_alone),
	};
	int failed = cmocka_run_group_tests_name("extension_udp", tests, NULL, NULL);

	predicate_free(&predicate);
	return failed;
}
