// SPDX-License-Identifier: GPL-2.0-or-later
#include "random_ruleset.h"

#include "blob.h"
#include "common/cleanup.h"

#include <endian.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv6/ip6t_hl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* Chains of a random table: user chains jump only to chains with a higher number. */
#define N_USER_CHAINS 6u

static const char *const user_chains[N_USER_CHAINS] = {"a", "b", "c", "d", "e", "f"};
static const char *const base_chains[RANDOM_BASE_CHAINS] = {"INPUT", "FORWARD", "OUTPUT"};

_Static_assert(RANDOM_CHAINS == RANDOM_BASE_CHAINS + N_USER_CHAINS, "one number for each");

static bool with_odd_masks = true;
static bool mostly_final;

static uint64_t random_word(void)
{
	return (uint64_t)random_below(UINT32_MAX) << 32 | random_below(UINT32_MAX);
}

static struct value random_address_ipv4(void)
{
	static const uint32_t bases[] = {0x0a000000, 0x0a000100, 0x0a010000, 0xc0a80000, 0, ~255u};

	if (!random_below(16))
		return VALUE(random_below(UINT32_MAX));
	return VALUE(bases[random_below(ARRAY_SIZE(bases))] + random_below(8));
}

static struct value random_address_ipv6(void)
{
	static const struct value bases[] = {
		{0x20010db800000000, 0},
		{0x20010db800000001, 0},
		{0x20010db800010000, 0x0200000000000000},
		{0xfe80000000000000, 0x02000000fffe0000},
		{0, 0x0000ffff0a000000},
		{0, 0},
		{UINT64_MAX, ~255ull},
	};
	struct value address = bases[random_below(ARRAY_SIZE(bases))];

	if (!random_below(16))
		return (struct value){random_word(), random_word()};
	address.low += random_below(8);
	/* The half that is alike in many addresses differs in its last bits, or in its first. */
	if (!random_below(4))
		address.high ^= (uint64_t)random_below(4) << (random_below(2) ? 0 : 62);
	return address;
}

struct value random_address(uint8_t family)
{
	return family == NFPROTO_IPV4 ? random_address_ipv4() : random_address_ipv6();
}

uint8_t random_hop_limit(void)
{
	static const uint8_t limits[] = {0, 1, 2, 63, 64, 128, 254, 255};

	return limits[random_below(ARRAY_SIZE(limits))];
}

static uint32_t random_mask_ipv4(void)
{
	static const uint32_t odd[] = {0xff00ff00, 0x000000ff, 0x0f0f0f0f, 0xfffffffe,
				       0x7fffffff, 0xff0000ff, 0x00ff0001};

	if (!random_below(6) && with_odd_masks)
		return odd[random_below(ARRAY_SIZE(odd))];
	return random_below(3) ? ~0u << random_below(32) : ~0u;
}

/* The first @length bits. */
static struct value prefix_mask(uint32_t length)
{
	if (length <= 64)
		return (struct value){length ? UINT64_MAX << (64 - length) : 0, 0};
	return (struct value){UINT64_MAX, UINT64_MAX << (128 - length)};
}

static struct value random_mask_ipv6(void)
{
	static const struct value odd[] = {
		{0, UINT64_MAX},
		{0, 0xff},
		{UINT64_MAX, 0xff},
		{0xffff0000ffff0000, 0x0f0f0f0f0f0f0f0f},
		{1, 1},
		{0x7fffffffffffffff, UINT64_MAX},
		{UINT64_MAX - 1, 0xffffffff00000001},
	};

	if (!random_below(6) && with_odd_masks)
		return odd[random_below(ARRAY_SIZE(odd))];
	return prefix_mask(random_below(3) ? random_below(129) : 128);
}

uint16_t random_port(void)
{
	return random_below(8) ? (uint16_t)random_below(24) : (uint16_t)random_below(65536);
}

static void random_range(uint16_t range[2])
{
	uint16_t a = random_port(), b = random_below(2) ? a : random_port();

	range[0] = a < b ? a : b;
	range[1] = a < b ? b : a;
}

static void add_tcp(struct blob *blob)
{
	struct xt_tcp tcp = {.spts = {0, 65535}, .dpts = {0, 65535}};

	if (random_below(2))
		random_range(tcp.spts);
	if (random_below(2))
		random_range(tcp.dpts);
	if (!random_below(3)) {
		tcp.flg_mask = (uint8_t)random_below(64);
		tcp.flg_cmp = tcp.flg_mask & (uint8_t)random_below(64);
	}
	if (!random_below(mostly_final ? 500 : 5))
		tcp.option = 3;
	tcp.invflags = (uint8_t)(random_below(3) ? 0 : random_below(XT_TCP_INV_MASK + 1));
	blob_match(blob, "tcp", 0, &tcp, sizeof(tcp));
}

static void add_udp(struct blob *blob)
{
	struct xt_udp udp = {.spts = {0, 65535}, .dpts = {0, 65535}};

	if (random_below(2))
		random_range(udp.spts);
	random_range(udp.dpts);
	udp.invflags = (uint8_t)(random_below(3) ? 0 : random_below(XT_UDP_INV_MASK + 1));
	blob_match(blob, "udp", 0, &udp, sizeof(udp));
}

static void add_icmp(struct blob *blob, uint16_t protocol)
{
	/* struct ip6t_icmp is the same; 255 is any type in IPv4, and an ordinary one in IPv6. */
	struct ipt_icmp icmp = {.type = (uint8_t)(random_below(4) ? random_below(4) : 255),
				.code = {0, 255}};

	if (!random_below(3))
		icmp.code[1] = (uint8_t)random_below(3);
	icmp.invflags = !random_below(4);
	blob_match(blob, protocol == IPPROTO_ICMP ? "icmp" : "icmp6", 0, &icmp, sizeof(icmp));
}

static void add_hop_limit(struct blob *blob, uint8_t family)
{
	/* struct ipt_ttl_info is the same. */
	struct ip6t_hl_info info = {.mode = (uint8_t)random_below(4),
				    .hop_limit = random_hop_limit()};

	blob_match(blob, family == NFPROTO_IPV4 ? "ttl" : "hl", 0, &info, sizeof(info));
}

static void add_multiport(struct blob *blob)
{
	struct xt_multiport_v1 multiport = {.flags = (uint8_t)random_below(3)};

	multiport.count = (uint8_t)(1 + random_below(4));
	for (int i = 0; i < multiport.count; i++)
		multiport.ports[i] = random_port();
	multiport.invert = !random_below(4);
	blob_match(blob, "multiport", 1, &multiport, sizeof(multiport));
}

/* @protocol: what the rule's packets have; 0 if that is not known. */
static void add_matches(struct blob *blob, uint8_t family, uint16_t protocol)
{
	uint32_t n = random_below(4) ? random_below(2) : random_below(4);

	if (!random_below(8))
		add_hop_limit(blob, family);
	while (n--) {
		bool multiport = (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) &&
				 random_below(3) == 0;

		if (multiport)
			add_multiport(blob);
		else if (protocol == IPPROTO_TCP)
			add_tcp(blob);
		else if (protocol == IPPROTO_UDP)
			add_udp(blob);
		else if (protocol == (family == NFPROTO_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
			add_icmp(blob, protocol);
	}
}

static void random_interface(char *name, unsigned char *mask)
{
	static const char *const names[] = {"eth0", "eth1", "eth", "lo", "averylongname15"};
	const char *chosen = names[random_below(ARRAY_SIZE(names))];

	memcpy(name, chosen, strlen(chosen) + 1);
	memset(mask, 0xff, strlen(chosen) + random_below(2));
}

/* Packets that come in have no interface to go out by. */
static uint8_t random_inversions(unsigned int mask, bool output)
{
	if (random_below(4))
		return 0;
	return (uint8_t)(random_below(mask + 1) & (output ? ~0u : ~(unsigned int)IPT_INV_VIA_OUT));
}

static void random_header_ipv4(struct ipt_ip *ip, bool output)
{
	static const uint16_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, 47, 0};

	ip->proto = protocols[random_below(ARRAY_SIZE(protocols))];
	if (random_below(2)) {
		ip->smsk.s_addr = htonl(random_mask_ipv4());
		ip->src.s_addr =
			htonl((uint32_t)random_address(NFPROTO_IPV4).low) & ip->smsk.s_addr;
	}
	if (random_below(2)) {
		ip->dmsk.s_addr = htonl(random_mask_ipv4());
		ip->dst.s_addr =
			htonl((uint32_t)random_address(NFPROTO_IPV4).low) & ip->dmsk.s_addr;
	}
	if (!random_below(4))
		random_interface(ip->iniface, ip->iniface_mask);
	if (output && !random_below(4))
		random_interface(ip->outiface, ip->outiface_mask);
	if (!random_below(8))
		ip->flags |= IPT_F_FRAG;
	ip->invflags = random_inversions(IPT_INV_MASK, output);
}

static struct in6_addr address_bytes(struct value value)
{
	uint64_t words[] = {htobe64(value.high), htobe64(value.low)};
	struct in6_addr address;

	memcpy(&address, words, sizeof(address));
	return address;
}

/* Bits of an address outside of its mask are not looked at. */
static void random_header_ipv6(struct ip6t_ip6 *ip, bool output)
{
	static const uint16_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP,  IPPROTO_ICMPV6, 47,
					     0,           IPPROTO_NONE, IPPROTO_ESP};

	ip->proto = protocols[random_below(ARRAY_SIZE(protocols))];
	if (ip->proto || random_below(2))
		ip->flags |= IP6T_F_PROTO;
	if (random_below(2)) {
		ip->smsk = address_bytes(random_mask_ipv6());
		ip->src = address_bytes(random_address(NFPROTO_IPV6));
	}
	if (random_below(2)) {
		ip->dmsk = address_bytes(random_mask_ipv6());
		ip->dst = address_bytes(random_address(NFPROTO_IPV6));
	}
	if (!random_below(4))
		random_interface(ip->iniface, ip->iniface_mask);
	if (output && !random_below(4))
		random_interface(ip->outiface, ip->outiface_mask);
	ip->invflags = random_inversions(IP6T_INV_MASK, output);
}

/* Returns the protocol of all packets that it matches, 0 if there is none. */
static uint16_t add_rule(struct blob *blob, uint8_t family, const char *chain, const char *target,
			 bool output)
{
	bool is_goto = target && strlen(target) == 1 && !random_below(4);

	if (family == NFPROTO_IPV4) {
		struct ipt_ip *ip = blob_rule(blob, chain, target);

		random_header_ipv4(ip, output);
		ip->flags |= is_goto ? IPT_F_GOTO : 0;
		return ip->invflags & XT_INV_PROTO ? 0 : ip->proto;
	} else {
		struct ip6t_ip6 *ip = blob_rule_ipv6(blob, chain, target);

		random_header_ipv6(ip, output);
		ip->flags |= is_goto ? IP6T_F_GOTO : 0;
		return ip->invflags & XT_INV_PROTO ? 0 : ip->proto;
	}
}

static const char *random_target(uint32_t first_chain)
{
	static const char *const targets[] = {"ACCEPT", "DROP", "RETURN", NULL};

	if (mostly_final && random_below(200))
		return targets[random_below(2)];
	if (first_chain < N_USER_CHAINS && random_below(2))
		return user_chains[first_chain + random_below(N_USER_CHAINS - first_chain)];
	return targets[random_below(ARRAY_SIZE(targets))];
}

static void add_rules(struct blob *blob, uint8_t family, const char *chain, uint32_t first_chain,
		      uint32_t n_rules, bool output)
{
	while (n_rules--)
		add_matches(blob, family,
			    add_rule(blob, family, chain, random_target(first_chain), output));
}

static struct ruleset *build(struct blob *blob, uint8_t family)
{
	_cleanup_free_ struct ipt_replace *replace = NULL;
	struct ruleset *ruleset = NULL;
	struct message message = {};
	size_t length;

	replace = blob_build(blob, &length);
	if (ruleset_decode(family, replace, length, &ruleset, &message))
		fail_msg("a random ruleset is refused: %s", message.text);
	blob_free(blob);
	return ruleset;
}

struct ruleset *random_ruleset(uint8_t family, const char *base_chain, uint32_t n_rules)
{
	struct blob *blob = family == NFPROTO_IPV4 ? blob_new() : blob_new_ipv6();
	bool output = strcmp(base_chain, "INPUT") != 0;

	for (uint32_t i = 0; i < N_USER_CHAINS; i++)
		blob_chain(blob, user_chains[i]);
	add_rules(blob, family, base_chain, 0, n_rules, output);
	for (uint32_t i = 0; i < N_USER_CHAINS; i++)
		add_rules(blob, family, user_chains[i], i + 1, n_rules / 3, output);
	if (random_below(2))
		blob_policy(blob, base_chain, NF_DROP);
	return build(blob, family);
}

struct ruleset *random_final_ruleset(uint8_t family, const char *base_chain, uint32_t n_rules)
{
	struct ruleset *ruleset;

	mostly_final = true;
	ruleset = random_ruleset(family, base_chain, n_rules);
	mostly_final = false;
	return ruleset;
}

static void build_rule(struct blob *blob, uint8_t family, const struct random_rule *rule,
		       uint32_t chains)
{
	bool base = rule->chain < RANDOM_BASE_CHAINS;
	const char *name =
		base ? base_chains[rule->chain] : user_chains[rule->chain - RANDOM_BASE_CHAINS];
	uint64_t before = random_start(rule->seed);
	const char *target = random_target(base ? 0 : rule->chain - RANDOM_BASE_CHAINS + 1);
	uint16_t protocol;

	for (uint32_t i = 0; i < N_USER_CHAINS; i++)
		if (target == user_chains[i] && !(chains >> (RANDOM_BASE_CHAINS + i) & 1))
			target = NULL;
	with_odd_masks = rule->odd_masks;
	protocol = add_rule(blob, family, name, target, false);
	with_odd_masks = true;
	random_start(rule->match_seed);
	add_matches(blob, family, protocol);
	random_start(before);
}

struct ruleset *random_table_build(uint8_t family, const struct random_table *table)
{
	struct blob *blob = family == NFPROTO_IPV4 ? blob_new() : blob_new_ipv6();

	for (uint32_t i = 0; i < N_USER_CHAINS; i++)
		if (table->chains >> (RANDOM_BASE_CHAINS + i) & 1)
			blob_chain(blob, user_chains[i]);
	for (uint32_t i = 0; i < table->n_rules; i++)
		build_rule(blob, family, &table->rules[i], table->chains);
	for (uint32_t i = 0; i < RANDOM_BASE_CHAINS; i++)
		if (table->dropping >> i & 1)
			blob_policy(blob, base_chains[i], NF_DROP);
	return build(blob, family);
}

/* --- the rules, one after the other --- */

struct position {
	const struct chain *chain;
	uint32_t index;
};

/* A packet on its way. */
struct course {
	const struct judge *judge;
	struct xt_counters *counters;
	struct position *stack;
	uint32_t depth;
	struct position now;
};

static enum outcome evaluate(const struct judge *judge, const struct predicate *predicate,
			     const struct packet *packet)
{
	struct predicate one = *predicate;

	one.n_steps = 1;
	for (uint32_t i = 0; i < predicate->n_steps; i++) {
		enum outcome outcome;

		one.steps = &predicate->steps[i];
		if (one.steps->kind == STEP_RESIDUAL && judge->residual)
			outcome = judge->residual(predicate, one.steps, judge->argument) ? MATCH
											 : NO_MATCH;
		else
			outcome = predicate_evaluate(&one, packet);
		if (outcome != MATCH)
			return outcome;
	}
	return MATCH;
}

static void count(struct course *course, uint32_t index)
{
	course->counters[index].pcnt++;
	course->counters[index].bcnt += course->judge->length;
}

/*
 * The end of a chain, or RETURN. False if that was the base chain's, or that of a chain that a goto
 * led to from there: ip_tables.c goes to the policy then.
 */
static bool leave_chain(struct course *course)
{
	if (!course->depth)
		return false;
	course->now = course->stack[--course->depth];
	course->now.index++;
	return true;
}

/* Takes the rule that the packet matches. False if the packet's fate is then known. */
static bool follow(struct course *course, const struct entry *entry)
{
	const struct ruleset *ruleset = course->judge->ruleset;

	switch (entry->verdict) {
	case VERDICT_RETURN:
		return leave_chain(course);
	case VERDICT_JUMP:
		course->stack[course->depth++] = course->now;
		/* fall through */
	case VERDICT_GOTO:
		course->now.chain = &ruleset->chains[entry->target];
		course->now.index = course->now.chain->first;
		return true;
	case VERDICT_CONTINUE:
		course->now.index++;
		return true;
	default:
		return false;
	}
}

/* The verdict: that of the entry where the packet's course ends. */
static uint8_t run(struct course *course, const struct packet *packet, struct predicate *predicate)
{
	const struct ruleset *ruleset = course->judge->ruleset;
	const struct chain *base = ruleset_base_chain(ruleset, course->judge->hook);

	course->now = (struct position){base, base->first};
	for (;;) {
		const struct entry *entry = &ruleset->entries[course->now.index];
		enum outcome outcome;

		if (course->now.index == course->now.chain->end) {
			if (leave_chain(course))
				continue;
			break;
		}
		predicate_clear(predicate);
		ruleset_compile_entry(ruleset, course->now.index, predicate);
		outcome = evaluate(course->judge, predicate, packet);
		if (outcome == HOTDROP)
			return VERDICT_DROP;
		if (outcome == NO_MATCH) {
			course->now.index++;
			continue;
		}
		count(course, course->now.index);
		if (follow(course, entry))
			continue;
		if (entry->verdict != VERDICT_RETURN)
			return entry->verdict;
		break;
	}
	count(course, base->end);
	return ruleset->entries[base->end].verdict;
}

bool judge_by_rules(const struct judge *judge, const struct packet *packet,
		    struct xt_counters *counters)
{
	struct course course = {.judge = judge, .counters = counters};
	struct predicate predicate = {};
	uint8_t verdict;

	course.stack = calloc(judge->ruleset->n_chains, sizeof(*course.stack));
	assert_non_null(course.stack);
	verdict = run(&course, packet, &predicate);
	predicate_free(&predicate);
	free(course.stack);
	return verdict == VERDICT_ACCEPT;
}

void print_rule(const struct ruleset *ruleset, uint32_t index)
{
	struct predicate predicate = {};

	ruleset_compile_entry(ruleset, index, &predicate);
	for (uint32_t i = 0; i < predicate.n_steps; i++) {
		const struct step *step = &predicate.steps[i];
		const struct requirement *first = &step->requirement[0];

		print_message("rule: step kind %d", step->kind);
		if (step->kind == STEP_HOTDROP)
			print_message(" shapes %#x", step->shapes);
		for (uint32_t n = 0; step->kind <= STEP_REQUIRE_EITHER && n < first->n_intervals;
		     n++)
			print_message(" %s %lx:%lx..%lx:%lx", field_name(first->field),
				      predicate.intervals[first->first_interval + n].first.high,
				      predicate.intervals[first->first_interval + n].first.low,
				      predicate.intervals[first->first_interval + n].last.high,
				      predicate.intervals[first->first_interval + n].last.low);
		print_message("\n");
	}
	predicate_free(&predicate);
}
