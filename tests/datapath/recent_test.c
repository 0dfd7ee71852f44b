// SPDX-License-Identifier: GPL-2.0-or-later
/* -m recent: rules on lists, beside a model of xt_recent.c; and lists read and written. */
#include "abi/arena.h"
#include "common/cleanup.h"
#include "common/tick_rate.h"
#include "filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/xt_recent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NAME       "visitors"
#define ADDRESSES  130u /* more than a list remembers */
#define LIST_SIZE  100u /* parameter ip_list_tot of xt_recent, unless it has been changed */
#define MAX_STAMPS 64u

/* What a list knows of an address; entries are by age. */
struct seen {
	uint32_t address;
	uint8_t ttl;
	uint32_t index;
	uint32_t n_stamps;
	uint64_t stamps[MAX_STAMPS];
};

struct model {
	struct seen seen[LIST_SIZE];
	uint32_t n_seen;
	uint32_t n_stamps; /* places of each */
};

static uint64_t now;
static uint32_t n_spared; /* times that the oldest address was too old, but to be updated */

/*
 * Test runs at INPUT have a device for the packet to leave by (it depends on the kernel): then it
 * counts as forwarded, and as having had a time to live that was one more.
 */
static uint8_t forwarded;

static void set_time(uint64_t ticks)
{
	now = ticks;
	__atomic_store_n(&filter_root()->test_ticks, ticks, __ATOMIC_SEQ_CST);
}

static struct seen *model_find(struct model *model, uint32_t address, uint8_t ttl)
{
	for (uint32_t i = 0; i < model->n_seen; i++) {
		struct seen *seen = &model->seen[i];

		if (seen->address == address && (!ttl || !seen->ttl || seen->ttl == ttl))
			return seen;
	}
	return NULL;
}

static void model_remove(struct model *model, struct seen *seen)
{
	uint32_t i = (uint32_t)(seen - model->seen);

	model->n_seen--;
	memmove(seen, seen + 1, (model->n_seen - i) * sizeof(*seen));
}

static void model_add(struct model *model, uint32_t address, uint8_t ttl)
{
	if (model->n_seen == LIST_SIZE)
		model_remove(model, &model->seen[0]);
	model->seen[model->n_seen++] = (struct seen){
		.address = address, .ttl = ttl, .index = 1, .n_stamps = 1, .stamps = {now}};
}

static void model_update(struct model *model, struct seen *seen)
{
	struct seen updated = *seen;

	updated.index %= model->n_stamps;
	updated.stamps[updated.index++] = now;
	if (updated.index > updated.n_stamps)
		updated.n_stamps = updated.index;
	model_remove(model, seen);
	model->seen[model->n_seen++] = updated;
}

static bool model_seen(const struct xt_recent_mtinfo_v1 *rule, const struct seen *seen,
		       uint64_t since)
{
	uint32_t hits = 0;

	for (uint32_t i = 0; i < seen->n_stamps; i++)
		hits += !rule->seconds || seen->stamps[i] >= since;
	return hits && hits >= rule->hit_count;
}

/* recent_mt() */
static bool model_matches(struct model *model, const struct xt_recent_mtinfo_v1 *rule,
			  uint32_t address, uint8_t ttl)
{
	struct seen *seen = model_find(model, address, rule->check_set & XT_RECENT_TTL ? ttl : 0);
	uint64_t since = now - (uint64_t)rule->seconds * tick_rate();
	bool matches;

	if (!seen) {
		if (rule->check_set & XT_RECENT_SET)
			model_add(model, address, ttl);
		return !!(rule->check_set & XT_RECENT_SET) != rule->invert;
	}
	if (rule->check_set & XT_RECENT_REMOVE) {
		model_remove(model, seen);
		return !rule->invert;
	}
	matches =
		(rule->check_set & XT_RECENT_SET || model_seen(rule, seen, since)) != rule->invert;
	if (rule->check_set & XT_RECENT_REAP) {
		struct seen *oldest = &model->seen[0];
		bool kept = oldest == seen && rule->check_set & XT_RECENT_UPDATE && matches;

		n_spared += kept && oldest->stamps[oldest->index - 1] < since;
		if (!kept && oldest->stamps[oldest->index - 1] < since) {
			model_remove(model, oldest);
			seen = model_find(model, address,
					  rule->check_set & XT_RECENT_TTL ? ttl : 0);
		}
	}
	if (rule->check_set & XT_RECENT_SET || (rule->check_set & XT_RECENT_UPDATE && matches)) {
		seen->ttl = ttl;
		model_update(model, seen);
	}
	return matches;
}

static void print_address(FILE *stream, uint32_t address)
{
	if (TEST_FAMILY == NFPROTO_IPV4)
		fprintf(stream, "0.0.%u.%u", address >> 8, address & 0xff);
	else
		fprintf(stream, "0000:0000:0000:0000:0000:0000:0000:%04x", address);
}

static char *model_text(const struct model *model)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	for (uint32_t i = 0; i < model->n_seen; i++) {
		const struct seen *seen = &model->seen[i];

		fprintf(stream, "src=");
		print_address(stream, seen->address);
		fprintf(stream, " ttl: %u last_seen: %llu oldest_pkt: %u", seen->ttl,
			(unsigned long long)seen->stamps[seen->index - 1], seen->index);
		for (uint32_t n = 0; n < seen->n_stamps; n++)
			fprintf(stream, n ? ", %llu" : " %llu",
				(unsigned long long)seen->stamps[n]);
		fprintf(stream, "\n");
	}
	fclose(stream);
	return text;
}

static char *list_text(const struct filter *filter)
{
	struct message message = {};
	char *text = NULL;

	if (recent_lists_read(datapath_recent_lists(filter->datapath), NAME, &text, &message))
		fail_msg("a list cannot be read: %s", message.text);
	return text;
}

static void compare_lists(const struct filter *filter, const struct model *model)
{
	_cleanup_free_ char *expected = model_text(model);
	_cleanup_free_ char *got = list_text(filter);

	assert_string_equal(got, expected);
}

static int write_list(const struct filter *filter, const char *command)
{
	struct message message = {};

	return recent_lists_write(datapath_recent_lists(filter->datapath), NAME, command, &message);
}

static struct xt_recent_mtinfo_v1 recent_rule(uint8_t check_set)
{
	struct xt_recent_mtinfo_v1 rule = {.check_set = check_set, .name = NAME};

	memset(&rule.mask, 0xff, sizeof(rule.mask));
	return rule;
}

static struct xt_recent_mtinfo_v1 random_rule(void)
{
	static const uint8_t commands[] = {XT_RECENT_CHECK, XT_RECENT_UPDATE, XT_RECENT_SET,
					   XT_RECENT_REMOVE};
	struct xt_recent_mtinfo_v1 rule = recent_rule(commands[random_below(4)]);

	rule.invert = !random_below(3);
	if (rule.check_set & (XT_RECENT_SET | XT_RECENT_REMOVE))
		return rule;
	rule.seconds = random_below(3) ? random_below(6) : 0;
	rule.hit_count = random_below(2) ? random_below(12) : 0;
	if (!random_below(3))
		rule.check_set |= XT_RECENT_TTL;
	if (rule.seconds && random_below(2))
		rule.check_set |= XT_RECENT_REAP;
	return rule;
}

static void install(struct filter *filter, const struct xt_recent_mtinfo_v1 *rules, uint32_t n)
{
	struct blob *blob = table_new();
	struct message message = {};

	for (uint32_t i = 0; i < n; i++) {
		table_rule(blob, "INPUT", NULL);
		blob_match(blob, "recent", 1, &rules[i], sizeof(rules[i]));
	}
	if (datapath_replace(filter->datapath, filter_ruleset(blob), NULL, &message))
		fail_msg("a ruleset is refused: %s", message.text);
}

static void counted(const struct filter *filter, uint64_t *counts, uint32_t n)
{
	const struct ruleset *ruleset = datapath_ruleset(filter->datapath, TEST_FAMILY);
	uint32_t first = ruleset_base_chain(ruleset, NF_INET_LOCAL_IN)->first;
	_cleanup_free_ struct xt_counters *counters = NULL;

	assert_int_equal(datapath_counters(filter->datapath, TEST_FAMILY, &counters), 0);
	for (uint32_t i = 0; i < n; i++)
		counts[i] = counters[first + i].pcnt;
}

/* @ttl is that which rules see. */
static void send_packet(struct filter *filter, uint32_t source, uint32_t destination, uint8_t ttl)
{
	struct packet_bytes packet;

	packet_bytes_make(TEST_FAMILY, &packet, IPPROTO_UDP, source, destination, 5, 6);
	packet.bytes[TEST_FAMILY == NFPROTO_IPV4 ? 8 : 7] = ttl - forwarded;
	filter_run(filter, NF_INET_LOCAL_IN, &packet);
}

static int set_up(void **state)
{
	const struct xt_recent_mtinfo_v1 rule = recent_rule(XT_RECENT_SET);
	_cleanup_free_ char *text = NULL;

	if (filter_set_up(state))
		return -1;
	install(*state, &rule, 1);
	send_packet(*state, 1, 2, 64);
	text = list_text(*state);
	forwarded = strstr(text, "ttl: 65") != NULL;
	assert_true(forwarded || strstr(text, "ttl: 64"));
	return filter_reset(state);
}

#define RULES 4u

/* A packet to the rules and to the model. */
static void check_packet(struct filter *filter, const struct xt_recent_mtinfo_v1 *rules,
			 struct model *model, uint32_t address, uint8_t ttl)
{
	uint64_t before[RULES], after[RULES];

	counted(filter, before, RULES);
	send_packet(filter, address, 1, ttl);
	counted(filter, after, RULES);
	for (uint32_t i = 0; i < RULES; i++)
		assert_int_equal(after[i] - before[i],
				 model_matches(model, &rules[i], address, ttl));
}

static void test_rules_do_what_the_kernel_does(void **state)
{
	struct filter *filter = *state;

	for (uint32_t round = 0; round < 80; round++) {
		static struct model model;
		struct xt_recent_mtinfo_v1 rules[RULES];
		uint32_t n_addresses = round % 4 ? 6 : ADDRESSES;

		memset(&model, 0, sizeof(model));
		model.n_stamps = 1;
		for (uint32_t i = 0; i < RULES; i++) {
			uint32_t needed = 32;

			/* The last one mostly remembers what the others look for. */
			rules[i] = i == RULES - 1 && round % 3 ? recent_rule(XT_RECENT_SET)
							       : random_rule();
			for (; rules[i].hit_count && needed / 2 >= rules[i].hit_count;)
				needed /= 2;
			if (needed > model.n_stamps)
				model.n_stamps = needed;
		}
		set_time(5000000000);
		install(filter, rules, RULES);
		for (uint32_t i = 0; i < 400; i++) {
			check_packet(filter, rules, &model, 1 + random_below(n_addresses),
				     (uint8_t)(60 + random_below(2)));
			set_time(now + random_below(2 * tick_rate()) * random_below(2));
			if (i % 20 == 0)
				compare_lists(filter, &model);
		}
		filter_reset(state);
	}
	assert_true(n_spared > 10);
}

static void test_the_oldest_address_is_forgotten(void **state)
{
	const struct xt_recent_mtinfo_v1 rule = recent_rule(XT_RECENT_SET);
	static struct model model = {.n_stamps = 32};
	struct filter *filter = *state;

	install(filter, &rule, 1);
	for (uint32_t i = 0; i < 3 * ADDRESSES; i++) {
		uint32_t address = 1 + (i * 7) % ADDRESSES;

		set_time(6000000000 + i);
		send_packet(filter, address, 1, 64);
		model_matches(&model, &rule, address, 64);
	}
	assert_int_equal(model.n_seen, LIST_SIZE);
	compare_lists(filter, &model);
}

static void write_address(const struct filter *filter, char sign, uint32_t address, int expected)
{
	char command[64];
	FILE *stream = fmemopen(command, sizeof(command), "w");

	fputc(sign, stream);
	print_address(stream, address);
	fputc('\n', stream);
	fclose(stream);
	assert_int_equal(write_list(filter, command), expected);
}

static void test_lists_are_written(void **state)
{
	const struct xt_recent_mtinfo_v1 rule = recent_rule(XT_RECENT_CHECK);
	static struct model model;
	uint32_t addresses[LIST_SIZE];
	struct filter *filter = *state;
	char *text = NULL;

	model = (struct model){.n_stamps = 32};
	install(filter, &rule, 1);
	/* So many, without a pattern, that buckets hold several, in any order. */
	for (uint32_t i = 0; i < LIST_SIZE; i++)
		addresses[i] = 1 + random_below(UINT16_MAX);
	for (uint32_t i = 0; i < 3000; i++) {
		uint32_t address = addresses[random_below(LIST_SIZE)];
		struct seen *seen = model_find(&model, address, 0);
		bool add = random_below(2);

		set_time(7000000000 + i);
		write_address(filter, add ? '+' : '-', address, 0);
		if (add && seen)
			model_update(&model, seen);
		else if (add)
			model_add(&model, address, 0);
		else if (seen)
			model_remove(&model, seen);
		if (i % 10 == 0)
			compare_lists(filter, &model);
	}
	assert_int_equal(write_list(filter, "+1.2.3"), -EINVAL);
	assert_int_equal(write_list(filter, "+1.2.3.4.5.6.7.8.9.1.2.3.4.5.6.7.8.9.1.2.3.4.5.6"),
			 -EINVAL);
	assert_int_equal(write_list(filter, ""), -EINVAL);
	assert_int_equal(write_list(filter, "*1.2.3.4"), -EINVAL);
	compare_lists(filter, &model);
	assert_int_equal(write_list(filter, "/"), 0);
	model.n_seen = 0;
	compare_lists(filter, &model);
	assert_int_equal(
		recent_lists_read(datapath_recent_lists(filter->datapath), "other", &text, NULL),
		-ENOENT);
}

/* Whoever has written an address does not know its time to live: it is any. */
static void test_written_addresses_have_any_time_to_live(void **state)
{
	const struct xt_recent_mtinfo_v1 rules[] = {
		recent_rule(XT_RECENT_CHECK | XT_RECENT_TTL),
		recent_rule(XT_RECENT_UPDATE | XT_RECENT_TTL),
	};
	struct filter *filter = *state;
	uint64_t counts[2];

	set_time(7500000000);
	install(filter, rules, 2);
	write_address(filter, '+', 1, 0);
	/* The first packet is the one whose time to live counts from then on. */
	send_packet(filter, 1, 2, 50);
	send_packet(filter, 1, 2, 51);
	send_packet(filter, 1, 2, 50);
	counted(filter, counts, 2);
	assert_int_equal(counts[0], 2);
	assert_int_equal(counts[1], 2);
}

/* The first rule that names a list says which bits of addresses count, and rules choose the side.
 */
static void test_addresses_are_masked(void **state)
{
	struct xt_recent_mtinfo_v1 rules[] = {recent_rule(XT_RECENT_SET),
					      recent_rule(XT_RECENT_CHECK)};
	struct filter *filter = *state;
	_cleanup_free_ char *text = NULL;
	uint64_t counts[2];

	((uint8_t *)&rules[0].mask)[TEST_FAMILY == NFPROTO_IPV4 ? 3 : 15] = 0xf0;
	rules[0].side = XT_RECENT_DEST;
	set_time(8000000000);
	install(filter, rules, 2);
	send_packet(filter, 0x155, 0x133, 64);
	send_packet(filter, 0x13f, 0x255, 64);
	counted(filter, counts, 2);
	assert_int_equal(counts[0], 2);
	assert_int_equal(counts[1], 1);
	text = list_text(filter);
	assert_non_null(strstr(text, TEST_FAMILY == NFPROTO_IPV4 ? "src=0.0.1.48 " : ":0130 "));
	assert_non_null(strstr(text, TEST_FAMILY == NFPROTO_IPV4 ? "src=0.0.2.80 " : ":0250 "));
}

static void test_lists_live_as_long_as_rules_name_them(void **state)
{
	struct xt_recent_mtinfo_v1 rules[] = {recent_rule(XT_RECENT_SET),
					      recent_rule(XT_RECENT_CHECK)};
	struct filter *filter = *state;
	struct recent_lists *lists = datapath_recent_lists(filter->datapath);
	static struct model model;

	model = (struct model){.n_stamps = 32};
	set_time(9000000000);
	assert_null(recent_lists_name(lists, 0));
	install(filter, rules, 1);
	assert_string_equal(recent_lists_name(lists, 0), NAME);
	assert_null(recent_lists_name(lists, 1));
	send_packet(filter, 1, 2, 64);
	model_matches(&model, &rules[0], 1, 64);
	/* Another rule, then the other alone. */
	install(filter, rules, 2);
	compare_lists(filter, &model);
	install(filter, rules + 1, 1);
	compare_lists(filter, &model);
	/* One that has to remember more than there is room for: all is forgotten, once. */
	rules[0].check_set = XT_RECENT_UPDATE;
	rules[0].hit_count = 40;
	install(filter, rules, 2);
	model.n_seen = 0;
	compare_lists(filter, &model);
	write_address(filter, '+', 3, 0);
	model_add(&model, 3, 0);
	install(filter, rules, 2);
	compare_lists(filter, &model);
	install(filter, rules + 1, 1);
	compare_lists(filter, &model);
	filter_reset(state);
	assert_null(recent_lists_name(lists, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		filter_test(test_rules_do_what_the_kernel_does),
		filter_test(test_the_oldest_address_is_forgotten),
		filter_test(test_lists_are_written),
		filter_test(test_written_addresses_have_any_time_to_live),
		filter_test(test_addresses_are_masked),
		filter_test(test_lists_live_as_long_as_rules_name_them),
	};

	return cmocka_run_group_tests(tests, set_up, filter_tear_down);
}
