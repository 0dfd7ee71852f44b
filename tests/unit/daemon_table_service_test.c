// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel's side of iptables' socket options, on a datapath without a kernel (datapath_stub.c)
 * and a conntrack switch that only remembers.
 */
#include "common/cleanup.h"
#include "daemon/table_service.h"
#include "datapath_stub.h"
#include "test_family.h"

#include <errno.h>
#include <limits.h>
#include <linux/netfilter/xt_conntrack.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* The switch of the service under test, as far as it concerns the family under test. */
struct conntrack_switch {
	unsigned int calls;
	bool on;
	int error; /* of the next calls */
};

int conntrack_switch_set(struct conntrack_switch *conntrack, uint8_t family, uint32_t services,
			 struct message *message)
{
	/* The other family has no rules: all that may happen to it is that it is switched off. */
	if (family != TEST_FAMILY) {
		assert_int_equal(family, OTHER_FAMILY);
		assert_int_equal(services, 0);
		return 0;
	}
	conntrack->calls++;
	if (conntrack->error)
		return message_error(message, conntrack->error, "no conntrack today");
	conntrack->on = services == SERVICE_CONNTRACK;
	return 0;
}

struct fixture {
	struct datapath *datapath;
	struct conntrack_switch conntrack;
	struct table_service *service;
	struct control_answer answer;
	struct message message;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	/* As if a killed daemon had left it on. */
	fixture->conntrack.on = true;
	assert_int_equal(datapath_open(&(struct datapath_options){0}, &fixture->datapath, NULL), 0);
	assert_int_equal(
		table_service_new(fixture->datapath, &fixture->conntrack, &fixture->service, NULL),
		0);
	assert_false(fixture->conntrack.on);
	fixture->conntrack.calls = 0;
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	free(fixture->answer.payload);
	datapath_close(fixture->datapath);
	table_service_free(fixture->service);
	free(fixture);
	return 0;
}

static int run_for(struct fixture *fixture, uint8_t family, uint8_t operation, const void *payload,
		   size_t length)
{
	struct control_request request = {
		.family = family,
		.operation = operation,
		.length = (uint32_t)length,
	};
	/* A copy of exactly this length, so that the sanitizer sees what is read behind it. */
	_cleanup_free_ void *copy = malloc(length ? length : 1);

	if (length)
		memcpy(copy, payload, length);
	free(fixture->answer.payload);
	fixture->answer = (struct control_answer){0};
	fixture->message.text[0] = '\0';
	return table_service_handle(fixture->service, &request, &copy, &fixture->answer,
				    &fixture->message);
}

static int run(struct fixture *fixture, uint8_t operation, const void *payload, size_t length)
{
	return run_for(fixture, TEST_FAMILY, operation, payload, length);
}

/* It fails, says why, and gives no answer. */
static void assert_fails(struct fixture *fixture, int error, uint8_t operation, const void *payload,
			 size_t length)
{
	assert_int_equal(run(fixture, operation, payload, length), -error);
	assert_true(fixture->message.text[0]);
	assert_null(fixture->answer.payload);
	assert_int_equal(fixture->answer.length, 0);
}

static struct ipt_getinfo get_info(struct fixture *fixture)
{
	struct ipt_getinfo info = {.name = "filter"};

	assert_int_equal(run(fixture, CONTROL_GET_INFO, &info, sizeof(info)), 0);
	assert_int_equal(fixture->answer.length, sizeof(info));
	memcpy(&info, fixture->answer.payload, sizeof(info));
	return info;
}

#define POLICY_SIZE (sizeof(ip_entry) + sizeof(struct xt_standard_target))
#define END_SIZE    (sizeof(ip_entry) + sizeof(struct xt_error_target))

/* An empty table, or one with a rule in INPUT that needs conntrack; freed by the caller. */
static struct ipt_replace *make_replace(bool conntrack, uint32_t num_counters, size_t *ret_length)
{
	const struct xt_conntrack_mtinfo3 information = {
		.match_flags = XT_CONNTRACK_STATE,
		.state_mask = XT_CONNTRACK_STATE_INVALID,
	};
	struct blob *blob = table_new();
	struct ipt_replace *replace;

	if (conntrack) {
		table_rule(blob, "INPUT", "ACCEPT");
		blob_match(blob, "conntrack", 3, &information, sizeof(information));
	}
	replace = blob_build(blob, ret_length);
	replace->num_counters = num_counters;
	blob_free(blob);
	return replace;
}

/* Replaces the table, whose number of entries is known, by one with or without conntrack. */
static int replace_table(struct fixture *fixture, bool conntrack, uint32_t num_counters)
{
	size_t length;
	_cleanup_free_ struct ipt_replace *buffer = make_replace(conntrack, num_counters, &length);

	return run(fixture, CONTROL_SET_REPLACE, buffer, length);
}

static void tells_about_the_table(void **state)
{
	struct fixture *fixture = *state;
	struct ipt_getinfo info = get_info(fixture);

	assert_string_equal(info.name, "filter");
	assert_int_equal(info.valid_hooks, HOOK_BIT(NF_INET_LOCAL_IN) | HOOK_BIT(NF_INET_FORWARD) |
						   HOOK_BIT(NF_INET_LOCAL_OUT));
	assert_int_equal(info.num_entries, 4);
	assert_int_equal(info.size, 3 * POLICY_SIZE + END_SIZE);
	assert_int_equal(info.hook_entry[NF_INET_FORWARD], POLICY_SIZE);
	assert_int_equal(info.underflow[NF_INET_LOCAL_OUT], 2 * POLICY_SIZE);
}

static void finds_the_filter_table_only(void **state)
{
	struct fixture *fixture = *state;
	struct ipt_getinfo info = {.name = "filter\0garbage, as of iptables"};
	struct ipt_get_entries entries = {.name = "mangle"};
	struct {
		struct xt_counters_info header;
		struct xt_counters counter;
	} counters = {.header = {.name = "", .num_counters = 1}};
	size_t length;
	_cleanup_free_ struct ipt_replace *buffer = make_replace(false, 4, &length);

	assert_int_equal(run(fixture, CONTROL_GET_INFO, &info, sizeof(info)), 0);
	strcpy(info.name, "nat");
	assert_fails(fixture, ENOENT, CONTROL_GET_INFO, &info, sizeof(info));
	memset(info.name, 'f', sizeof(info.name));
	assert_fails(fixture, ENOENT, CONTROL_GET_INFO, &info, sizeof(info));
	assert_fails(fixture, ENOENT, CONTROL_GET_ENTRIES, &entries, sizeof(entries));
	assert_fails(fixture, ENOENT, CONTROL_SET_ADD_COUNTERS, &counters, sizeof(counters));
	strcpy(buffer->name, "raw");
	assert_fails(fixture, ENOENT, CONTROL_SET_REPLACE, buffer, length);
}

static void refuses_wrong_lengths(void **state)
{
	struct fixture *fixture = *state;
	struct ipt_getinfo info[2] = {{.name = "filter"}};
	struct ipt_get_entries entries[2] = {{.name = "filter"}};
	struct xt_get_revision revision[2] = {{.name = "tcp"}};
	size_t length;
	_cleanup_free_ struct ipt_replace *buffer = make_replace(true, 4, &length);

	for (size_t i = 0; i < sizeof(info); i++) {
		if (i != sizeof(info[0]))
			assert_fails(fixture, EINVAL, CONTROL_GET_INFO, info, i);
	}
	for (size_t i = 0; i < sizeof(entries); i++) {
		if (i != sizeof(entries[0]))
			assert_fails(fixture, EINVAL, CONTROL_GET_ENTRIES, entries, i);
	}
	for (size_t i = 0; i < sizeof(revision); i++) {
		if (i != sizeof(revision[0]))
			assert_fails(fixture, EINVAL, CONTROL_GET_REVISION_MATCH, revision, i);
	}
	for (size_t i = 0; i < length; i++)
		assert_fails(fixture, EINVAL, CONTROL_SET_REPLACE, buffer, i);
	assert_fails(fixture, EINVAL, CONTROL_TABLE_IN_USE, "x", 1);
	assert_int_equal(get_info(fixture).num_entries, 4);
	assert_int_equal(fixture->conntrack.calls, 0);
}

static void gives_entries_with_their_counters(void **state)
{
	struct fixture *fixture = *state;
	struct ipt_get_entries request = {.name = "filter", .size = 3 * POLICY_SIZE + END_SIZE};
	const struct ipt_get_entries *answer;
	const ip_entry *entries;

	datapath_stub_count(fixture->datapath, TEST_FAMILY, 1, 7, 700);
	assert_int_equal(run(fixture, CONTROL_GET_ENTRIES, &request, sizeof(request)), 0);
	assert_int_equal(fixture->answer.length, sizeof(request) + request.size);
	answer = fixture->answer.payload;
	assert_int_equal(answer->size, request.size);
	entries = (const ip_entry *)answer->entrytable;
	assert_int_equal(entries->counters.pcnt, 0);
	entries = (const ip_entry *)((const uint8_t *)entries + POLICY_SIZE);
	assert_int_equal(entries->counters.pcnt, 7);
	assert_int_equal(entries->counters.bcnt, 700);

	request.size--;
	assert_fails(fixture, EAGAIN, CONTROL_GET_ENTRIES, &request, sizeof(request));
	request.size = UINT32_MAX;
	assert_fails(fixture, EAGAIN, CONTROL_GET_ENTRIES, &request, sizeof(request));
}

static void replaces_and_gives_the_old_counters(void **state)
{
	struct fixture *fixture = *state;
	const struct xt_counters *counters;

	datapath_stub_count(fixture->datapath, TEST_FAMILY, 3, 1, 2);
	assert_int_equal(replace_table(fixture, true, 4), 0);
	assert_int_equal(fixture->answer.length, 4 * sizeof(*counters));
	counters = fixture->answer.payload;
	assert_int_equal(counters[3].pcnt, 1);
	assert_int_equal(counters[3].bcnt, 2);
	assert_int_equal(get_info(fixture).num_entries, 5);

	assert_int_equal(replace_table(fixture, true, 5), 0);
	assert_int_equal(fixture->answer.length, 5 * sizeof(*counters));
}

static void refuses_a_replace_of_another_table_than_it_knew(void **state)
{
	struct fixture *fixture = *state;
	size_t length;
	_cleanup_free_ struct ipt_replace *buffer = make_replace(true, 5, &length);

	assert_fails(fixture, EAGAIN, CONTROL_SET_REPLACE, buffer, length);
	buffer->num_counters = 3;
	assert_fails(fixture, EAGAIN, CONTROL_SET_REPLACE, buffer, length);
	buffer->num_counters = 0;
	assert_fails(fixture, EINVAL, CONTROL_SET_REPLACE, buffer, length);
	buffer->num_counters = INT_MAX / sizeof(struct xt_counters);
	assert_fails(fixture, ENOMEM, CONTROL_SET_REPLACE, buffer, length);
	buffer->num_counters = 4;
	buffer->valid_hooks |= HOOK_BIT(NF_INET_PRE_ROUTING);
	assert_fails(fixture, EINVAL, CONTROL_SET_REPLACE, buffer, length);
	assert_int_equal(get_info(fixture).num_entries, 4);
	assert_int_equal(fixture->conntrack.calls, 0);
}

static void assert_tracked(void *data, const struct ruleset *ruleset)
{
	struct fixture *fixture = data;

	/* Neither too late nor too early: the old table or the new one needs it. */
	assert_int_equal(fixture->conntrack.on,
			 ruleset->services ||
				 datapath_ruleset(fixture->datapath, TEST_FAMILY)->services);
}

static void tracks_connections_while_a_rule_needs_it(void **state)
{
	struct fixture *fixture = *state;

	datapath_stub_on_replace(fixture->datapath, assert_tracked, fixture);
	assert_int_equal(replace_table(fixture, false, 4), 0);
	assert_int_equal(fixture->conntrack.calls, 0);
	assert_int_equal(replace_table(fixture, true, 4), 0);
	assert_true(fixture->conntrack.on);
	assert_int_equal(replace_table(fixture, true, 5), 0);
	assert_int_equal(fixture->conntrack.calls, 1);
	assert_int_equal(replace_table(fixture, false, 5), 0);
	assert_false(fixture->conntrack.on);
	assert_int_equal(fixture->conntrack.calls, 2);
}

static void refuses_a_rule_whose_connections_are_not_tracked(void **state)
{
	struct fixture *fixture = *state;

	fixture->conntrack.error = EOPNOTSUPP;
	assert_int_equal(replace_table(fixture, true, 4), -EOPNOTSUPP);
	assert_string_equal(fixture->message.text, "no conntrack today");
	assert_int_equal(get_info(fixture).num_entries, 4);

	fixture->conntrack.error = 0;
	assert_int_equal(replace_table(fixture, true, 4), 0);
	/* That it cannot be switched off is no reason to refuse anything; it is tried again. */
	fixture->conntrack.error = ENOMEM;
	assert_int_equal(replace_table(fixture, false, 5), 0);
	assert_true(fixture->conntrack.on);
	fixture->conntrack.error = 0;
	assert_int_equal(replace_table(fixture, false, 4), 0);
	assert_false(fixture->conntrack.on);
}

static void changes_nothing_when_the_datapath_fails(void **state)
{
	struct fixture *fixture = *state;

	datapath_stub_count(fixture->datapath, TEST_FAMILY, 0, 9, 9);
	datapath_stub_fail_replace(fixture->datapath, E2BIG);
	assert_int_equal(replace_table(fixture, true, 4), -E2BIG);
	assert_string_equal(fixture->message.text, "the datapath does not like it");
	assert_false(fixture->conntrack.on);

	assert_int_equal(replace_table(fixture, true, 4), 0);
	assert_int_equal(((struct xt_counters *)fixture->answer.payload)[0].pcnt, 9);
	datapath_stub_fail_replace(fixture->datapath, ENOMEM);
	assert_int_equal(replace_table(fixture, false, 5), -ENOMEM);
	assert_true(fixture->conntrack.on);
}

static void adds_counters(void **state)
{
	struct fixture *fixture = *state;
	_Alignas(8)
		uint8_t buffer[sizeof(struct xt_counters_info) + 5 * sizeof(struct xt_counters)];
	struct xt_counters_info *request = (void *)buffer;
	_cleanup_free_ struct xt_counters *counters = NULL;
	size_t length = sizeof(*request) + 4 * sizeof(struct xt_counters);

	memset(buffer, 0, sizeof(buffer));
	strcpy(request->name, "filter");
	request->num_counters = 4;
	request->counters[2] = (struct xt_counters){.pcnt = 3, .bcnt = 1000};
	datapath_stub_count(fixture->datapath, TEST_FAMILY, 2, 1, 1);
	assert_int_equal(run(fixture, CONTROL_SET_ADD_COUNTERS, buffer, length), 0);
	assert_int_equal(fixture->answer.length, 0);
	assert_int_equal(datapath_counters(fixture->datapath, TEST_FAMILY, &counters), 0);
	assert_int_equal(counters[2].pcnt, 4);
	assert_int_equal(counters[2].bcnt, 1001);

	for (size_t i = 0; i <= sizeof(buffer); i++) {
		if (i != length)
			assert_fails(fixture, EINVAL, CONTROL_SET_ADD_COUNTERS, buffer, i);
	}
	request->num_counters = 5;
	assert_fails(fixture, EINVAL, CONTROL_SET_ADD_COUNTERS, buffer, sizeof(buffer));
	/* 2^32 times 16 bytes, cut to 32 bits, would be none. */
	request->num_counters = 1u << 28;
	assert_fails(fixture, EINVAL, CONTROL_SET_ADD_COUNTERS, buffer, sizeof(*request));
	assert_fails(fixture, EINVAL, CONTROL_SET_ADD_COUNTERS, buffer, sizeof(*request) + 16);
}

static void assert_revision(struct fixture *fixture, int expected, uint8_t operation,
			    const char *name, uint8_t revision)
{
	struct xt_get_revision request = {.revision = revision};

	/* Not ended by NUL if it is as long as the field: the kernel cuts it, then. */
	memcpy(request.name, name, strnlen(name, sizeof(request.name)));
	assert_int_equal(run(fixture, operation, &request, sizeof(request)), expected);
	assert_string_equal(fixture->message.text, "");
	assert_int_equal(fixture->answer.length, expected ? 0 : sizeof(request));
}

static void knows_its_revisions(void **state)
{
	struct fixture *fixture = *state;

	assert_revision(fixture, 0, CONTROL_GET_REVISION_MATCH, "tcp", 0);
	assert_revision(fixture, 0, CONTROL_GET_REVISION_MATCH, "conntrack", 3);
	assert_revision(fixture, 0, CONTROL_GET_REVISION_TARGET, XT_STANDARD_TARGET, 0);
	assert_revision(fixture, 0, CONTROL_GET_REVISION_TARGET, XT_ERROR_TARGET, 0);
	assert_revision(fixture, -EPROTONOSUPPORT, CONTROL_GET_REVISION_MATCH, "tcp", 1);
	assert_revision(fixture, -EPROTONOSUPPORT, CONTROL_GET_REVISION_MATCH, "conntrack", 255);
	assert_revision(fixture, -EPROTONOSUPPORT, CONTROL_GET_REVISION_TARGET, "ERROR", 1);
	assert_revision(fixture, -ENOENT, CONTROL_GET_REVISION_MATCH, "ERROR", 0);
	assert_revision(fixture, -ENOENT, CONTROL_GET_REVISION_TARGET, "tcp", 0);
	assert_revision(fixture, -ENOENT, CONTROL_GET_REVISION_MATCH, "nosuch", 0);
	assert_revision(fixture, -ENOENT, CONTROL_GET_REVISION_MATCH,
			"a name of more than twenty-nine bytes", 0);
}

static void knows_whether_it_is_in_use(void **state)
{
	struct fixture *fixture = *state;
	struct ipt_getinfo nat = {.name = "nat"};

	assert_int_equal(run(fixture, CONTROL_GET_INFO, &nat, sizeof(nat)), -ENOENT);
	assert_int_equal(run(fixture, CONTROL_TABLE_IN_USE, NULL, 0), 0);
	assert_int_equal(fixture->answer.length, 1);
	assert_int_equal(*(uint8_t *)fixture->answer.payload, 0);
	get_info(fixture);
	assert_int_equal(run(fixture, CONTROL_TABLE_IN_USE, NULL, 0), 0);
	assert_int_equal(*(uint8_t *)fixture->answer.payload, 1);
}

static void refuses_other_families_and_operations(void **state)
{
	static const uint8_t families[] = {NFPROTO_UNSPEC, NFPROTO_INET, NFPROTO_ARP,
					   NFPROTO_BRIDGE, 255};
	struct fixture *fixture = *state;
	struct ipt_getinfo info = {.name = "filter"};

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		assert_int_equal(
			run_for(fixture, families[i], CONTROL_GET_INFO, &info, sizeof(info)),
			-EAFNOSUPPORT);
		assert_true(fixture->message.text[0]);
	}
	assert_fails(fixture, EINVAL, 0, &info, sizeof(info));
	assert_fails(fixture, EINVAL, CONTROL_TABLE_IN_USE + 1, &info, sizeof(info));
	assert_fails(fixture, EINVAL, 255, &info, sizeof(info));
}

static void the_other_family_is_another_table(void **state)
{
	struct fixture *fixture = *state;
	struct ipt_getinfo info = {.name = "filter"};
	const struct ipt_getinfo *answer;

	assert_int_equal(replace_table(fixture, true, 4), 0);
	assert_int_equal(run_for(fixture, OTHER_FAMILY, CONTROL_TABLE_IN_USE, NULL, 0), 0);
	assert_int_equal(*(uint8_t *)fixture->answer.payload, 0);
	assert_int_equal(run_for(fixture, OTHER_FAMILY, CONTROL_GET_INFO, &info, sizeof(info)), 0);
	answer = fixture->answer.payload;
	assert_int_equal(answer->num_entries, 4);
	assert_int_not_equal(answer->size, 3 * POLICY_SIZE + END_SIZE);
	assert_int_equal(get_info(fixture).num_entries, 5);
	assert_true(fixture->conntrack.on);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(tells_about_the_table),
		TEST(finds_the_filter_table_only),
		TEST(refuses_wrong_lengths),
		TEST(gives_entries_with_their_counters),
		TEST(replaces_and_gives_the_old_counters),
		TEST(refuses_a_replace_of_another_table_than_it_knew),
		TEST(tracks_connections_while_a_rule_needs_it),
		TEST(refuses_a_rule_whose_connections_are_not_tracked),
		TEST(changes_nothing_when_the_datapath_fails),
		TEST(adds_counters),
		TEST(knows_its_revisions),
		TEST(knows_whether_it_is_in_use),
		TEST(refuses_other_families_and_operations),
		TEST(the_other_family_is_another_table),
	};

	return cmocka_run_group_tests_name(TEST_NAME("table_service"), tests, NULL, NULL);
}
