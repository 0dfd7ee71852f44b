// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The matches on bytes of packets: how they are registered, and which payloads are refused. What
 * they make of packets is tested with packets (tests/datapath/matches_test.c).
 */
#include "evaluate.h"

#include <errno.h>
#include <linux/netfilter/xt_dccp.h>
#include <linux/netfilter/xt_dscp.h>
#include <linux/netfilter/xt_ecn.h>
#include <linux/netfilter/xt_esp.h>
#include <linux/netfilter/xt_ipcomp.h>
#include <linux/netfilter/xt_sctp.h>
#include <linux/netfilter/xt_string.h>
#include <linux/netfilter/xt_time.h>
#include <linux/netfilter/xt_u32.h>
#include <linux/netfilter_ipv4/ipt_ah.h>
#include <linux/netfilter_ipv6/ip6t_ah.h>
#include <linux/netfilter_ipv6/ip6t_srh.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define IPV4 FAMILY_BIT(NFPROTO_IPV4)
#define IPV6 FAMILY_BIT(NFPROTO_IPV6)
#define INPUT \
	(HOOK_BIT(NF_INET_PRE_ROUTING) | HOOK_BIT(NF_INET_LOCAL_IN) | HOOK_BIT(NF_INET_FORWARD))

static struct predicate predicate;

/* Sizes as iptables sends them, without padding to 8 bytes. */
static const struct {
	const char *name;
	uint8_t revision;
	uint32_t families;
	uint16_t size;
	uint16_t protocol;
	uint32_t hooks;
} registered[] = {
	{"ah", 0, IPV4, 12, IPPROTO_AH, 0},
	{"ah", 0, IPV6, 16, 0, 0},
	{"dccp", 0, FAMILIES_ALL, 16, IPPROTO_DCCP, 0},
	{"dscp", 0, FAMILIES_ALL, 2, 0, 0},
	{"ecn", 0, FAMILIES_ALL, 4, 0, 0},
	{"esp", 0, FAMILIES_ALL, 12, IPPROTO_ESP, 0},
	{"ipcomp", 0, FAMILIES_ALL, 12, IPPROTO_COMP, 0},
	{"iprange", 1, FAMILIES_ALL, 68, 0, 0},
	{"length", 0, FAMILIES_ALL, 6, 0, 0},
	{"mac", 0, FAMILIES_ALL, 12, 0, INPUT},
	{"pkttype", 0, FAMILIES_ALL, 8, 0, 0},
	{"sctp", 0, FAMILIES_ALL, 292, IPPROTO_SCTP, 0},
	{"srh", 1, IPV6, 108, 0, 0},
	{"string", 1, FAMILIES_ALL, 160, 0, 0},
	{"tcpmss", 0, FAMILIES_ALL, 6, IPPROTO_TCP, 0},
	{"time", 0, FAMILIES_ALL, 24, 0, 0},
	{"tos", 1, FAMILIES_ALL, 3, 0, 0},
	{"u32", 0, FAMILIES_ALL, 1984, 0, 0},
};

static void they_are_registered_as_in_the_kernel(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(registered) / sizeof(registered[0]); i++) {
		uint8_t family = registered[i].families & IPV4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
		const struct extension *extension = extension_find(
			EXTENSION_MATCH, registered[i].name, registered[i].revision, family);

		assert_non_null(extension);
		assert_int_equal(extension->families, registered[i].families);
		assert_int_equal(extension->size, registered[i].size);
		assert_int_equal(extension->protocol, registered[i].protocol);
		assert_int_equal(extension->hooks, registered[i].hooks);
		assert_false(extension->conntrack);
		assert_int_equal(extension->clock, strcmp(extension->name, "time") == 0);
	}
}

static int check(const struct extension *extension, uint16_t protocol, const void *payload)
{
	return check_match(extension, protocol, false, payload);
}

static void unknown_inversions_are_refused(void **state)
{
	const struct extension *ah6 = extension_find(EXTENSION_MATCH, "ah", 0, NFPROTO_IPV6);
	const struct extension *ah = extension_find(EXTENSION_MATCH, "ah", 0, NFPROTO_IPV4);

	(void)state;
	for (unsigned int flags = 0; flags < 256; flags++) {
		struct xt_ipcomp ipcomp = {.invflags = (uint8_t)flags};
		struct ip6t_ah ip6t_ah = {.invflags = (uint8_t)flags};
		struct ipt_ah ipt_ah = {.invflags = (uint8_t)flags};
		struct xt_esp esp = {.invflags = (uint8_t)flags};
		int expected = flags > 1 ? -EINVAL : 0;

		assert_int_equal(check(find_match("esp", 0), IPPROTO_ESP, &esp), expected);
		assert_int_equal(check(find_match("ipcomp", 0), IPPROTO_COMP, &ipcomp), expected);
		assert_int_equal(check(ah, IPPROTO_AH, &ipt_ah), expected);
		assert_int_equal(check(ah6, 0, &ip6t_ah), flags > 3 ? -EINVAL : 0);
	}
}

static void code_points_have_six_bits(void **state)
{
	(void)state;
	for (unsigned int dscp = 0; dscp < 256; dscp++) {
		struct xt_dscp_info info = {.dscp = (uint8_t)dscp};

		assert_int_equal(check(find_match("dscp", 0), 0, &info), dscp > 63 ? -EDOM : 0);
	}
}

static void congestion_bits_of_tcp_need_tcp(void **state)
{
	const struct extension *ecn = find_match("ecn", 0);

	(void)state;
	for (unsigned int operation = 0; operation < 256; operation++) {
		struct xt_ecn_info info = {.operation = (uint8_t)operation};
		bool known = !(operation & ~0x31u);
		bool free = known && !(operation & 0x30);

		assert_int_equal(check_match(ecn, IPPROTO_TCP, false, &info), known ? 0 : -EINVAL);
		assert_int_equal(check_match(ecn, IPPROTO_TCP, true, &info), free ? 0 : -EINVAL);
		assert_int_equal(check_match(ecn, 0, false, &info), free ? 0 : -EINVAL);
		info = (struct xt_ecn_info){.invert = (uint8_t)operation};
		assert_int_equal(check_match(ecn, 0, false, &info), known ? 0 : -EINVAL);
	}
}

static void flags_of_sctp_and_dccp_are_known_ones(void **state)
{
	const struct extension *sctp = find_match("sctp", 0), *dccp = find_match("dccp", 0);

	(void)state;
	for (unsigned int i = 0; i < 32 * 32; i++) {
		struct xt_sctp_info chunks = {.flags = i / 32, .invflags = i % 32};
		struct xt_dccp_info info = {.flags = (uint16_t)(i / 32),
					    .invflags = (uint16_t)(i % 32)};
		bool inverted_alone = i % 32 & ~(i / 32);

		assert_int_equal(check(dccp, IPPROTO_DCCP, &info),
				 i / 32 > 15 || inverted_alone ? -EINVAL : 0);
		chunks.chunk_match_type = SCTP_CHUNK_MATCH_ALL;
		assert_int_equal(check(sctp, IPPROTO_SCTP, &chunks),
				 i / 32 > 7 || inverted_alone ? -EINVAL : 0);
	}
	for (int count = -2; count < 8; count++) {
		struct xt_sctp_info info = {.flag_count = count};

		assert_int_equal(check(sctp, IPPROTO_SCTP, &info),
				 count < 0 || count > 4 ? -EINVAL : 0);
	}
	for (uint32_t match = 0; match < 16; match++) {
		struct xt_sctp_info info = {.flags = XT_SCTP_CHUNK_TYPES,
					    .chunk_match_type = match};

		assert_int_equal(check(sctp, IPPROTO_SCTP, &info), match & 7 ? 0 : -EINVAL);
	}
}

static void u32_has_bounds(void **state)
{
	const struct extension *u32 = find_match("u32", 0);
	struct xt_u32 info = {.ntests = 11};

	(void)state;
	for (unsigned int i = 0; i < 11; i++)
		info.tests[i] = (struct xt_u32_test){.nnums = 11, .nvalues = 11};
	assert_int_equal(check(u32, 0, &info), 0);
	info.ntests = 12;
	assert_int_equal(check(u32, 0, &info), -EINVAL);
	info.ntests = 11;
	info.tests[10].nnums = 12;
	assert_int_equal(check(u32, 0, &info), -EINVAL);
	info.tests[10].nnums = 11;
	info.tests[10].nvalues = 12;
	assert_int_equal(check(u32, 0, &info), -EINVAL);
	info.tests[10].nvalues = 11;
	for (uint8_t operation = 0; operation < 5; operation++) {
		bool shift = operation == XT_U32_LEFTSH || operation == XT_U32_RIGHTSH;

		info.tests[10].location[10].nextop = operation;
		info.tests[10].location[10].number = 31;
		assert_int_equal(check(u32, 0, &info), 0);
		info.tests[10].location[10].number = 32;
		assert_int_equal(check(u32, 0, &info), shift ? -EINVAL : 0);
	}
}

static int check_string(const struct xt_string_info *changed)
{
	return check(find_match("string", 1), 0, changed);
}

static void strings_are_checked(void **state)
{
	const struct xt_string_info good = {.algo = "bm", .patlen = 128, .to_offset = UINT16_MAX};
	struct xt_string_info info = good;

	(void)state;
	assert_int_equal(check_string(&info), 0);
	strcpy(info.algo, "kmp");
	assert_int_equal(check_string(&info), 0);
	strcpy(info.algo, "fsm");
	assert_int_equal(check_string(&info), -EOPNOTSUPP);
	strcpy(info.algo, "bmx");
	assert_int_equal(check_string(&info), -ENOENT);
	info = good;
	memset(info.algo, 'b', sizeof(info.algo));
	assert_int_equal(check_string(&info), -EINVAL);
	info = good;
	info.patlen = 129;
	assert_int_equal(check_string(&info), -EINVAL);
	info.patlen = 0;
	assert_int_equal(check_string(&info), -EINVAL);
	info = good;
	info.from_offset = 5;
	info.to_offset = 5;
	assert_int_equal(check_string(&info), 0);
	info.to_offset = 4;
	assert_int_equal(check_string(&info), -EINVAL);
	info = good;
	info.u.v1.flags = 3;
	assert_int_equal(check_string(&info), 0);
	info.u.v1.flags = 4;
	assert_int_equal(check_string(&info), -EINVAL);
}

/*
 * ts_bm.c: in Latin-1 two small letters have a capital that is not theirs alone, and the table of
 * shifts does not know that. So a byte that would match lets the search go on behind it.
 */
static void boyer_moore_overlooks_what_the_kernel_does(void **state)
{
	struct xt_string_info info = {
		.algo = "bm",
		.pattern = {(char)0xdf, 'x'},
		.patlen = 2,
		.u.v1.flags = XT_STRING_FLAG_IGNORECASE,
	};
	const struct residual_string *operand;

	(void)state;
	compile_match(find_match("string", 1), 0, &info, &predicate);
	operand = predicate_operand(&predicate, RESIDUAL_STRING, sizeof(*operand));
	assert_non_null(operand);
	assert_int_equal(operand->pattern[0], 0xbf);
	assert_int_equal(operand->pattern[1], 'X');
	assert_int_equal(operand->bad_shift[0xbf], 1);
	assert_int_equal(operand->bad_shift[0xdf], 2);
	info.pattern[0] = (char)0xe4;
	compile_match(find_match("string", 1), 0, &info, &predicate);
	operand = predicate_operand(&predicate, RESIDUAL_STRING, sizeof(*operand));
	assert_int_equal(operand->bad_shift[0xc4], 1);
	assert_int_equal(operand->bad_shift[0xe4], 1);
}

static void flags_of_segment_routing_are_known_ones(void **state)
{
	(void)state;
	for (unsigned int bit = 0; bit < 16; bit++) {
		struct ip6t_srh1 info = {.mt_flags = (uint16_t)(1 << bit)};
		int expected = bit < 14 ? 0 : -EINVAL;

		assert_int_equal(check(find_match("srh", 1), 0, &info), expected);
		info = (struct ip6t_srh1){.mt_invflags = (uint16_t)(1 << bit)};
		assert_int_equal(check(find_match("srh", 1), 0, &info), expected);
	}
}

static void times_are_checked(void **state)
{
	const struct extension *extension = find_match("time", 0);
	struct xt_time_info info = {.daytime_start = 86399, .daytime_stop = 86399};

	(void)state;
	assert_int_equal(check(extension, 0, &info), 0);
	info.daytime_start = 86400;
	assert_int_equal(check(extension, 0, &info), -EDOM);
	info = (struct xt_time_info){.daytime_stop = 86400};
	assert_int_equal(check(extension, 0, &info), -EDOM);
	info = (struct xt_time_info){.flags = XT_TIME_LOCAL_TZ | XT_TIME_CONTIGUOUS};
	assert_int_equal(check(extension, 0, &info), 0);
	info.daytime_stop = 1;
	assert_int_equal(check(extension, 0, &info), -EINVAL);
	info = (struct xt_time_info){.flags = 4};
	assert_int_equal(check(extension, 0, &info), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_are_registered_as_in_the_kernel),
		cmocka_unit_test(unknown_inversions_are_refused),
		cmocka_unit_test(code_points_have_six_bits),
		cmocka_unit_test(congestion_bits_of_tcp_need_tcp),
		cmocka_unit_test(flags_of_sctp_and_dccp_are_known_ones),
		cmocka_unit_test(u32_has_bounds),
		cmocka_unit_test(strings_are_checked),
		cmocka_unit_test(boyer_moore_overlooks_what_the_kernel_does),
		cmocka_unit_test(flags_of_segment_routing_are_known_ones),
		cmocka_unit_test(times_are_checked),
	};
	int failed = cmocka_run_group_tests_name("extension_bytes", tests, NULL, NULL);

	predicate_free(&predicate);
	return failed;
}
