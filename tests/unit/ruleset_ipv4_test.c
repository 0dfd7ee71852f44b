// SPDX-License-Identifier: GPL-2.0-or-later
/* The IP header of a rule, and how a whole rule becomes a predicate. */
#include "blob.h"
#include "evaluate.h"

#include "ruleset/ruleset.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct predicate predicate;

/* A packet as ip_packet_match() sees it. */
struct ip_packet {
	uint32_t source; /* network byte order, as in the header */
	uint32_t destination;
	char in[IFNAMSIZ];
	char out[IFNAMSIZ];
	uint8_t protocol;
	bool is_fragment;
};

static bool differs(const char *name, const char *wanted, const unsigned char *mask)
{
	for (size_t i = 0; i < IFNAMSIZ; i++) {
		if ((name[i] ^ wanted[i]) & mask[i])
			return true;
	}
	return false;
}

/* ip_tables.c ip_packet_match(). */
static bool kernel_matches(const struct ipt_ip *ip, const struct ip_packet *packet)
{
	bool not_source = (packet->source & ip->smsk.s_addr) != ip->src.s_addr;
	bool not_destination = (packet->destination & ip->dmsk.s_addr) != ip->dst.s_addr;

	if (not_source != !!(ip->invflags & IPT_INV_SRCIP) ||
	    not_destination != !!(ip->invflags & IPT_INV_DSTIP))
		return false;
	if (differs(packet->in, ip->iniface, ip->iniface_mask) != !!(ip->invflags & IPT_INV_VIA_IN))
		return false;
	if (differs(packet->out, ip->outiface, ip->outiface_mask) !=
	    !!(ip->invflags & IPT_INV_VIA_OUT))
		return false;
	if (ip->proto && (packet->protocol != ip->proto) != !!(ip->invflags & IPT_INV_PROTO))
		return false;
	if ((ip->flags & IPT_F_FRAG && !packet->is_fragment) != !!(ip->invflags & IPT_INV_FRAG))
		return false;
	return true;
}

static struct value name_value(const char *name)
{
	uint64_t words[2];

	memcpy(words, name, sizeof(words));
	return (struct value){be64toh(words[0]), be64toh(words[1])};
}

static struct packet packet_fields(const struct ip_packet *packet)
{
	struct packet fields = {0};

	fields.fields[FIELD_SOURCE] = VALUE(ntohl(packet->source));
	fields.fields[FIELD_DESTINATION] = VALUE(ntohl(packet->destination));
	fields.fields[FIELD_IN_INTERFACE] = name_value(packet->in);
	fields.fields[FIELD_OUT_INTERFACE] = name_value(packet->out);
	fields.fields[FIELD_PROTOCOL] = VALUE(packet->protocol);
	fields.fields[FIELD_SHAPE] =
		VALUE(packet->is_fragment ? SHAPE_FRAGMENT - random_below(2) : random_below(5));
	return fields;
}

/* The rule's predicate, by way of a table. */
static void compile_built(const struct blob *blob)
{
	struct ruleset *ruleset = NULL;
	struct message message = {0};
	size_t length;
	struct ipt_replace *replace = blob_build(blob, &length);
	int r = ruleset_decode(NFPROTO_IPV4, replace, length, &ruleset, &message);

	if (r < 0)
		fail_msg("%s", message.text);
	predicate_clear(&predicate);
	ruleset_compile_entry(ruleset, 0, &predicate);
	assert_well_formed(&predicate);
	ruleset_free(ruleset);
	free(replace);
}

static void compile_header(const struct ipt_ip *ip)
{
	struct blob *blob = blob_new();

	*blob_rule(blob, "INPUT", "DROP") = *ip;
	compile_built(blob);
	blob_free(blob);
}

static void random_name(char *name)
{
	static const char *const names[] = {
		"", "e", "eth", "eth0", "eth1", "wlan0", "a-name-of-15-xx", "eth0.100"};

	memset(name, 0, IFNAMSIZ);
	strcpy(name, names[random_below(8)]);
}

/* As iptables: "eth0" is compared with its NUL, "eth+" without its +. */
static void random_interface(char *name, unsigned char *mask)
{
	size_t length;

	if (random_below(2))
		return;
	random_name(name);
	length = strlen(name);
	if (random_below(2) && length < IFNAMSIZ - 1)
		name[length] = '+';
	else
		length++;
	memset(mask, 0xff, length);
}

static uint32_t random_address(void)
{
	return htonl(0x0a000000 + random_below(4) * 0x10000 + random_below(4));
}

static void random_network(struct in_addr *address, struct in_addr *mask)
{
	static const uint32_t masks[] = {0xffffffff, 0xffff0000, 0xff000003, 0x00030001};

	if (random_below(2))
		return;
	mask->s_addr = htonl(masks[random_below(4)]);
	address->s_addr = random_address();
	if (random_below(8))
		address->s_addr &= mask->s_addr;
}

static struct ipt_ip random_header(void)
{
	struct ipt_ip ip = {
		.proto = random_below(2) ? 0 : random_below(4),
		.flags = random_below(4) ? 0 : IPT_F_FRAG,
		.invflags = random_below(2) ? 0 : random_below(128),
	};

	if (random_below(10) == 0)
		ip.proto = 256 + random_below(3);
	random_network(&ip.src, &ip.smsk);
	random_network(&ip.dst, &ip.dmsk);
	random_interface(ip.iniface, ip.iniface_mask);
	random_interface(ip.outiface, ip.outiface_mask);
	return ip;
}

static struct ip_packet random_packet(void)
{
	struct ip_packet packet = {
		.source = random_address(),
		.destination = random_address(),
		.protocol = random_below(4),
		.is_fragment = random_below(2),
	};

	random_name(packet.in);
	random_name(packet.out);
	return packet;
}

static void packets_get_what_the_kernel_gives_them(void **state)
{
	unsigned int n_matched = 0;

	(void)state;
	for (unsigned int round = 0; round < 5000; round++) {
		const struct ipt_ip ip = random_header();

		compile_header(&ip);
		for (unsigned int i = 0; i < 50; i++) {
			const struct ip_packet packet = random_packet();
			const struct packet fields = packet_fields(&packet);

			assert_int_equal(predicate_evaluate(&predicate, &fields),
					 kernel_matches(&ip, &packet) ? MATCH : NO_MATCH);
			n_matched += kernel_matches(&ip, &packet);
		}
	}
	assert_in_range(n_matched, 10000, 240000);
}

static void nothing_set_is_no_step(void **state)
{
	const struct ipt_ip ip = {.invflags = IPT_INV_TOS | IPT_INV_PROTO};

	(void)state;
	compile_header(&ip);
	assert_int_equal(predicate.n_steps, 0);
}

/* iptables ! -i +: no interface is unlike any. */
static void not_any_interface_never_matches(void **state)
{
	const struct ipt_ip ip = {.iniface = "+", .invflags = IPT_INV_VIA_IN};

	(void)state;
	compile_header(&ip);
	assert_int_equal(predicate.n_steps, 1);
	assert_int_equal(predicate.steps[0].requirement[0].n_intervals, 0);
}

/* The order of the matches decides which of them drops a packet that is cut short. */
static void matches_follow_the_header_in_their_order(void **state)
{
	const struct xt_multiport_v1 ports = {.count = 1, .ports = {80}};
	const struct xt_comment_info comment = {.comment = "between"};
	const struct xt_tcp tcp = {.spts = {0, 65535}, .dpts = {1, 2}};
	static const struct {
		enum step_kind kind;
		uint32_t field_or_shapes;
	} expected[] = {
		{STEP_REQUIRE, FIELD_PROTOCOL},
		{STEP_REQUIRE, FIELD_SHAPE},
		{STEP_HOTDROP, SHAPE_BIT(SHAPE_TINY)},
		{STEP_REQUIRE, FIELD_SOURCE_PORT},
		{STEP_HOTDROP, SHAPE_BIT(SHAPE_FRAGMENT_1)},
		{STEP_REQUIRE, FIELD_SHAPE},
		{STEP_HOTDROP,
		 SHAPE_BIT(SHAPE_8_BYTES) | SHAPE_BIT(SHAPE_4_BYTES) | SHAPE_BIT(SHAPE_TINY)},
		{STEP_REQUIRE, FIELD_DESTINATION_PORT},
	};
	struct blob *blob = blob_new();

	(void)state;
	blob_rule(blob, "INPUT", "ACCEPT")->proto = IPPROTO_TCP;
	blob_match(blob, "multiport", 1, &ports, sizeof(ports));
	blob_match(blob, "comment", 0, &comment, sizeof(comment));
	blob_match(blob, "tcp", 0, &tcp, sizeof(tcp));
	compile_built(blob);
	blob_free(blob);

	assert_int_equal(predicate.n_steps, 8);
	for (uint32_t i = 0; i < 8; i++) {
		const struct step *step = &predicate.steps[i];

		assert_int_equal(step->kind, expected[i].kind);
		assert_int_equal(step->kind == STEP_HOTDROP ? step->shapes
							    : step->requirement[0].field,
				 expected[i].field_or_shapes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_get_what_the_kernel_gives_them),
		cmocka_unit_test(nothing_set_is_no_step),
		cmocka_unit_test(not_any_interface_never_matches),
		cmocka_unit_test(matches_follow_the_header_in_their_order),
	};
	int failed = cmocka_run_group_tests_name("ruleset_ipv4", tests, NULL, NULL);

	predicate_free(&predicate);
	return failed;
}
