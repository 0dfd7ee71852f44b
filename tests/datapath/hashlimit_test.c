// SPDX-License-Identifier: GPL-2.0-or-later
/* -m hashlimit: rules on tables, beside a model of xt_hashlimit.c. */
#include "abi/arena.h"
#include "common/cleanup.h"
#include "common/tick_rate.h"
#include "filter.h"

#include <errno.h>
#include <linux/netfilter/xt_hashlimit.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define HZ               ((uint64_t)tick_rate())
#define ADDRESS_BITS     (TEST_FAMILY == NFPROTO_IPV4 ? 32u : 128u)
#define MODEL_ENTRIES    64u
#define EXPIRE_SECONDS   20u
#define INTERVAL_SECONDS 7u

/* What a rule's limit is about; of addresses those with few bits are used. */
struct key {
	uint32_t source;
	uint32_t destination;
	uint16_t source_port;
	uint16_t destination_port;
};

struct account {
	struct key key;
	uint64_t expires;
	uint64_t previous;
	uint64_t credit;
	uint64_t credit_cap;
	uint64_t counted; /* in this window */
	bool exceeded;    /* in the one before */
};

struct model {
	struct hashlimit_cfg3 limit; /* of the rule that was the first */
	uint64_t started;
	uint32_t max_accounts;
	uint32_t n_accounts;
	struct account accounts[MODEL_ENTRIES];
};

static uint64_t now;

static void set_time(uint64_t ticks)
{
	now = ticks;
	__atomic_store_n(&filter_root()->test_ticks, ticks, __ATOMIC_SEQ_CST);
}

/* The greatest power of two that is not above @number. */
static uint64_t power_below(uint64_t number)
{
	uint64_t power = 1;

	while (power <= number / 2)
		power *= 2;
	return power;
}

static uint64_t credits_per_tick(void)
{
	return power_below(UINT64_MAX / (HZ * 60 * 60 * 24));
}

static uint64_t byte_credits_per_tick(void)
{
	return power_below(UINT32_MAX / HZ);
}

static uint64_t cost_of(uint64_t user)
{
	uint64_t second = HZ * credits_per_tick();

	return second > XT_HASHLIMIT_SCALE_v2 ? user * (second / XT_HASHLIMIT_SCALE_v2)
					      : user / (XT_HASHLIMIT_SCALE_v2 / second);
}

static uint32_t masked(uint32_t address, uint8_t n_bits)
{
	uint32_t behind = ADDRESS_BITS - n_bits;

	return behind > 31 ? 0 : address >> behind << behind;
}

static struct key key_of(const struct hashlimit_cfg3 *limit, const struct key *packet)
{
	struct key key = {0};

	if (limit->mode & XT_HASHLIMIT_HASH_SIP)
		key.source = masked(packet->source, limit->srcmask);
	if (limit->mode & XT_HASHLIMIT_HASH_DIP)
		key.destination = masked(packet->destination, limit->dstmask);
	if (limit->mode & XT_HASHLIMIT_HASH_SPT)
		key.source_port = packet->source_port;
	if (limit->mode & XT_HASHLIMIT_HASH_DPT)
		key.destination_port = packet->destination_port;
	return key;
}

/* What the kernel's work, each time that the interval has passed, has taken away by now. */
static void collect(struct model *model)
{
	uint64_t interval = INTERVAL_SECONDS * HZ, age = now - model->started;
	uint32_t n = 0;

	for (uint32_t i = 0; i < model->n_accounts; i++)
		if (age < interval || model->accounts[i].expires > now - age % interval)
			model->accounts[n++] = model->accounts[i];
	model->n_accounts = n;
}

static void begin_account(const struct model *model, struct account *account)
{
	const struct hashlimit_cfg3 *limit = &model->limit;

	account->previous = now;
	account->exceeded = false;
	account->counted = 0;
	account->credit = account->credit_cap = cost_of(limit->avg * limit->burst);
	if (limit->mode & XT_HASHLIMIT_BYTES) {
		account->credit = byte_credits_per_tick() * HZ;
		account->credit_cap = limit->burst;
	}
}

static void renew_account(const struct model *model, struct account *account, uint64_t rate)
{
	uint64_t passed = now - account->previous, window = model->limit.interval * HZ, cap;

	if (!passed || (model->limit.mode & XT_HASHLIMIT_RATE_MATCH && passed < window))
		return;
	account->previous = now;
	if (model->limit.mode & XT_HASHLIMIT_RATE_MATCH) {
		account->exceeded = account->counted * window > passed * rate;
		account->counted = 0;
		return;
	}
	cap = account->credit_cap;
	if (model->limit.mode & XT_HASHLIMIT_BYTES) {
		cap = byte_credits_per_tick() * HZ;
		account->credit += passed * byte_credits_per_tick();
	} else {
		account->credit += passed * credits_per_tick();
	}
	if (account->credit > cap)
		account->credit = cap;
}

static struct account *find_account(struct model *model, const struct key *key, uint64_t rate)
{
	struct account *account = model->accounts;

	collect(model);
	for (uint32_t i = 0; i < model->n_accounts; i++, account++) {
		if (memcmp(&account->key, key, sizeof(*key)) == 0) {
			renew_account(model, account, rate);
			return account;
		}
	}
	if (model->n_accounts == model->max_accounts)
		return NULL;
	assert_true(model->n_accounts < MODEL_ENTRIES);
	account = &model->accounts[model->n_accounts++];
	account->key = *key;
	begin_account(model, account);
	return account;
}

static bool spend_bytes(const struct model *model, struct account *account, uint32_t length)
{
	uint64_t full = byte_credits_per_tick() * HZ;
	uint64_t cost = (length / 16 + 1ull) * (uint32_t)(model->limit.avg * full >> 32);

	if (cost > full)
		cost = full;
	if (account->credit < cost && account->credit_cap) {
		account->credit_cap--;
		account->credit = full;
	}
	if (account->credit < cost)
		return false;
	account->credit -= cost;
	return true;
}

enum answer { DIFFERS, MATCHES, DROPS };

static enum answer model_answer(struct model *model, const struct hashlimit_cfg3 *rule,
				const struct key *packet, uint32_t length)
{
	bool inverted = rule->mode & XT_HASHLIMIT_INVERT, bytes = rule->mode & XT_HASHLIMIT_BYTES;
	const struct hashlimit_cfg3 *limit = &model->limit;
	struct key key = key_of(limit, packet);
	uint64_t rate =
		bytes ? (UINT32_MAX / limit->avg - 1) * 16 : XT_HASHLIMIT_SCALE_v2 / limit->avg;
	struct account *account = find_account(model, &key, rate);
	bool within;

	if (!account)
		return DROPS;
	account->expires = now + EXPIRE_SECONDS * HZ;
	if (rule->mode & XT_HASHLIMIT_RATE_MATCH) {
		uint64_t most =
			bytes ? rate * (limit->burst ? limit->burst : 1) : rate + limit->burst;

		account->counted += bytes ? length : 1;
		within = !account->exceeded && account->counted <= most;
	} else if (bytes) {
		within = spend_bytes(model, account, length);
	} else {
		within = account->credit >= cost_of(limit->avg);
		account->credit -= within ? cost_of(limit->avg) : 0;
	}
	return within != inverted ? MATCHES : DIFFERS;
}

static struct xt_hashlimit_mtinfo3 limit_rule(const char *name, uint32_t mode)
{
	struct xt_hashlimit_mtinfo3 rule = {
		.cfg = {.mode = mode,
			.avg = XT_HASHLIMIT_SCALE_v2 / 2,
			.burst = 3,
			.max = 64,
			.size = 4,
			.gc_interval = INTERVAL_SECONDS * 1000,
			.expire = EXPIRE_SECONDS * 1000,
			.interval = 3,
			.srcmask = (uint8_t)ADDRESS_BITS,
			.dstmask = (uint8_t)ADDRESS_BITS},
	};

	strcpy(rule.name, name);
	return rule;
}

static struct xt_hashlimit_mtinfo3 random_rule(void)
{
	static const uint32_t rates[] = {1, 2, 5, 30};
	uint32_t mode = random_below(16), kind = random_below(4);
	struct xt_hashlimit_mtinfo3 rule = limit_rule("table", mode);

	rule.cfg.mode |= kind & 1 ? XT_HASHLIMIT_BYTES : 0;
	rule.cfg.mode |= kind & 2 ? XT_HASHLIMIT_RATE_MATCH : 0;
	rule.cfg.avg = XT_HASHLIMIT_SCALE_v2 / rates[random_below(4)];
	/* Bytes for each second, as libxt_hashlimit.c turns them around. */
	if (kind & 1)
		rule.cfg.avg = UINT32_MAX / (1 + 20 * random_below(30) / 16);
	rule.cfg.burst = (kind ? 0 : 1) + random_below(5);
	rule.cfg.interval = 1 + random_below(4);
	rule.cfg.srcmask = (uint8_t)(ADDRESS_BITS - random_below(3) * random_below(2));
	rule.cfg.dstmask = (uint8_t)(ADDRESS_BITS - random_below(3) * random_below(2));
	if (!random_below(8))
		rule.cfg.srcmask = 0;
	return rule;
}

static int try_install(struct filter *filter, const struct xt_hashlimit_mtinfo3 *rules, uint32_t n,
		       struct message *message)
{
	struct blob *blob = table_new();
	struct ruleset *ruleset;
	int error;

	for (uint32_t i = 0; i < n; i++) {
		table_rule(blob, "INPUT", NULL);
		blob_match(blob, "hashlimit", 3, &rules[i], sizeof(rules[i]));
	}
	ruleset = filter_ruleset(blob);
	error = datapath_replace(filter->datapath, ruleset, NULL, message);
	if (error)
		ruleset_free(ruleset);
	return error;
}

static void install(struct filter *filter, const struct xt_hashlimit_mtinfo3 *rules, uint32_t n)
{
	struct message message = {};

	if (try_install(filter, rules, n, &message))
		fail_msg("a ruleset is refused: %s", message.text);
}

static uint64_t counted(const struct filter *filter, uint32_t number)
{
	const struct ruleset *ruleset = datapath_ruleset(filter->datapath, TEST_FAMILY);
	uint32_t first = ruleset_base_chain(ruleset, NF_INET_LOCAL_IN)->first;
	_cleanup_free_ struct xt_counters *counters = NULL;

	assert_int_equal(datapath_counters(filter->datapath, TEST_FAMILY, &counters), 0);
	return counters[first + number].pcnt;
}

/* What @n rules say to a packet, the last one first that dropped it. */
static void send_packet(struct filter *filter, const struct key *key, uint32_t payload, uint32_t n,
			enum answer *answers, uint32_t *ret_length)
{
	struct packet_bytes packet;
	uint64_t before[4];
	bool passed;

	packet_bytes_make(TEST_FAMILY, &packet, IPPROTO_UDP, key->source, key->destination,
			  key->source_port, key->destination_port);
	packet.size += payload;
	*ret_length = packet.size;
	for (uint32_t i = 0; i < n; i++)
		before[i] = counted(filter, i);
	passed = filter_run(filter, NF_INET_LOCAL_IN, &packet);
	for (uint32_t i = 0; i < n; i++)
		answers[i] = counted(filter, i) != before[i] ? MATCHES : passed ? DIFFERS : DROPS;
}

static void check_packet(struct filter *filter, const struct xt_hashlimit_mtinfo3 *rules,
			 uint32_t n, struct model *model, const struct key *key)
{
	uint32_t payload = random_below(200), length;
	enum answer answers[4], expected;

	send_packet(filter, key, payload, n, answers, &length);
	for (uint32_t i = 0; i < n; i++) {
		expected = model_answer(model, &rules[i].cfg, key, length);
		assert_int_equal(answers[i], expected);
		if (expected == DROPS)
			break;
	}
}

static struct key random_key(void)
{
	return (struct key){
		.source = 1 + random_below(4),
		.destination = 1 + random_below(2),
		.source_port = (uint16_t)(5 + random_below(2)),
		.destination_port = (uint16_t)(7 + random_below(2)),
	};
}

static void test_rules_do_what_the_kernel_does(void **state)
{
	struct filter *filter = *state;

	for (uint32_t round = 0; round < 120; round++) {
		static struct model model;
		struct xt_hashlimit_mtinfo3 rules[2] = {random_rule()};

		/* The second rule shares the table of the first, whatever it says itself. */
		rules[1] = rules[0];
		rules[1].cfg.mode ^= XT_HASHLIMIT_INVERT;
		rules[1].cfg.burst += 5;
		rules[1].cfg.srcmask = (uint8_t)(ADDRESS_BITS - 1);
		if (round % 4 == 0)
			rules[0].cfg.max = 4;
		set_time(5000000000 + round);
		install(filter, rules, 2);
		memset(&model, 0, sizeof(model));
		model.limit = rules[0].cfg;
		model.started = now;
		model.max_accounts = rules[0].cfg.max;
		for (uint32_t i = 0; i < 300; i++) {
			struct key key = random_key();

			check_packet(filter, rules, 2, &model, &key);
			set_time(now + random_below((uint32_t)HZ) * random_below(2));
			if (!random_below(40))
				set_time(now + random_below(40 * (uint32_t)HZ));
		}
		filter_reset(state);
	}
}

static bool matches(struct filter *filter, uint32_t source)
{
	const struct key key = {source, 1, 5, 6};
	enum answer answers[1];
	uint32_t length;

	send_packet(filter, &key, 0, 1, answers, &length);
	assert_int_not_equal(answers[0], DROPS);
	return answers[0] == MATCHES;
}

static void test_credits_outlive_changes_of_other_rules(void **state)
{
	struct xt_hashlimit_mtinfo3 rules[2] = {limit_rule("kept", XT_HASHLIMIT_HASH_SIP),
						limit_rule("other", XT_HASHLIMIT_HASH_DIP)};
	struct filter *filter = *state;

	rules[1].cfg.burst = 100;
	set_time(5000000000);
	install(filter, rules, 1);
	for (int i = 0; i < 3; i++)
		assert_true(matches(filter, 1));
	assert_false(matches(filter, 1));
	install(filter, rules, 2);
	assert_false(matches(filter, 1));
	assert_true(matches(filter, 2));
	install(filter, &rules[1], 1);
	install(filter, rules, 1);
	assert_true(matches(filter, 1));
}

static void test_a_table_is_of_one_kind(void **state)
{
	struct xt_hashlimit_mtinfo3 rules[2] = {limit_rule("one", XT_HASHLIMIT_HASH_SIP),
						limit_rule("one", XT_HASHLIMIT_RATE_MATCH)};
	struct filter *filter = *state;
	struct message message = {};

	assert_int_equal(try_install(filter, rules, 2, &message), -EINVAL);
	assert_non_null(strstr(message.text, "\"one\""));
	/* Nothing is left of the attempt; and tables that are replaced are there until then. */
	install(filter, &rules[1], 1);
	assert_int_equal(try_install(filter, rules, 1, &message), -EINVAL);
	filter_reset(state);
	install(filter, rules, 1);
}

static void test_memory_is_bounded(void **state)
{
	struct xt_hashlimit_mtinfo3 rules[8];
	struct filter *filter = *state;
	struct message message = {};

	for (uint32_t i = 0; i < 8; i++) {
		rules[i] = limit_rule("many", XT_HASHLIMIT_HASH_SIP);
		rules[i].name[4] = (char)('0' + i);
		rules[i].cfg.max = rules[i].cfg.size = 1u << 20;
	}
	assert_int_equal(try_install(filter, rules, 8, &message), -E2BIG);
	assert_non_null(strstr(message.text, "MiB"));
	install(filter, rules, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		filter_test(test_rules_do_what_the_kernel_does),
		filter_test(test_credits_outlive_changes_of_other_rules),
		filter_test(test_a_table_is_of_one_kind),
		filter_test(test_memory_is_bounded),
	};

	return cmocka_run_group_tests_name("datapath_hashlimit", tests, filter_set_up,
					   filter_tear_down);
}
