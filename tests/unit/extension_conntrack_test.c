// SPDX-License-Identifier: GPL-2.0-or-later
#include "evaluate.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/xt_conntrack.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct predicate predicate;

/* What the kernel would know of a packet with this value of FIELD_CONNTRACK. */
struct connection {
	bool exists;
	enum ip_conntrack_info info;
	bool untracked;
	unsigned long status;
};

/* False for values that no packet has. */
static bool read_value(uint32_t value, struct connection *ret_connection)
{
	uint32_t number = conntrack_state(value);
	struct connection connection = {
		.exists = number >= CONNTRACK_ESTABLISHED && number <= CONNTRACK_NEW,
		.untracked = number == CONNTRACK_UNTRACKED,
	};

	if (!connection.exists && value != number)
		return false;
	if (number == CONNTRACK_ESTABLISHED)
		connection.info = IP_CT_ESTABLISHED;
	if (number == CONNTRACK_RELATED)
		connection.info = IP_CT_RELATED;
	if (number == CONNTRACK_NEW)
		connection.info = IP_CT_NEW;
	if (value & CONNTRACK_REPLY)
		connection.info += IP_CT_IS_REPLY;
	if (value & CONNTRACK_SNAT)
		connection.status |= IPS_SRC_NAT;
	if (value & CONNTRACK_DNAT)
		connection.status |= IPS_DST_NAT;
	*ret_connection = connection;
	return true;
}

/* xt_conntrack.c conntrack_mt() up to the direction. */
static bool kernel_matches(const struct xt_conntrack_mtinfo3 *info,
			   const struct connection *connection)
{
	unsigned int bit = XT_CONNTRACK_STATE_INVALID;

	if (connection->exists)
		bit = XT_CONNTRACK_STATE_BIT(connection->info);
	else if (connection->untracked)
		bit = XT_CONNTRACK_STATE_UNTRACKED;

	if (info->match_flags & XT_CONNTRACK_STATE) {
		if (connection->exists && connection->status & IPS_SRC_NAT)
			bit |= XT_CONNTRACK_STATE_SNAT;
		if (connection->exists && connection->status & IPS_DST_NAT)
			bit |= XT_CONNTRACK_STATE_DNAT;
		if (!!(info->state_mask & bit) ^ !(info->invert_flags & XT_CONNTRACK_STATE))
			return false;
	}
	if (!connection->exists)
		return info->match_flags & XT_CONNTRACK_STATE;
	if ((info->match_flags & XT_CONNTRACK_DIRECTION) &&
	    (connection->info < IP_CT_IS_REPLY) ^ !(info->invert_flags & XT_CONNTRACK_DIRECTION))
		return false;
	return true;
}

static void states_and_directions_are_the_kernels(void **state)
{
	static const uint16_t flags[] = {
		0,
		XT_CONNTRACK_STATE,
		XT_CONNTRACK_DIRECTION,
		XT_CONNTRACK_STATE | XT_CONNTRACK_DIRECTION,
		XT_CONNTRACK_STATE | XT_CONNTRACK_STATE_ALIAS,
	};
	struct connection connection;
	unsigned int n_compared = 0;

	(void)state;
	for (unsigned int i = 0; i < 5 * 4 * 512; i++) {
		struct xt_conntrack_mtinfo3 info = {
			.match_flags = flags[i % 5],
			.invert_flags = (i / 5 % 2 ? XT_CONNTRACK_STATE : 0) |
					(i / 10 % 2 ? XT_CONNTRACK_DIRECTION : 0),
			.state_mask = i / 20,
		};

		compile_match(find_match("conntrack", 3), 0, &info, &predicate);
		for (uint32_t value = 0; value < CONNTRACK_VALUES; value++) {
			struct packet packet = {.fields[FIELD_CONNTRACK] = VALUE(value)};

			if (!read_value(value, &connection))
				continue;
			n_compared++;
			assert_int_equal(predicate_evaluate(&predicate, &packet) == MATCH,
					 kernel_matches(&info, &connection));
		}
	}
	assert_int_equal(n_compared, 5 * 4 * 512 * (2 + 3 * 8));
}

static void all_states_are_no_requirement(void **state)
{
	const struct xt_conntrack_mtinfo3 info = {
		.match_flags = XT_CONNTRACK_STATE,
		.state_mask = XT_CONNTRACK_STATE_INVALID | 0x0e | XT_CONNTRACK_STATE_UNTRACKED,
	};

	(void)state;
	compile_match(find_match("conntrack", 3), 0, &info, &predicate);
	assert_int_equal(predicate.n_steps, 0);
}

static void the_untracked_bit_is_too_high_for_revision_1(void **state)
{
	const struct xt_conntrack_mtinfo1 info = {.match_flags = XT_CONNTRACK_STATE,
						  .state_mask = 0xff};
	struct packet packet = {.fields[FIELD_CONNTRACK] = VALUE(CONNTRACK_UNTRACKED)};

	(void)state;
	compile_match(find_match("conntrack", 1), 0, &info, &predicate);
	assert_int_equal(predicate_evaluate(&predicate, &packet), NO_MATCH);
	packet.fields[FIELD_CONNTRACK] = VALUE(CONNTRACK_NEW | CONNTRACK_SNAT);
	assert_int_equal(predicate_evaluate(&predicate, &packet), MATCH);
}

#define FILL_COMMON(info)                                                                     \
	do {                                                                                  \
		(info).match_flags = 0x1fff;                                                  \
		(info).invert_flags =                                                         \
			XT_CONNTRACK_STATUS | XT_CONNTRACK_REPLDST_PORT | XT_CONNTRACK_STATE; \
		(info).origsrc_addr.ip = htonl(0x0a000001);                                   \
		(info).origsrc_mask.ip = htonl(0xffffff00);                                   \
		(info).origdst_addr.ip = 2;                                                   \
		(info).origdst_mask.ip = 3;                                                   \
		(info).replsrc_addr.ip = 4;                                                   \
		(info).replsrc_mask.ip = 5;                                                   \
		(info).repldst_addr.ip = 6;                                                   \
		(info).repldst_mask.ip = 7;                                                   \
		(info).origsrc_addr.all[1] = 99; /* not IPv4's */                             \
		(info).origsrc_mask.all[3] = 99;                                              \
		(info).expires_min = 10;                                                      \
		(info).expires_max = 4000000000u;                                             \
		(info).l4proto = 0x1106;                                                      \
		(info).state_mask = 2;                                                        \
	} while (0)

static const struct residual_conntrack *compile_all(uint8_t revision, const void *payload)
{
	compile_match(find_match("conntrack", revision), 0, payload, &predicate);
	assert_int_equal(predicate.steps[0].kind, STEP_REQUIRE);
	assert_int_equal(predicate.steps[0].requirement[0].field, FIELD_CONNTRACK);
	assert_int_equal(predicate.n_steps, 2);
	return predicate_operand(&predicate, RESIDUAL_CONNTRACK, sizeof(struct residual_conntrack));
}

static void assert_common(const struct residual_conntrack *operand, uint16_t status)
{
	assert_int_equal(operand->flags, 0x7ff);
	assert_int_equal(operand->inverted,
			 RESIDUAL_CT_STATUS | RESIDUAL_CT_REPLY_DESTINATION_PORT);
	assert_int_equal(operand->protocol, 0x1106);
	assert_int_equal(operand->status, status);
	assert_int_equal(operand->expires_minimum, 10);
	assert_int_equal(operand->expires_maximum, 4000000000u);
	assert_int_equal(operand->tuple[0].address[0], htonl(0x0a000001));
	assert_int_equal(operand->tuple[0].mask[0], htonl(0xffffff00));
	assert_int_equal(operand->tuple[0].address[1], 0);
	assert_int_equal(operand->tuple[0].mask[3], 0);
	for (unsigned int i = 1; i < RESIDUAL_CT_TUPLES; i++) {
		assert_int_equal(operand->tuple[i].address[0], 2 * i);
		assert_int_equal(operand->tuple[i].mask[0], 2 * i + 1);
	}
}

static void assert_ports(const struct residual_conntrack *operand, uint16_t width)
{
	for (unsigned int i = 0; i < RESIDUAL_CT_TUPLES; i++) {
		assert_int_equal(operand->tuple[i].port_first, 1000 + i);
		assert_int_equal(operand->tuple[i].port_last, 1000 + i + width);
	}
}

static void revision_1_is_read(void **state)
{
	struct xt_conntrack_mtinfo1 info = {
		.origsrc_port = htons(1000),
		.origdst_port = htons(1001),
		.replsrc_port = htons(1002),
		.repldst_port = htons(1003),
		.status_mask = 0x82,
	};
	const struct residual_conntrack *operand;

	(void)state;
	FILL_COMMON(info);
	operand = compile_all(1, &info);
	assert_common(operand, 0x82);
	assert_ports(operand, 0);
}

static void revision_2_is_read(void **state)
{
	struct xt_conntrack_mtinfo2 info = {
		.origsrc_port = htons(1000),
		.origdst_port = htons(1001),
		.replsrc_port = htons(1002),
		.repldst_port = htons(1003),
		.status_mask = 0x8002,
	};
	const struct residual_conntrack *operand;

	(void)state;
	FILL_COMMON(info);
	operand = compile_all(2, &info);
	assert_common(operand, 0x8002);
	assert_ports(operand, 0);
}

static void revision_3_is_read(void **state)
{
	struct xt_conntrack_mtinfo3 info = {
		.origsrc_port = 1000,
		.origdst_port = 1001,
		.replsrc_port = 1002,
		.repldst_port = 1003,
		.origsrc_port_high = 1010,
		.origdst_port_high = 1011,
		.replsrc_port_high = 1012,
		.repldst_port_high = 1013,
		.status_mask = 0x8002,
	};
	const struct residual_conntrack *operand;

	(void)state;
	FILL_COMMON(info);
	operand = compile_all(3, &info);
	assert_common(operand, 0x8002);
	assert_ports(operand, 10);
}

/* In IPv6 all four words of an address count, and those of its mask. */
static void addresses_of_ipv6_are_whole(void **state)
{
	const struct rule_context context = {.family = NFPROTO_IPV6};
	struct xt_conntrack_mtinfo3 info = {.match_flags = 0x1fff};
	const struct residual_conntrack *operand;

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		info.origsrc_addr.all[i] = 10 + i;
		info.origdst_mask.all[i] = 20 + i;
		info.replsrc_addr.all[i] = 30 + i;
		info.repldst_mask.all[i] = 40 + i;
	}
	predicate_clear(&predicate);
	predicate.family = NFPROTO_IPV6;
	find_match("conntrack", 3)->compile(&context, &info, &predicate);
	operand = predicate_operand(&predicate, RESIDUAL_CONNTRACK, sizeof(*operand));
	assert_non_null(operand);
	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(operand->tuple[0].address[i], 10 + i);
		assert_int_equal(operand->tuple[1].mask[i], 20 + i);
		assert_int_equal(operand->tuple[2].address[i], 30 + i);
		assert_int_equal(operand->tuple[3].mask[i], 40 + i);
	}
}

static void each_flag_is_translated(void **state)
{
	static const struct {
		uint16_t match;
		uint16_t residual;
	} flags[] = {
		{XT_CONNTRACK_STATE, 0},
		{XT_CONNTRACK_DIRECTION, 0},
		{XT_CONNTRACK_PROTO, RESIDUAL_CT_PROTOCOL},
		{XT_CONNTRACK_ORIGSRC, RESIDUAL_CT_ORIGINAL_SOURCE},
		{XT_CONNTRACK_ORIGDST, RESIDUAL_CT_ORIGINAL_DESTINATION},
		{XT_CONNTRACK_REPLSRC, RESIDUAL_CT_REPLY_SOURCE},
		{XT_CONNTRACK_REPLDST, RESIDUAL_CT_REPLY_DESTINATION},
		{XT_CONNTRACK_STATUS, RESIDUAL_CT_STATUS},
		{XT_CONNTRACK_EXPIRES, RESIDUAL_CT_EXPIRES},
		{XT_CONNTRACK_ORIGSRC_PORT, RESIDUAL_CT_ORIGINAL_SOURCE_PORT},
		{XT_CONNTRACK_ORIGDST_PORT, RESIDUAL_CT_ORIGINAL_DESTINATION_PORT},
		{XT_CONNTRACK_REPLSRC_PORT, RESIDUAL_CT_REPLY_SOURCE_PORT},
		{XT_CONNTRACK_REPLDST_PORT, RESIDUAL_CT_REPLY_DESTINATION_PORT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		const struct xt_conntrack_mtinfo3 info = {.match_flags = flags[i].match,
							  .invert_flags = 0xffff};
		const struct residual_conntrack *operand;

		compile_match(find_match("conntrack", 3), 0, &info, &predicate);
		operand = predicate_operand(&predicate, RESIDUAL_CONNTRACK, sizeof(*operand));
		assert_int_equal(operand != NULL, flags[i].residual != 0);
		if (operand) {
			assert_int_equal(operand->flags, flags[i].residual);
			assert_int_equal(operand->inverted, flags[i].residual);
		}
	}
}

static void revisions_have_their_sizes(void **state)
{
	(void)state;
	assert_int_equal(find_match("conntrack", 1)->size, sizeof(struct xt_conntrack_mtinfo1));
	assert_int_equal(find_match("conntrack", 2)->size, sizeof(struct xt_conntrack_mtinfo2));
	assert_int_equal(find_match("conntrack", 3)->size, sizeof(struct xt_conntrack_mtinfo3));
	for (uint8_t revision = 1; revision <= 3; revision++)
		assert_true(find_match("conntrack", revision)->conntrack);
	assert_null(extension_find(EXTENSION_MATCH, "conntrack", 0, NFPROTO_IPV4));
	assert_null(extension_find(EXTENSION_MATCH, "conntrack", 4, NFPROTO_IPV4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_and_directions_are_the_kernels),
		cmocka_unit_test(all_states_are_no_requirement),
		cmocka_unit_test(the_untracked_bit_is_too_high_for_revision_1),
		cmocka_unit_test(revision_1_is_read),
		cmocka_unit_test(revision_2_is_read),
		cmocka_unit_test(revision_3_is_read),
		cmocka_unit_test(addresses_of_ipv6_are_whole),
		cmocka_unit_test(each_flag_is_translated),
		cmocka_unit_test(revisions_have_their_sizes),
	};
	int failed = cmocka_run_group_tests_name("extension_conntrack", tests, NULL, NULL);

	predicate_free(&predicate);
	return failed;
}
