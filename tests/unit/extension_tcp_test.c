// SPDX-License-Identifier: GPL-2.0-or-later
#include "evaluate.h"

#include <errno.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct predicate predicate;

/* xt_tcpudp.c tcp_mt() without the option, in the order of its checks. */
static enum outcome kernel_outcome(const struct xt_tcp *tcp, const struct packet *packet)
{
	uint32_t shape = (uint32_t)packet->fields[FIELD_SHAPE].low;
	uint64_t source = packet->fields[FIELD_SOURCE_PORT].low;
	uint64_t destination = packet->fields[FIELD_DESTINATION_PORT].low;
	uint64_t flags = packet->fields[FIELD_TCP_FLAGS].low;
	bool in_source = source >= tcp->spts[0] && source <= tcp->spts[1];
	bool in_destination = destination >= tcp->dpts[0] && destination <= tcp->dpts[1];

	if (shape == SHAPE_FRAGMENT_1)
		return HOTDROP;
	if (shape == SHAPE_FRAGMENT)
		return NO_MATCH;
	if (shape != SHAPE_WHOLE && shape != SHAPE_BAD_OPTIONS)
		return HOTDROP;
	if (in_source == !!(tcp->invflags & XT_TCP_INV_SRCPT))
		return NO_MATCH;
	if (in_destination == !!(tcp->invflags & XT_TCP_INV_DSTPT))
		return NO_MATCH;
	if (((flags & tcp->flg_mask) == tcp->flg_cmp) == !!(tcp->invflags & XT_TCP_INV_FLAGS))
		return NO_MATCH;
	if (tcp->option && shape == SHAPE_BAD_OPTIONS)
		return HOTDROP;
	return MATCH;
}

/* Few ports and flags, so that they meet; any of the kernel's corners. */
static struct xt_tcp random_match(void)
{
	struct xt_tcp tcp = {
		.spts = {0, 65535},
		.dpts = {0, 65535},
		.option = random_below(3) ? 0 : 2,
		.invflags = random_below(2) ? 0 : random_below(16),
	};

	if (random_below(2)) {
		tcp.spts[0] = random_below(6);
		tcp.spts[1] = random_below(6);
	}
	if (random_below(2)) {
		tcp.dpts[0] = random_below(6);
		tcp.dpts[1] = random_below(6);
	}
	if (random_below(2)) {
		tcp.flg_mask = random_below(256);
		tcp.flg_cmp = random_below(256) & (random_below(4) ? tcp.flg_mask : 0xff);
	}
	return tcp;
}

static void packets_get_what_the_kernel_gives_them(void **state)
{
	const struct extension *extension = find_match("tcp", 0);
	unsigned int n_matched = 0;

	(void)state;
	for (unsigned int round = 0; round < 3000; round++) {
		struct xt_tcp tcp = random_match();

		compile_match(extension, IPPROTO_TCP, &tcp, &predicate);
		for (unsigned int i = 0; i < 50; i++) {
			struct packet packet = {0};

			packet.fields[FIELD_SHAPE] =
				VALUE(random_below(3) ? SHAPE_WHOLE : random_shape(NFPROTO_IPV4));
			packet.fields[FIELD_SOURCE_PORT] = VALUE(random_below(7));
			packet.fields[FIELD_DESTINATION_PORT] = VALUE(random_below(7));
			packet.fields[FIELD_TCP_FLAGS] = VALUE(random_below(256));
			assert_int_equal(predicate_evaluate(&predicate, &packet),
					 kernel_outcome(&tcp, &packet));
			n_matched += kernel_outcome(&tcp, &packet) == MATCH;
		}
	}
	assert_in_range(n_matched, 10000, 140000);
}

static void only_what_is_asked_for_is_a_step(void **state)
{
	const struct xt_tcp tcp = {.spts = {0, 65535}, .dpts = {22, 22}};

	(void)state;
	compile_match(find_match("tcp", 0), IPPROTO_TCP, &tcp, &predicate);
	assert_int_equal(predicate.n_steps, 4);
	assert_int_equal(predicate.steps[0].kind, STEP_HOTDROP);
	assert_int_equal(predicate.steps[0].shapes, SHAPE_BIT(SHAPE_FRAGMENT_1));
	assert_int_equal(predicate.steps[1].kind, STEP_REQUIRE);
	assert_int_equal(predicate.steps[1].requirement[0].field, FIELD_SHAPE);
	assert_int_equal(predicate.steps[2].kind, STEP_HOTDROP);
	assert_int_equal(predicate.steps[2].shapes, SHAPE_BIT(SHAPE_8_BYTES) |
							    SHAPE_BIT(SHAPE_4_BYTES) |
							    SHAPE_BIT(SHAPE_TINY));
	assert_int_equal(predicate.steps[3].requirement[0].field, FIELD_DESTINATION_PORT);
}

static void an_option_is_a_residual(void **state)
{
	struct xt_tcp tcp = {.spts = {0, 65535}, .dpts = {0, 65535}, .option = 5};
	const struct residual_tcp_option *operand;

	(void)state;
	compile_match(find_match("tcp", 0), IPPROTO_TCP, &tcp, &predicate);
	operand = predicate_operand(&predicate, RESIDUAL_TCP_OPTION, sizeof(*operand));
	assert_int_equal(operand->option, 5);
	assert_int_equal(operand->invert, 0);
	assert_int_equal(predicate.steps[predicate.n_steps - 1].kind, STEP_RESIDUAL);
	assert_int_equal(predicate.steps[predicate.n_steps - 2].kind, STEP_HOTDROP);
	assert_int_equal(predicate.steps[predicate.n_steps - 2].shapes,
			 SHAPE_BIT(SHAPE_BAD_OPTIONS));

	tcp.invflags = XT_TCP_INV_OPTION;
	compile_match(find_match("tcp", 0), IPPROTO_TCP, &tcp, &predicate);
	operand = predicate_operand(&predicate, RESIDUAL_TCP_OPTION, sizeof(*operand));
	assert_int_equal(operand->invert, 1);
}

static void unknown_inversions_are_refused(void **state)
{
	struct xt_tcp tcp = {.invflags = XT_TCP_INV_MASK};

	(void)state;
	assert_int_equal(check_match(find_match("tcp", 0), IPPROTO_TCP, false, &tcp), 0);
	tcp.invflags = 0x10;
	assert_int_equal(check_match(find_match("tcp", 0), IPPROTO_TCP, false, &tcp), -EINVAL);
}

static void it_is_for_tcp_alone(void **state)
{
	(void)state;
	assert_int_equal(find_match("tcp", 0)->protocol, IPPROTO_TCP);
	assert_int_equal(find_match("tcp", 0)->size, sizeof(struct xt_tcp));
	assert_null(extension_find(EXTENSION_MATCH, "tcp", 1, NFPROTO_IPV4));
	assert_null(extension_find(EXTENSION_TARGET, "tcp", 0, NFPROTO_IPV4));
	assert_false(extension_known(EXTENSION_MATCH, "tcpm", NFPROTO_IPV4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_get_what_the_kernel_gives_them),
		cmocka_unit_test(only_what_is_asked_for_is_a_step),
		cmocka_unit_test(an_option_is_a_residual),
		cmocka_unit_test(unknown_inversions_are_refused),
		cmocka_unit_test(it_is_for_tcp_alone),
	};
	int failed = cmocka_run_group_tests_name("extension_tcp", tests, NULL, NULL);

	predicate_free(&predicate);
	return failed;
}
