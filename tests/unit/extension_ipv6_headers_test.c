// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The matches on IPv6 extension headers, and eui64: they are left to the program that has the
 * packet, so what is tested here is that it gets the kernel's structure, and only one that the
 * kernel takes.
 */
#include "evaluate.h"

#include <errno.h>
#include <linux/netfilter_ipv6/ip6t_frag.h>
#include <linux/netfilter_ipv6/ip6t_ipv6header.h>
#include <linux/netfilter_ipv6/ip6t_mh.h>
#include <linux/netfilter_ipv6/ip6t_opts.h>
#include <linux/netfilter_ipv6/ip6t_rt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define ALL_HOOKS 0

static struct predicate predicate;

static const struct {
	const char *name;
	enum residual_kind kind;
	size_t size;    /* of the payload */
	size_t operand; /* and of the operand, bytes */
	uint16_t protocol;
	uint32_t hooks;
} matches[] = {
	{"ipv6header", RESIDUAL_IPV6_HEADERS, 3, 3, 0, ALL_HOOKS},
	{"frag", RESIDUAL_IPV6_FRAGMENT, 16, 16, 0, ALL_HOOKS},
	{"rt", RESIDUAL_IPV6_ROUTING, 280, 280, 0, ALL_HOOKS},
	{"hbh", RESIDUAL_IPV6_HOP_OPTIONS, 40, 40, 0, ALL_HOOKS},
	{"dst", RESIDUAL_IPV6_DESTINATION_OPTIONS, 40, 40, 0, ALL_HOOKS},
	{"mh", RESIDUAL_IPV6_MOBILITY, 3, 3, IPPROTO_MH, ALL_HOOKS},
	{"eui64", RESIDUAL_IPV6_EUI64, 4, 0, 0,
	 HOOK_BIT(NF_INET_PRE_ROUTING) | HOOK_BIT(NF_INET_LOCAL_IN) | HOOK_BIT(NF_INET_FORWARD)},
};

#define N_MATCHES (sizeof(matches) / sizeof(matches[0]))

static void they_are_registered_as_in_the_kernel(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_MATCHES; i++) {
		const struct extension *extension = find_match(matches[i].name, 0);

		assert_int_equal(extension->families, FAMILY_BIT(NFPROTO_IPV6));
		assert_int_equal(extension->size, matches[i].size);
		assert_int_equal(extension->protocol, matches[i].protocol);
		assert_int_equal(extension->hooks, matches[i].hooks);
		assert_false(extension->conntrack);
		assert_null(extension_find(EXTENSION_MATCH, matches[i].name, 1, NFPROTO_IPV6));
	}
}

static void the_kernels_structure_is_the_operand(void **state)
{
	uint8_t payload[280];

	(void)state;
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i + 1);
	for (size_t i = 0; i < N_MATCHES; i++) {
		const void *operand;

		compile_match(find_match(matches[i].name, 0), matches[i].protocol, payload,
			      &predicate);
		/* One that has nothing to say is a condition, too. */
		assert_int_equal(predicate.n_steps, 1);
		operand = predicate_operand(&predicate, matches[i].kind, matches[i].operand);
		assert_non_null(operand);
		assert_memory_equal(operand, payload, matches[i].operand);
	}
}

static int check(const char *name, const void *payload)
{
	return check_match(find_match(name, 0), 0, false, payload);
}

static void headers_are_inverted_all_or_none(void **state)
{
	struct ip6t_ipv6header_info info = {.matchflags = MASK_AH};

	(void)state;
	for (unsigned int flags = 0; flags < 256; flags++) {
		info.invflags = (uint8_t)flags;
		info.modeflag = 1;
		assert_int_equal(check("ipv6header", &info), 0);
		info.modeflag = 0;
		assert_int_equal(check("ipv6header", &info),
				 flags == 0 || flags == 255 ? 0 : -EINVAL);
	}
}

static void unknown_inversions_are_refused(void **state)
{
	(void)state;
	for (unsigned int flags = 0; flags < 256; flags++) {
		const struct ip6t_frag frag = {.invflags = (uint8_t)flags, .flags = 0xff};
		const struct ip6t_rt rt = {.invflags = (uint8_t)flags};
		const struct ip6t_opts options = {.invflags = (uint8_t)flags};
		const struct ip6t_mh mh = {.invflags = (uint8_t)flags};

		assert_int_equal(check("frag", &frag), flags < 4 ? 0 : -EINVAL);
		assert_int_equal(check("rt", &rt), flags < 8 ? 0 : -EINVAL);
		assert_int_equal(check("hbh", &options), flags < 2 ? 0 : -EINVAL);
		assert_int_equal(check("dst", &options), flags < 2 ? 0 : -EINVAL);
		assert_int_equal(check("mh", &mh), flags < 2 ? 0 : -EINVAL);
	}
}

/* ip6t_rt.c rt_mt6_check(), condition for condition. */
static int kernel_checks(const struct ip6t_rt *rt)
{
	if (rt->addrnr > 16)
		return -EINVAL;
	if (rt->flags & 0x30 && rt->addrnr == 0)
		return -EINVAL;
	if (rt->flags & 0x38 && (!(rt->flags & 1) || rt->rt_type != 0 || rt->invflags & 1))
		return -EINVAL;
	return 0;
}

static void lists_of_addresses_need_routing_type_0(void **state)
{
	static const uint8_t counts[] = {0, 1, 16, 17, 255};

	(void)state;
	for (unsigned int i = 0; i < 256 * 5 * 2 * 2; i++) {
		const struct ip6t_rt rt = {
			.flags = (uint8_t)i,
			.addrnr = counts[i / 256 % 5],
			.rt_type = i / 256 / 5 % 2 ? 0x100 : 0,
			.invflags = i / 256 / 5 / 2 ? IP6T_RT_INV_TYP : IP6T_RT_INV_SGS,
		};

		assert_int_equal(check("rt", &rt), kernel_checks(&rt));
	}
}

static void options_are_sixteen_and_in_order(void **state)
{
	static const char *const names[] = {"hbh", "dst"};

	(void)state;
	for (unsigned int i = 0; i < 2 * 256; i++) {
		struct ip6t_opts options = {.optsnr = (uint8_t)(i / 2)};

		assert_int_equal(check(names[i % 2], &options), i / 2 <= 16 ? 0 : -EINVAL);
		options = (struct ip6t_opts){.flags = (uint8_t)(i / 2)};
		assert_int_equal(check(names[i % 2], &options),
				 i / 2 & IP6T_OPTS_NSTRICT ? -EINVAL : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_are_registered_as_in_the_kernel),
		cmocka_unit_test(the_kernels_structure_is_the_operand),
		cmocka_unit_test(headers_are_inverted_all_or_none),
		cmocka_unit_test(unknown_inversions_are_refused),
		cmocka_unit_test(lists_of_addresses_need_routing_type_0),
		cmocka_unit_test(options_are_sixteen_and_in_order),
	};
	int failed = cmocka_run_group_tests_name("extension_ipv6_headers", tests, NULL, NULL);

	predicate_free(&predicate);
	return failed;
}
