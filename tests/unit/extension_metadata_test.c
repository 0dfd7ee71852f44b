// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Matches on what the kernel knows about a packet: what their checks refuse, and what they are
 * compiled to. (What comes of it is compared with the kernel in tests/e2e/metadata.)
 */
#include "evaluate.h"

#include <errno.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_cgroup.h>
#include <linux/netfilter/xt_connbytes.h>
#include <linux/netfilter/xt_connlabel.h>
#include <linux/netfilter/xt_cpu.h>
#include <linux/netfilter/xt_devgroup.h>
#include <linux/netfilter/xt_helper.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_owner.h>
#include <linux/netfilter/xt_physdev.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define INPUT   HOOK_BIT(NF_INET_LOCAL_IN)
#define FORWARD HOOK_BIT(NF_INET_FORWARD)
#define OUTPUT  HOOK_BIT(NF_INET_LOCAL_OUT)

static struct predicate predicate;

static int check_at(const char *name, uint8_t revision, uint8_t family, uint32_t hooks,
		    const void *payload)
{
	const struct rule_context context = {.family = family, .hooks = hooks};
	const struct extension *extension = extension_find(EXTENSION_MATCH, name, revision, family);
	struct message message = {""};
	int error = extension->check(&context, payload, &message);

	assert_int_equal(error != 0, message.text[0] != '\0');
	return error;
}

static int check_plain(const char *name, uint8_t revision, const void *payload)
{
	return check_at(name, revision, NFPROTO_IPV4, 0, payload);
}

static void owners_are_ranges_of_numbers_that_exist(void **state)
{
	struct xt_owner_match_info info = {0};

	(void)state;
	assert_int_equal(check_plain("owner", 1, &info), 0);
	info.match = XT_OWNER_MASK + 1;
	assert_int_equal(check_plain("owner", 1, &info), -EINVAL);
	for (int gid = 0; gid < 2; gid++) {
		uint32_t *first = gid ? &info.gid_min : &info.uid_min;
		uint32_t *last = gid ? &info.gid_max : &info.uid_max;

		info = (struct xt_owner_match_info){.match = gid ? XT_OWNER_GID : XT_OWNER_UID};
		*first = 5;
		*last = 5;
		assert_int_equal(check_plain("owner", 1, &info), 0);
		*last = 4;
		assert_int_equal(check_plain("owner", 1, &info), -EINVAL);
		info.match ^= XT_OWNER_UID | XT_OWNER_GID;
		assert_int_equal(check_plain("owner", 1, &info), 0);
		info.match ^= XT_OWNER_UID | XT_OWNER_GID;
		*last = UINT32_MAX;
		assert_int_equal(check_plain("owner", 1, &info), -EINVAL);
		*last = UINT32_MAX - 1;
		assert_int_equal(check_plain("owner", 1, &info), 0);
	}
	assert_int_equal(find_match("owner", 1)->hooks & (INPUT | FORWARD | OUTPUT), OUTPUT);
}

static void groups_of_devices_are_asked_for_where_there_are_devices(void **state)
{
	(void)state;
	for (uint32_t flags = 0; flags < 32; flags++) {
		const struct xt_devgroup_info info = {.flags = flags};

		for (uint32_t hooks = 0; hooks < 16; hooks += 2) {
			bool wrong = flags >= 16 ||
				     (flags & XT_DEVGROUP_MATCH_SRC && hooks & OUTPUT) ||
				     (flags & XT_DEVGROUP_MATCH_DST && hooks & INPUT);

			assert_int_equal(check_at("devgroup", 0, NFPROTO_IPV6, hooks, &info),
					 wrong ? -EINVAL : 0);
		}
	}
}

/* xt_physdev.c physdev_mt_check() */
static void ports_of_bridges_are_checked_as_in_the_kernel(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 64 * 64 * 2; i++) {
		struct xt_physdev_info info = {
			.bitmask = (uint8_t)(i % 64),
			.invert = (uint8_t)(i / 64 % 64),
		};
		bool output = i / 64 / 64;
		bool bridged = info.bitmask & XT_PHYSDEV_OP_BRIDGED &&
			       !(info.invert & XT_PHYSDEV_OP_BRIDGED);
		bool wrong = !info.bitmask || info.bitmask > XT_PHYSDEV_OP_MASK ||
			     (info.bitmask & (XT_PHYSDEV_OP_OUT | XT_PHYSDEV_OP_ISOUT) &&
			      !bridged && output);

		assert_int_equal(
			check_at("physdev", 0, NFPROTO_IPV4, output ? OUTPUT : FORWARD, &info),
			wrong ? -EINVAL : 0);
	}
}

static void unknown_modes_are_refused(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 25; i++) {
		const struct xt_connbytes_info bytes = {.what = (uint8_t)(i % 5),
							.direction = (uint8_t)(i / 5)};
		const struct xt_cpu_info cpu = {.invert = i};

		assert_int_equal(check_plain("connbytes", 0, &bytes),
				 bytes.what > 2 || bytes.direction > 2 ? -EINVAL : 0);
		assert_int_equal(check_plain("cpu", 0, &cpu), i > 1 ? -EINVAL : 0);
	}
}

static void labels_are_looked_at_only(void **state)
{
	struct xt_connlabel_mtinfo info = {.bit = 127, .options = XT_CONNLABEL_OP_INVERT};

	(void)state;
	assert_int_equal(check_plain("connlabel", 0, &info), 0);
	info.options = XT_CONNLABEL_OP_SET;
	assert_int_equal(check_plain("connlabel", 0, &info), -EOPNOTSUPP);
	info.options = 4;
	assert_int_equal(check_plain("connlabel", 0, &info), -EINVAL);
	info = (struct xt_connlabel_mtinfo){.bit = 128};
	assert_int_equal(check_plain("connlabel", 0, &info), -ERANGE);
}

static void control_groups_are_named_in_one_way(void **state)
{
	struct xt_cgroup_info_v2 info = {0};

	(void)state;
	for (unsigned int i = 0; i < 16; i++) {
		info.has_path = i & 1;
		info.has_classid = i >> 1 & 1;
		info.invert_path = i & 4 ? 2 : 1;
		info.invert_classid = i & 8 ? 2 : 0;
		assert_int_equal(check_plain("cgroup", 2, &info), i == 1 || i == 2 ? 0 : -EINVAL);
	}
	info = (struct xt_cgroup_info_v2){.has_path = 1};
	memset(info.path, '/', sizeof(info.path));
	assert_int_equal(check_plain("cgroup", 2, &info), -ENAMETOOLONG);
}

static void types_of_addresses_are_checked_as_in_the_kernel(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 16 * 16; i++) {
		const struct xt_addrtype_info_v1 info = {.flags = i % 16};
		uint32_t hooks = i / 16;
		bool in = info.flags & XT_ADDRTYPE_LIMIT_IFACE_IN;
		bool out = info.flags & XT_ADDRTYPE_LIMIT_IFACE_OUT;
		bool wrong = (in && out) || (out && hooks & INPUT) || (in && hooks & OUTPUT);

		assert_int_equal(check_at("addrtype", 1, NFPROTO_IPV4, hooks, &info),
				 wrong ? -EINVAL : 0);
	}
	for (uint32_t type = 0; type < 16; type++) {
		const struct xt_addrtype_info_v1 info = {.dest = (uint16_t)(1 << type)};
		bool known = info.dest & (XT_ADDRTYPE_UNSPEC | XT_ADDRTYPE_UNICAST |
					  XT_ADDRTYPE_LOCAL | XT_ADDRTYPE_ANYCAST |
					  XT_ADDRTYPE_MULTICAST | XT_ADDRTYPE_UNREACHABLE);

		assert_int_equal(check_at("addrtype", 1, NFPROTO_IPV6, 0, &info),
				 known ? 0 : -EINVAL);
		assert_int_equal(check_at("addrtype", 1, NFPROTO_IPV4, 0, &info), 0);
	}
}

static const struct {
	struct value address;
	uint16_t type;
} ipv6_addresses[] = {
	{{0, 0}, XT_ADDRTYPE_UNSPEC},
	{{0, 1}, XT_ADDRTYPE_UNICAST},
	{{0, 0x7f000001}, XT_ADDRTYPE_UNICAST},
	{{0, 0xfffeffffffffull}, XT_ADDRTYPE_UNICAST},
	{{0, 0xffff00000000ull}, 0},
	{{0, 0xffffffffffffull}, 0},
	{{0, 0x1000000000000ull}, XT_ADDRTYPE_UNICAST},
	{{1, 0}, XT_ADDRTYPE_UNICAST},
	{{0x20010db800000000ull, 1}, XT_ADDRTYPE_UNICAST},
	{{0xfe80000000000000ull, 1}, XT_ADDRTYPE_UNICAST},
	{{0xfeffffffffffffffull, UINT64_MAX}, XT_ADDRTYPE_UNICAST},
	{{0xff00000000000000ull, 0}, XT_ADDRTYPE_MULTICAST},
	{{UINT64_MAX, UINT64_MAX}, XT_ADDRTYPE_MULTICAST},
};

/* xt_addrtype.c match_type6(): each type that is asked for must be the address'. */
static void types_in_ipv6_are_those_of_the_address(void **state)
{
	const struct rule_context context = {.family = NFPROTO_IPV6};
	const struct extension *extension =
		extension_find(EXTENSION_MATCH, "addrtype", 1, NFPROTO_IPV6);
	const uint16_t types = XT_ADDRTYPE_UNSPEC | XT_ADDRTYPE_UNICAST | XT_ADDRTYPE_MULTICAST;

	(void)state;
	for (uint32_t i = 0; i < 2000; i++) {
		const struct xt_addrtype_info_v1 info = {
			.source = (uint16_t)random_below(64) & types,
			.dest = (uint16_t)random_below(64) & types,
			.flags = random_below(4),
		};

		predicate_clear(&predicate);
		predicate.family = NFPROTO_IPV6;
		assert_false(extension->delegates(&context, &info));
		extension->compile(&context, &info, &predicate);
		for (uint32_t j = 0; j < 50; j++) {
			uint32_t s = random_below(sizeof(ipv6_addresses) / sizeof(*ipv6_addresses));
			uint32_t d = random_below(sizeof(ipv6_addresses) / sizeof(*ipv6_addresses));
			bool source = !(info.source & ~ipv6_addresses[s].type);
			bool destination = !(info.dest & ~ipv6_addresses[d].type);
			struct packet packet = {0};

			packet.fields[FIELD_SOURCE] = ipv6_addresses[s].address;
			packet.fields[FIELD_DESTINATION] = ipv6_addresses[d].address;
			source = !info.source || source != (info.flags & 1);
			destination = !info.dest || destination != (info.flags >> 1 & 1);
			assert_int_equal(predicate_evaluate(&predicate, &packet),
					 source && destination ? MATCH : NO_MATCH);
		}
	}
}

static void what_routing_says_in_ipv6_is_left_to_the_kernel(void **state)
{
	const struct xt_addrtype_info_v1 info = {.source = XT_ADDRTYPE_UNICAST | XT_ADDRTYPE_LOCAL};
	struct rule_context context = {.family = NFPROTO_IPV6};
	const struct extension *extension = find_match("addrtype", 1);

	(void)state;
	assert_true(extension->delegates(&context, &info));
	context.family = NFPROTO_IPV4;
	assert_false(extension->delegates(&context, &info));
}

static void the_old_form_of_types_is_converted(void **state)
{
	const struct xt_addrtype_info old = {
		.source = 4, .dest = 8, .invert_source = 2, .invert_dest = 3};
	const struct xt_addrtype_info_v1 *operand;

	(void)state;
	/* Not find_match(): the other family has the new form only. */
	compile_match(extension_find(EXTENSION_MATCH, "addrtype", 0, NFPROTO_IPV4), 0, &old,
		      &predicate);
	operand = predicate_operand(&predicate, RESIDUAL_ADDRESS_TYPE, sizeof(*operand));
	assert_int_equal(operand->source, 4);
	assert_int_equal(operand->dest, 8);
	assert_int_equal(operand->flags, XT_ADDRTYPE_INVERT_DEST);
}

static void names_of_helpers_have_an_end(void **state)
{
	const struct xt_helper_info *operand;
	struct xt_helper_info info = {.invert = 7};

	(void)state;
	memset(info.name, 'a', sizeof(info.name));
	compile_match(find_match("helper", 0), 0, &info, &predicate);
	operand = predicate_operand(&predicate, RESIDUAL_HELPER, sizeof(*operand));
	assert_int_equal(strnlen(operand->name, sizeof(operand->name)), sizeof(info.name) - 1);
	assert_int_equal(operand->invert, 7);
}

static void marks_are_numbers_behind_a_mask(void **state)
{
	const struct xt_mark_mtinfo1 info = {.mark = 0x12, .mask = 0xff, .invert = 9};
	const struct residual_masked *operand;

	(void)state;
	compile_match(find_match("mark", 1), 0, &info, &predicate);
	operand = predicate_operand(&predicate, RESIDUAL_MARK, sizeof(*operand));
	assert_int_equal(operand->number, 0x12);
	assert_int_equal(operand->mask, 0xff);
	assert_int_equal(operand->invert, 1);
}

static void each_says_what_it_needs(void **state)
{
	static const char *const names[] = {"connbytes", "connlabel", "connmark", "helper"};

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_true(find_match(names[i], i == 2)->conntrack);
	assert_int_equal(find_match("connbytes", 0)->services, SERVICE_ACCOUNTING);
	assert_int_equal(find_match("connlabel", 0)->services, SERVICE_LABELS);
	assert_int_equal(find_match("physdev", 0)->services, SERVICE_BRIDGES);
	assert_true(find_match("mark", 1)->needs_skb);
	assert_false(find_match("addrtype", 1)->needs_skb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(owners_are_ranges_of_numbers_that_exist),
		cmocka_unit_test(groups_of_devices_are_asked_for_where_there_are_devices),
		cmocka_unit_test(ports_of_bridges_are_checked_as_in_the_kernel),
		cmocka_unit_test(unknown_modes_are_refused),
		cmocka_unit_test(labels_are_looked_at_only),
		cmocka_unit_test(control_groups_are_named_in_one_way),
		cmocka_unit_test(types_of_addresses_are_checked_as_in_the_kernel),
		cmocka_unit_test(types_in_ipv6_are_those_of_the_address),
		cmocka_unit_test(what_routing_says_in_ipv6_is_left_to_the_kernel),
		cmocka_unit_test(the_old_form_of_types_is_converted),
		cmocka_unit_test(names_of_helpers_have_an_end),
		cmocka_unit_test(marks_are_numbers_behind_a_mask),
		cmocka_unit_test(each_says_what_it_needs),
	};
	int failed = cmocka_run_group_tests_name("extension_metadata", tests, NULL, NULL);

	predicate_free(&predicate);
	return failed;
}
