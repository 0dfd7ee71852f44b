// SPDX-License-Identifier: GPL-2.0-or-later
/* The IPv6 header of a rule, and where its conditions stand in the predicate. */
#include "blob.h"
#include "evaluate.h"

#include "ruleset/ruleset.h"

#include <endian.h>
#include <errno.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct predicate predicate;

/* A packet as ip6_packet_match() sees it. */
struct ip6_packet {
	struct in6_addr source;
	struct in6_addr destination;
	char in[IFNAMSIZ];
	char out[IFNAMSIZ];
	int protocol; /* negative: the chain of extension headers is cut short */
};

/* ipv6_masked_addr_cmp() */
static bool address_differs(const struct in6_addr *address, const struct in6_addr *mask,
			    const struct in6_addr *wanted)
{
	for (size_t i = 0; i < sizeof(*address); i++) {
		if ((address->s6_addr[i] ^ wanted->s6_addr[i]) & mask->s6_addr[i])
			return true;
	}
	return false;
}

static bool name_differs(const char *name, const char *wanted, const unsigned char *mask)
{
	for (size_t i = 0; i < IFNAMSIZ; i++) {
		if ((name[i] ^ wanted[i]) & mask[i])
			return true;
	}
	return false;
}

/* ip6_tables.c ip6_packet_match(), with the flag that check_entry_size_and_hooks() sets. */
static enum outcome kernel_outcome(const struct ip6t_ip6 *ip, const struct ip6_packet *packet)
{
	bool inverted = ip->invflags & IP6T_INV_PROTO;

	if (address_differs(&packet->source, &ip->smsk, &ip->src) !=
		    !!(ip->invflags & IP6T_INV_SRCIP) ||
	    address_differs(&packet->destination, &ip->dmsk, &ip->dst) !=
		    !!(ip->invflags & IP6T_INV_DSTIP))
		return NO_MATCH;
	if (name_differs(packet->in, ip->iniface, ip->iniface_mask) !=
	    !!(ip->invflags & IP6T_INV_VIA_IN))
		return NO_MATCH;
	if (name_differs(packet->out, ip->outiface, ip->outiface_mask) !=
	    !!(ip->invflags & IP6T_INV_VIA_OUT))
		return NO_MATCH;
	if (!(ip->flags & IP6T_F_PROTO) && !ip->proto)
		return MATCH;
	if (packet->protocol < 0)
		return HOTDROP;
	if (ip->proto == packet->protocol)
		return inverted ? NO_MATCH : MATCH;
	return ip->proto && !inverted ? NO_MATCH : MATCH;
}

static struct value value_of(const void *bytes)
{
	uint64_t words[2];

	memcpy(words, bytes, sizeof(words));
	return (struct value){be64toh(words[0]), be64toh(words[1])};
}

static struct packet packet_fields(const struct ip6_packet *packet)
{
	struct packet fields = {0};

	fields.fields[FIELD_SOURCE] = value_of(&packet->source);
	fields.fields[FIELD_DESTINATION] = value_of(&packet->destination);
	fields.fields[FIELD_IN_INTERFACE] = value_of(packet->in);
	fields.fields[FIELD_OUT_INTERFACE] = value_of(packet->out);
	if (packet->protocol < 0) {
		/* Whatever stands there must not matter. */
		fields.fields[FIELD_PROTOCOL] = VALUE(random_below(256));
		fields.fields[FIELD_SHAPE] = VALUE(SHAPE_BROKEN);
	} else {
		fields.fields[FIELD_PROTOCOL] = VALUE((unsigned int)packet->protocol);
		fields.fields[FIELD_SHAPE] =
			VALUE(random_below(2) ? SHAPE_FRAGMENT : random_below(SHAPE_BROKEN));
	}
	return fields;
}

/* The rule's predicate, by way of a table. */
static void compile_built(const struct blob *blob)
{
	struct ruleset *ruleset = NULL;
	struct message message = {0};
	size_t length;
	struct ipt_replace *replace = blob_build(blob, &length);
	int r = ruleset_decode(NFPROTO_IPV6, replace, length, &ruleset, &message);

	if (r < 0)
		fail_msg("%s", message.text);
	predicate_clear(&predicate);
	ruleset_compile_entry(ruleset, 0, &predicate);
	assert_int_equal(predicate.family, NFPROTO_IPV6);
	assert_well_formed(&predicate);
	ruleset_free(ruleset);
	free(replace);
}

static void compile_header(const struct ip6t_ip6 *ip)
{
	struct blob *blob = blob_new_ipv6();

	*blob_rule_ipv6(blob, "INPUT", "DROP") = *ip;
	compile_built(blob);
	blob_free(blob);
}

static void random_name(char *name)
{
	static const char *const names[] = {"", "eth", "eth0", "eth1", "wlan0", "a-name-of-15-xx"};

	memset(name, 0, IFNAMSIZ);
	strcpy(name, names[random_below(6)]);
}

/* As ip6tables: "eth0" is compared with its NUL, "eth+" without its +. */
static void random_interface(char *name, unsigned char *mask)
{
	size_t length;

	if (random_below(3))
		return;
	random_name(name);
	length = strlen(name);
	if (random_below(2) && length < IFNAMSIZ - 1)
		name[length] = '+';
	else
		length++;
	memset(mask, 0xff, length);
}

/* Few enough, so that they meet; they differ in the first, the middle and the last bytes. */
static struct in6_addr random_address(void)
{
	struct in6_addr address = {.s6_addr = {0x20, 0x01, 0x0d, 0xb8}};

	address.s6_addr[3] ^= (uint8_t)random_below(2);
	address.s6_addr[7] = (uint8_t)random_below(2) << 7;
	address.s6_addr[8] = (uint8_t)random_below(2);
	address.s6_addr[15] = (uint8_t)random_below(3);
	return address;
}

static void set_prefix(struct in6_addr *mask, unsigned int length)
{
	for (unsigned int i = 0; i < length; i++)
		mask->s6_addr[i / 8] |= (uint8_t)(0x80 >> i % 8);
}

/* Prefixes of any length, and masks that are none; what lies outside of them is not cleared. */
static void random_network(struct in6_addr *address, struct in6_addr *mask)
{
	switch (random_below(4)) {
	case 0:
		return;
	case 1:
		set_prefix(mask, random_below(129));
		break;
	case 2:
		set_prefix(mask, 128);
		break;
	default:
		mask->s6_addr[random_below(16)] = (uint8_t)random_below(256);
		mask->s6_addr[15] = 1;
		mask->s6_addr[3] |= 1;
		break;
	}
	*address = random_address();
}

static struct ip6t_ip6 random_header(void)
{
	struct ip6t_ip6 ip = {
		.proto = random_below(2) ? 0 : 57 + random_below(4),
		.tos = (uint8_t)random_below(256),
		.flags = (uint8_t)random_below(4),
		.invflags = random_below(2) ? 0 : (uint8_t)random_below(128),
	};

	if (random_below(10) == 0)
		ip.proto = 256 + 57 + random_below(4);
	random_network(&ip.src, &ip.smsk);
	random_network(&ip.dst, &ip.dmsk);
	random_interface(ip.iniface, ip.iniface_mask);
	random_interface(ip.outiface, ip.outiface_mask);
	return ip;
}

static struct ip6_packet random_packet(void)
{
	struct ip6_packet packet = {
		.source = random_address(),
		.destination = random_address(),
		.protocol = random_below(4) ? 57 + (int)random_below(4) : -1,
	};

	random_name(packet.in);
	random_name(packet.out);
	return packet;
}

static void packets_get_what_the_kernel_gives_them(void **state)
{
	unsigned int n_outcomes[3] = {0};

	(void)state;
	for (unsigned int round = 0; round < 5000; round++) {
		const struct ip6t_ip6 ip = random_header();

		compile_header(&ip);
		for (unsigned int i = 0; i < 50; i++) {
			const struct ip6_packet packet = random_packet();
			const struct packet fields = packet_fields(&packet);
			enum outcome expected = kernel_outcome(&ip, &packet);

			assert_int_equal(predicate_evaluate(&predicate, &fields), expected);
			n_outcomes[expected]++;
		}
	}
	assert_in_range(n_outcomes[MATCH], 10000, 200000);
	assert_in_range(n_outcomes[HOTDROP], 2000, 100000);
}

/* Each prefix is one interval, and none at all is no condition. */
static void prefixes_of_every_length(void **state)
{
	(void)state;
	for (unsigned int length = 0; length <= 128; length++) {
		struct ip6t_ip6 ip = {0};

		memset(&ip.src, 0xa5, sizeof(ip.src));
		set_prefix(&ip.smsk, length);
		compile_header(&ip);
		assert_int_equal(predicate.n_steps, length > 0);
		if (length == 0)
			continue;
		assert_int_equal(predicate.steps[0].requirement[0].field, FIELD_SOURCE);
		assert_int_equal(predicate.steps[0].requirement[0].n_intervals, 1);
		assert_int_equal(
			value_compare(predicate.steps[0].requirement[0].mask, VALUE_ALL_BITS), 0);
	}
}

/* The kernel looks for the protocol, and drops what has none, even if it could be any. */
static void any_protocol_with_its_flag_drops_broken_chains(void **state)
{
	struct ip6t_ip6 ip = {.flags = IP6T_F_PROTO, .invflags = IP6T_INV_PROTO};

	(void)state;
	compile_header(&ip);
	assert_int_equal(predicate.n_steps, 1);
	assert_int_equal(predicate.steps[0].kind, STEP_HOTDROP);
	assert_int_equal(predicate.steps[0].shapes, SHAPE_BIT(SHAPE_BROKEN));
	ip = (struct ip6t_ip6){
		.flags = IP6T_F_TOS,
		.tos = 7,
		.invflags = IP6T_INV_TOS | IP6T_INV_FRAG | IP6T_INV_PROTO,
	};
	compile_header(&ip);
	assert_int_equal(predicate.n_steps, 0);
}

/* As check_entry_size_and_hooks() does, and as iptables gets it back. */
static void the_flag_of_the_protocol_is_set(void **state)
{
	struct xt_counters counters[5] = {0};
	struct blob *blob = blob_new_ipv6();
	struct ruleset *ruleset = NULL;
	struct ipt_replace *replace;
	struct ip6t_entry *encoded;
	size_t length;

	(void)state;
	blob_rule_ipv6(blob, "INPUT", "DROP")->proto = IPPROTO_TCP;
	replace = blob_build(blob, &length);
	assert_int_equal(ruleset_decode(NFPROTO_IPV6, replace, length, &ruleset, NULL), 0);
	assert_int_equal(ruleset->n_entries, 5);
	encoded = malloc(ruleset->size);
	ruleset_encode(ruleset, counters, encoded);
	assert_int_equal(encoded->ipv6.flags, IP6T_F_PROTO);
	encoded->ipv6.flags = 0;
	assert_memory_equal(encoded, blob_entry_ipv6(replace, 0), ruleset->size);
	free(encoded);
	ruleset_free(ruleset);
	free(replace);
	blob_free(blob);
}

static void the_protocol_comes_between_header_and_matches(void **state)
{
	const struct xt_tcp tcp = {.spts = {0, 65535}, .dpts = {1, 2}};
	static const struct {
		enum step_kind kind;
		uint32_t field_or_shapes;
	} expected[] = {
		{STEP_REQUIRE, FIELD_DESTINATION},           {STEP_REQUIRE, FIELD_IN_INTERFACE},
		{STEP_HOTDROP, SHAPE_BIT(SHAPE_BROKEN)},     {STEP_REQUIRE, FIELD_PROTOCOL},
		{STEP_HOTDROP, SHAPE_BIT(SHAPE_FRAGMENT_1)}, {STEP_REQUIRE, FIELD_SHAPE},
	};
	struct blob *blob = blob_new_ipv6();
	struct ip6t_ip6 *ip = blob_rule_ipv6(blob, "INPUT", "ACCEPT");

	(void)state;
	ip->proto = IPPROTO_TCP;
	set_prefix(&ip->dmsk, 64);
	memset(ip->iniface_mask, 0xff, 3);
	blob_match(blob, "tcp", 0, &tcp, sizeof(tcp));
	compile_built(blob);
	blob_free(blob);

	assert_in_range(predicate.n_steps, 6, 20);
	for (uint32_t i = 0; i < 6; i++) {
		const struct step *step = &predicate.steps[i];

		assert_int_equal(step->kind, expected[i].kind);
		assert_int_equal(step->kind == STEP_HOTDROP ? step->shapes
							    : step->requirement[0].field,
				 expected[i].field_or_shapes);
	}
}

static void assert_decoded(const struct blob *blob, int error, const char *text)
{
	struct ruleset *ruleset = NULL;
	struct message message = {0};
	size_t length;
	struct ipt_replace *replace = blob_build(blob, &length);

	assert_int_equal(ruleset_decode(NFPROTO_IPV6, replace, length, &ruleset, &message), -error);
	assert_string_equal(message.text, text);
	ruleset_free(ruleset);
	free(replace);
}

/* The frame's source address is not there yet in OUTPUT. */
static void eui64_is_not_for_output(void **state)
{
	struct blob *blob = blob_new_ipv6();
	const int nothing = 0;

	(void)state;
	blob_chain(blob, "user");
	blob_rule_ipv6(blob, "user", "DROP");
	blob_match(blob, "eui64", 0, &nothing, sizeof(nothing));
	assert_decoded(blob, 0, "");
	blob_rule_ipv6(blob, "INPUT", "user");
	blob_rule_ipv6(blob, "FORWARD", "user");
	assert_decoded(blob, 0, "");
	blob_rule_ipv6(blob, "OUTPUT", "user");
	assert_decoded(
		blob, EINVAL,
		"filter user rule 1: match \"eui64\": not allowed in OUTPUT, from which this "
		"rule is reached");
	blob_free(blob);
}

/* x_tables looks at the number alone, with its flag or without. */
static void matches_want_their_protocol(void **state)
{
	static const struct {
		const char *match;
		uint16_t protocol;
	} matches[] = {{"icmp6", IPPROTO_ICMPV6}, {"mh", IPPROTO_MH}, {"tcp", IPPROTO_TCP}};
	static const uint8_t payload[16];

	(void)state;
	for (size_t i = 0; i < sizeof(matches) / sizeof(matches[0]); i++) {
		struct blob *blob = blob_new_ipv6();
		struct ip6t_ip6 *ip = blob_rule_ipv6(blob, "INPUT", "DROP");
		char text[MESSAGE_SIZE];

		snprintf(text, sizeof(text),
			 "filter INPUT rule 1: match \"%s\": only for rules with protocol %u",
			 matches[i].match, matches[i].protocol);
		blob_match(blob, matches[i].match, 0, payload,
			   find_match(matches[i].match, 0)->size);
		assert_decoded(blob, EINVAL, text);
		ip->flags = IP6T_F_PROTO;
		assert_decoded(blob, EINVAL, text);
		ip->proto = matches[i].protocol;
		assert_decoded(blob, 0, "");
		ip->flags = 0;
		assert_decoded(blob, 0, "");
		ip->invflags = IP6T_INV_PROTO;
		assert_decoded(blob, EINVAL, text);
		blob_free(blob);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_get_what_the_kernel_gives_them),
		cmocka_unit_test(prefixes_of_every_length),
		cmocka_unit_test(any_protocol_with_its_flag_drops_broken_chains),
		cmocka_unit_test(the_flag_of_the_protocol_is_set),
		cmocka_unit_test(the_protocol_comes_between_header_and_matches),
		cmocka_unit_test(eui64_is_not_for_output),
		cmocka_unit_test(matches_want_their_protocol),
	};
	int failed = cmocka_run_group_tests_name("ruleset_ipv6", tests, NULL, NULL);

	predicate_free(&predicate);
	return failed;
}
