// SPDX-License-Identifier: GPL-2.0-or-later
#include "filter.h"

#include "abi/arena.h"
#include "common/cleanup.h"
#include "random_ruleset.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define ETHERNET_SIZE 14u
#define ETHERTYPE     (TEST_FAMILY == NFPROTO_IPV4 ? 0x0800u : 0x86ddu)

/*
 * What a test run takes from the caller (net/bpf/test_run.c verify_and_copy_hook_state()): the
 * start of struct nf_hook_state; pointers must be NULL.
 */
struct hook_state {
	uint8_t hook;
	uint8_t protocol_family;
	void *pointers[5];
};

/* The devices that test runs have at each hook: it depends on the kernel. */
static struct value devices[NF_INET_NUMHOOKS][2];

static const struct value loopback = {0x6c6f000000000000, 0}; /* "lo" */

static void refresh(struct filter *filter)
{
	filter->ruleset = datapath_ruleset(filter->datapath, TEST_FAMILY);
	free(filter->expected);
	filter->expected = calloc(filter->ruleset->n_entries, sizeof(*filter->expected));
	assert_non_null(filter->expected);
}

bool filter_run(struct filter *filter, unsigned int hook, const struct packet_bytes *packet)
{
	/* The kernel takes a link layer header off, but for packets that leave. */
	uint32_t link_size = hook == NF_INET_LOCAL_OUT ? 0 : ETHERNET_SIZE;
	uint8_t frame[ETHERNET_SIZE + PACKET_MAX_SIZE] = {
		[12] = ETHERTYPE >> 8, [13] = ETHERTYPE & 0xff};
	struct hook_state state = {.hook = (uint8_t)hook, .protocol_family = TEST_FAMILY};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame,
		    .data_size_in = link_size + packet->size, .ctx_in = &state,
		    .ctx_size_in = sizeof(state), .repeat = 1);
	int fd = datapath_program_fd(filter->datapath, TEST_FAMILY);

	memcpy(frame + link_size, packet->bytes, packet->size);
	if (bpf_prog_test_run_opts(fd, &options))
		fail_msg("the kernel refuses a test run: %s", strerror(errno));
	assert_in_range(options.retval, NF_DROP, NF_ACCEPT);
	return options.retval == NF_ACCEPT;
}

struct ruleset *filter_ruleset(struct blob *blob)
{
	_cleanup_free_ struct ipt_replace *replace = NULL;
	struct ruleset *ruleset = NULL;
	struct message message = {};
	size_t length;

	replace = blob_build(blob, &length);
	if (ruleset_decode(TEST_FAMILY, replace, length, &ruleset, &message))
		fail_msg("a ruleset is refused: %s", message.text);
	blob_free(blob);
	return ruleset;
}

static void report_packet(unsigned int hook, const struct packet_bytes *packet)
{
	print_message("hook %u, packet of %u bytes:", hook, packet->size);
	for (uint32_t i = 0; i < packet->size; i++)
		print_message("%s%02x", i % 4 ? "" : " ", packet->bytes[i]);
	print_message("\n");
}

static void compare_counters(const struct ruleset *ruleset, const struct xt_counters *expected,
			     const struct xt_counters *got)
{
	for (uint32_t i = 0; i < ruleset->n_entries; i++) {
		const struct entry *entry = &ruleset->entries[i];

		if (expected[i].pcnt == got[i].pcnt && expected[i].bcnt == got[i].bcnt)
			continue;
		if (entry->kind == ENTRY_RULE)
			print_rule(ruleset, i);
		fail_msg("%s rule %u: expected %llu packets and %llu bytes, got %llu and %llu",
			 entry->chain == ENTRY_NO_CHAIN ? "-" : ruleset->chains[entry->chain].name,
			 entry->chain == ENTRY_NO_CHAIN ? 0 : ruleset_rule_number(ruleset, i),
			 expected[i].pcnt, expected[i].bcnt, got[i].pcnt, got[i].bcnt);
	}
}

static bool counters_differ(const struct filter *filter, const struct xt_counters *got)
{
	return memcmp(filter->expected, got, filter->ruleset->n_entries * sizeof(*got)) != 0;
}

void filter_check_counters(struct filter *filter)
{
	_cleanup_free_ struct xt_counters *got = NULL;

	assert_int_equal(datapath_counters(filter->datapath, TEST_FAMILY, &got), 0);
	compare_counters(filter->ruleset, filter->expected, got);
}

void filter_replace(struct filter *filter, struct ruleset *ruleset)
{
	_cleanup_free_ struct xt_counters *final = NULL;
	_cleanup_free_ struct xt_counters *before = NULL;
	uint32_t n_entries = filter->ruleset->n_entries;
	struct message message = {};

	assert_int_equal(datapath_counters(filter->datapath, TEST_FAMILY, &before), 0);
	compare_counters(filter->ruleset, filter->expected, before);
	if (datapath_replace(filter->datapath, ruleset, &final, &message))
		fail_msg("a ruleset is refused: %s", message.text);
	/* The old ruleset is gone; its counters were right, and nobody has added to them since. */
	assert_memory_equal(final, before, n_entries * sizeof(*final));
	refresh(filter);
	assert_ptr_equal(filter->ruleset, ruleset);
}

static bool residual_holds(const struct predicate *predicate, const struct step *step,
			   const void *packet)
{
	const struct residual_tcp_option *option =
		(const void *)(predicate->operands + step->residual.operand);

	assert_int_equal(step->residual.kind, RESIDUAL_TCP_OPTION);
	return packet_bytes_has_option(packet, option->option) != option->invert;
}

static void check_once(struct filter *filter, unsigned int hook, const struct packet_bytes *packet)
{
	const struct judge judge = {
		.ruleset = filter->ruleset,
		.hook = hook,
		.length = packet->size,
		.residual = residual_holds,
		.argument = packet,
	};
	_cleanup_free_ struct xt_counters *got = NULL;
	struct packet values;
	bool expected, accepted = filter_run(filter, hook, packet);

	packet_bytes_parse(packet, &values);
	values.fields[FIELD_IN_INTERFACE] = devices[hook][0];
	values.fields[FIELD_OUT_INTERFACE] = devices[hook][1];
	expected = judge_by_rules(&judge, &values, filter->expected);
	assert_int_equal(datapath_counters(filter->datapath, TEST_FAMILY, &got), 0);
	if (accepted == expected && !counters_differ(filter, got))
		return;
	report_packet(hook, packet);
	compare_counters(filter->ruleset, filter->expected, got);
	fail_msg("expected %s, got %s", expected ? "ACCEPT" : "DROP", accepted ? "ACCEPT" : "DROP");
}

/* No generation is at that position, so that nobody waits for this holder. */
#define SOMEBODY 1u

void filter_check(struct filter *filter, unsigned int hook, const struct packet_bytes *packet)
{
	struct arena_root *root = filter_root();

	check_once(filter, hook, packet);
	check_once(filter, hook, packet);
	for (uint32_t i = 0; i < root->lanes; i++)
		root->lane[i].pause = 2;
	check_once(filter, hook, packet);
	for (uint32_t i = 0; i < root->lanes; i++) {
		root->lane[i].pause = 0;
		root->lane[i].holder = SOMEBODY;
	}
	check_once(filter, hook, packet);
	for (uint32_t i = 0; i < root->lanes; i++) {
		assert_int_equal(root->lane[i].holder, SOMEBODY);
		root->lane[i].holder = 0;
	}
}

struct arena_root *filter_root(void)
{
	return (struct arena_root *)ARENA_ADDRESS; /* NOLINT(performance-no-int-to-ptr) */
}

/* At each hook one rule for packets from lo, and one for packets to lo. */
static struct ruleset *device_ruleset(void)
{
	static const char *const chains[] = {"INPUT", "FORWARD", "OUTPUT"};
	struct blob *blob = table_new();

	for (size_t i = 0; i < ARRAY_SIZE(chains); i++) {
		ip_rule *ip = table_rule(blob, chains[i], NULL);

		memcpy(ip->iniface, "lo", 3);
		memset(ip->iniface_mask, 0xff, 3);
		ip = table_rule(blob, chains[i], NULL);
		memcpy(ip->outiface, "lo", 3);
		memset(ip->outiface_mask, 0xff, 3);
	}
	return filter_ruleset(blob);
}

static void find_devices(struct filter *filter)
{
	struct packet_bytes packet;

	packet_bytes_make(TEST_FAMILY, &packet, IPPROTO_UDP, 1, 2, 3, 4);
	filter_replace(filter, device_ruleset());
	for (unsigned int hook = NF_INET_LOCAL_IN; hook <= NF_INET_LOCAL_OUT; hook++) {
		uint32_t first = ruleset_base_chain(filter->ruleset, hook)->first;
		_cleanup_free_ struct xt_counters *got = NULL;

		assert_true(filter_run(filter, hook, &packet));
		assert_int_equal(datapath_counters(filter->datapath, TEST_FAMILY, &got), 0);
		for (uint32_t i = 0; i < 2; i++)
			if (got[first + i].pcnt)
				devices[hook][i] = loopback;
		/* Those, and the policy: all others are checked when the table is replaced. */
		memcpy(filter->expected, got, filter->ruleset->n_entries * sizeof(*got));
		assert_int_equal(got[first + 2].pcnt, 1);
		assert_true(got[first].pcnt || got[first + 1].pcnt);
	}
}

int filter_set_up(void **state)
{
	struct filter *filter = calloc(1, sizeof(*filter));
	struct message message = {};

	assert_non_null(filter);
	if (unshare(CLONE_NEWNET))
		fail_msg("no network namespace: %s", strerror(errno));
	if (datapath_open(&(struct datapath_options){0}, &filter->datapath, &message))
		fail_msg("no filter: %s", message.text);
	refresh(filter);
	find_devices(filter);
	*state = filter;
	return 0;
}

int filter_reset(void **state)
{
	struct filter *filter = *state;
	struct message message = {};
	struct ruleset *empty;

	if (ruleset_new_empty(TEST_FAMILY, &empty))
		return -ENOMEM;
	if (datapath_replace(filter->datapath, empty, NULL, &message)) {
		ruleset_free(empty);
		return -EIO;
	}
	refresh(filter);
	return 0;
}

int filter_tear_down(void **state)
{
	struct filter *filter = *state;

	datapath_close(filter->datapath);
	free(filter->expected);
	free(filter);
	return 0;
}
