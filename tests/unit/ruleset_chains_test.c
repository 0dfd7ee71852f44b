// SPDX-License-Identifier: GPL-2.0-or-later
/* Layout of chains, jumps, circles, and the hooks from which chains are reached. */
#include "test_family.h"

#include "ruleset/ruleset.h"

#include <errno.h>
#include <linux/netfilter/xt_comment.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct blob *blob;

static int set_up(void **state)
{
	(void)state;
	blob = table_new();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	blob_free(blob);
	return 0;
}

static void assert_refused_as(struct ipt_replace *replace, size_t length, int error,
			      const char *text)
{
	struct ruleset *ruleset = NULL;
	struct message message = {0};
	int r = ruleset_decode(TEST_FAMILY, replace, length, &ruleset, &message);

	if (r != -error || !strstr(message.text, text))
		print_error("got %d \"%s\", expected %d \"...%s...\"\n", r, message.text, -error,
			    text);
	assert_int_equal(r, -error);
	assert_non_null(strstr(message.text, text));
	assert_null(ruleset);
}

/* What was built so far is refused. */
static void assert_refused(int error, const char *text)
{
	size_t length;
	struct ipt_replace *replace = blob_build(blob, &length);

	assert_refused_as(replace, length, error, text);
	free(replace);
}

static struct ruleset *decode(void)
{
	size_t length;
	struct ipt_replace *replace = blob_build(blob, &length);
	struct ruleset *ruleset = NULL;
	struct message message = {0};
	int r = ruleset_decode(TEST_FAMILY, replace, length, &ruleset, &message);

	if (r < 0)
		print_error("%s\n", message.text);
	assert_int_equal(r, 0);
	free(replace);
	return ruleset;
}

static const struct chain *find_chain(const struct ruleset *ruleset, const char *name)
{
	for (uint32_t i = 0; i < ruleset->n_chains; i++) {
		if (strcmp(ruleset->chains[i].name, name) == 0)
			return &ruleset->chains[i];
	}
	fail_msg("no chain %s", name);
	return NULL;
}

static void assert_jumps(const struct ruleset *ruleset, const char *chain, uint32_t rule,
			 enum verdict verdict, const char *target)
{
	const struct entry *entry = &ruleset->entries[find_chain(ruleset, chain)->first + rule - 1];

	assert_int_equal(entry->verdict, verdict);
	assert_string_equal(ruleset->chains[entry->target].name, target);
}

static void add_rule(const char *chain, const char *target, bool is_goto, uint16_t protocol)
{
	ip_rule *ip = table_rule(blob, chain, target);

	ip->flags = is_goto ? IP_F_GOTO : 0;
	ip->proto = protocol;
}

static void add_jump(const char *chain, const char *target)
{
	add_rule(chain, target, false, 0);
}

static void jumps_and_gotos_find_their_chains(void **state)
{
	struct ruleset *ruleset;

	(void)state;
	blob_chain(blob, "b");
	blob_chain(blob, "a");
	blob_chain(blob, "empty");
	add_jump("INPUT", "a");
	add_rule("INPUT", "b", true, 0);
	add_jump("a", "b");
	add_jump("a", NULL);
	add_rule("a", NULL, true, 0); /* a goto to the next entry is no jump either */
	add_jump("a", "empty");
	add_jump("b", "RETURN");
	ruleset = decode();
	assert_jumps(ruleset, "INPUT", 1, VERDICT_JUMP, "a");
	assert_jumps(ruleset, "INPUT", 2, VERDICT_GOTO, "b");
	assert_jumps(ruleset, "a", 1, VERDICT_JUMP, "b");
	assert_int_equal(ruleset->entries[find_chain(ruleset, "a")->first + 1].verdict,
			 VERDICT_CONTINUE);
	assert_int_equal(ruleset->entries[find_chain(ruleset, "a")->first + 2].verdict,
			 VERDICT_CONTINUE);
	assert_jumps(ruleset, "a", 4, VERDICT_JUMP, "empty");
	assert_int_equal(find_chain(ruleset, "empty")->first, find_chain(ruleset, "empty")->end);
	ruleset_free(ruleset);
}

static void set_verdict(struct ipt_replace *replace, unsigned int index, int verdict)
{
	ip_entry *entry = table_entry(replace, index);

	((struct xt_standard_target *)(entry->elems))->verdict = verdict;
}

static void jumps_elsewhere_are_refused(void **state)
{
	struct ipt_replace *replace;
	size_t length;
	unsigned int offset = 0;

	/* Entries: 0 rule, 1 2 3 policies, 4 head, 5 6 rules, 7 tail, 8 end. */
	(void)state;
	blob_chain(blob, "user");
	add_jump("INPUT", "user");
	add_jump("user", "DROP");
	add_jump("user", "DROP");
	replace = blob_build(blob, &length);
	for (unsigned int i = 0; i < 9; i++) {
		set_verdict(replace, 0, (int)offset);
		if (i == 2 || i == 3)
			assert_refused_as(replace, length, EINVAL, "jumps to the built-in chain");
		else if (i != 0 && i != 1 && i != 5)
			assert_refused_as(replace, length, EINVAL, "where no chain begins");
		set_verdict(replace, 0, (int)offset + 1);
		assert_refused_as(replace, length, EINVAL, "filter INPUT rule 1: jumps to byte ");
		offset += table_entry(replace, i)->next_offset;
	}
	set_verdict(replace, 0, (int)offset);
	assert_refused_as(replace, length, EINVAL, "where no chain begins");
	set_verdict(replace, 0, INT32_MAX);
	assert_refused_as(replace, length, EINVAL, "jumps to byte 2147483647");
	free(replace);
}

static void a_chain_that_jumps_to_itself_is_a_circle(void **state)
{
	(void)state;
	blob_chain(blob, "a");
	add_jump("INPUT", "a");
	add_rule("a", NULL, false, 6);
	add_rule("a", "a", false, 17);
	assert_refused(ELOOP, "filter a rule 2: jumps to chain \"a\"");
}

static void a_circle_may_be_long_and_of_gotos(void **state)
{
	(void)state;
	blob_chain(blob, "a");
	blob_chain(blob, "b");
	blob_chain(blob, "c");
	add_jump("OUTPUT", "a");
	add_rule("a", "b", true, 0);
	add_rule("b", "c", true, 0);
	add_rule("c", "DROP", false, 6);
	add_rule("c", "b", true, 0);
	assert_refused(ELOOP, "filter c rule 2: jumps to chain \"b\"");
}

/* iptables -N a; iptables -A a -j a: no packet gets there, and the kernel does not mind. */
static void a_circle_that_no_hook_reaches_is_accepted(void **state)
{
	struct ruleset *ruleset;

	(void)state;
	blob_chain(blob, "a");
	blob_chain(blob, "b");
	add_jump("a", "b");
	add_jump("b", "a");
	add_jump("b", "b");
	ruleset = decode();
	assert_int_equal(find_chain(ruleset, "a")->hooks, 0);
	assert_int_equal(find_chain(ruleset, "b")->hooks, 0);
	assert_jumps(ruleset, "b", 2, VERDICT_JUMP, "b");
	ruleset_free(ruleset);
}

static void behind_an_unconditional_verdict_nothing_is_reached(void **state)
{
	static const char *const verdicts[] = {"ACCEPT", "DROP", "RETURN"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct ruleset *ruleset;

		tear_down(NULL);
		set_up(NULL);
		blob_chain(blob, "a");
		add_jump("INPUT", "a");
		add_jump("a", verdicts[i]);
		add_jump("a", "a");
		add_rule("a", "a", true, 0);
		ruleset = decode();
		assert_int_equal(find_chain(ruleset, "a")->hooks, HOOK_BIT(NF_INET_LOCAL_IN));
		assert_int_equal(ruleset->entries[find_chain(ruleset, "a")->first + 1].verdict,
				 VERDICT_CONTINUE);
		assert_int_equal(ruleset->entries[find_chain(ruleset, "a")->first + 2].verdict,
				 VERDICT_CONTINUE);
		ruleset_free(ruleset);
	}
}

/* An unconditional goto is left by nobody, but mark_source_chains() goes on behind it. */
static void behind_conditions_and_gotos_everything_is_reached(void **state)
{
	(void)state;
	blob_chain(blob, "a");
	blob_chain(blob, "b");
	add_jump("INPUT", "a");
	add_rule("a", "DROP", false, 6);
	add_rule("a", "b", true, 0);
	add_rule("a", "RETURN", true, 0); /* the goto flag makes it conditional */
	add_jump("a", "a");
	assert_refused(ELOOP, "filter a rule 4");
}

/* A comment matches everything, but a rule with one is not unconditional to the kernel. */
static void a_match_is_a_condition(void **state)
{
	const struct xt_comment_info comment = {.comment = "all"};

	(void)state;
	blob_chain(blob, "a");
	add_jump("INPUT", "a");
	add_jump("a", "ACCEPT");
	blob_match(blob, "comment", 0, &comment, sizeof(comment));
	add_jump("a", "a");
	assert_refused(ELOOP, "filter a rule 2");
}

static void hooks_are_handed_on(void **state)
{
	const uint32_t in = HOOK_BIT(NF_INET_LOCAL_IN);
	const uint32_t forward = HOOK_BIT(NF_INET_FORWARD);
	const uint32_t out = HOOK_BIT(NF_INET_LOCAL_OUT);
	struct ruleset *ruleset;

	(void)state;
	blob_chain(blob, "z");
	blob_chain(blob, "y");
	blob_chain(blob, "x");
	blob_chain(blob, "none");
	add_jump("INPUT", "x");
	add_jump("INPUT", "z");
	add_jump("x", "y");
	add_jump("FORWARD", "y");
	add_jump("y", "z");
	add_jump("OUTPUT", "z");
	add_jump("OUTPUT", "ACCEPT");
	add_jump("OUTPUT", "x");
	add_jump("none", "x");
	ruleset = decode();
	assert_int_equal(find_chain(ruleset, "INPUT")->hooks, in);
	assert_int_equal(find_chain(ruleset, "x")->hooks, in);
	assert_int_equal(find_chain(ruleset, "y")->hooks, in | forward);
	assert_int_equal(find_chain(ruleset, "z")->hooks, in | forward | out);
	assert_int_equal(find_chain(ruleset, "none")->hooks, 0);
	assert_jumps(ruleset, "none", 1, VERDICT_JUMP, "x");
	ruleset_free(ruleset);
}

static void chains_may_be_nested_deeply(void **state)
{
	const unsigned int depth = 100000;
	struct ruleset *ruleset;
	char name[XT_FUNCTION_MAXNAMELEN];
	char next[XT_FUNCTION_MAXNAMELEN];

	(void)state;
	for (unsigned int i = 0; i < depth; i++) {
		snprintf(name, sizeof(name), "c%u", i);
		snprintf(next, sizeof(next), "c%u", i + 1);
		blob_chain(blob, name);
		table_rule(blob, name, i + 1 < depth ? next : "DROP");
	}
	table_rule(blob, "FORWARD", "c0");
	ruleset = decode();
	assert_int_equal(ruleset->n_chains, depth + 3);
	assert_int_equal(find_chain(ruleset, name)->hooks, HOOK_BIT(NF_INET_FORWARD));
	ruleset_free(ruleset);

	/* The last one's DROP is unconditional: the way back stands in the one before. */
	snprintf(name, sizeof(name), "c%u", depth - 2);
	table_rule(blob, name, "c0");
	assert_refused(ELOOP, "filter c99998 rule 2: jumps to chain \"c0\"");
}

/* Each chain jumps twice to the next: 2^60 ways through, but each chain is looked at once. */
static void many_ways_are_walked_once(void **state)
{
	struct ruleset *ruleset;
	char name[XT_FUNCTION_MAXNAMELEN];
	char next[XT_FUNCTION_MAXNAMELEN];

	(void)state;
	blob_chain(blob, "c0");
	table_rule(blob, "INPUT", "c0");
	for (unsigned int i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "c%u", i);
		snprintf(next, sizeof(next), "c%u", i + 1);
		blob_chain(blob, next);
		table_rule(blob, name, next);
		table_rule(blob, name, next);
	}
	ruleset = decode();
	assert_int_equal(find_chain(ruleset, "c60")->hooks, HOOK_BIT(NF_INET_LOCAL_IN));
	ruleset_free(ruleset);
}

static void names_are_unique(void **state)
{
	(void)state;
	blob_chain(blob, "c");
	blob_chain(blob, "a");
	blob_chain(blob, "b");
	ruleset_free(decode());
	blob_chain(blob, "a");
	assert_refused(EINVAL, "two chains are called \"a\"");
}

static void names_of_base_chains_are_taken(void **state)
{
	(void)state;
	blob_chain(blob, "FORWARD");
	assert_refused(EINVAL, "two chains are called \"FORWARD\"");
}

/* Entries: 0 rule, 1 2 3 policies, 4 head, 5 tail, 6 end. */
static struct ipt_replace *build_small(size_t *ret_length)
{
	table_rule(blob, "INPUT", NULL)->proto = 6;
	blob_chain(blob, "user");
	return blob_build(blob, ret_length);
}

/* Of each entry of the small table but its last two. */
#define SMALL_SIZE (sizeof(ip_entry) + sizeof(struct xt_standard_target))

static const char *misplaced(const char *chain, size_t offset)
{
	static char text[64];

	snprintf(text, sizeof(text), "filter %s: byte %zu is not where", chain, offset);
	return text;
}

static void hook_entries_are_checked(void **state)
{
	size_t length;
	struct ipt_replace *replace = build_small(&length);
	const struct ipt_replace good = *replace;

	(void)state;
#define REFUSED_IF(change, text)                                  \
	do {                                                      \
		replace->change;                                  \
		assert_refused_as(replace, length, EINVAL, text); \
		memcpy(replace, &good, sizeof(good));             \
	} while (0)

	REFUSED_IF(hook_entry[NF_INET_LOCAL_IN] = 8, misplaced("INPUT", 8));
	REFUSED_IF(hook_entry[NF_INET_LOCAL_IN] = SMALL_SIZE, misplaced("INPUT", SMALL_SIZE));
	REFUSED_IF(hook_entry[NF_INET_FORWARD] = 0, misplaced("FORWARD", 0));
	REFUSED_IF(hook_entry[NF_INET_FORWARD] = good.hook_entry[NF_INET_LOCAL_OUT],
		   misplaced("FORWARD", 3 * SMALL_SIZE));
	REFUSED_IF(hook_entry[NF_INET_LOCAL_OUT] = UINT32_MAX, "filter OUTPUT: byte 4294967295");
	REFUSED_IF(underflow[NF_INET_LOCAL_IN] = 0, "filter INPUT: the policy is not");
	REFUSED_IF(underflow[NF_INET_LOCAL_IN] = SMALL_SIZE + 8,
		   misplaced("INPUT", SMALL_SIZE + 8));
	REFUSED_IF(underflow[NF_INET_LOCAL_IN] = good.underflow[NF_INET_FORWARD],
		   misplaced("FORWARD", 2 * SMALL_SIZE));
	REFUSED_IF(underflow[NF_INET_FORWARD] = 0, misplaced("FORWARD", 0));
	REFUSED_IF(underflow[NF_INET_LOCAL_OUT] = replace->size, "filter OUTPUT: byte ");
	REFUSED_IF(underflow[NF_INET_LOCAL_OUT] = 4 * SMALL_SIZE, "another chain begins");
#undef REFUSED_IF
	free(replace);
}

static void policies_are_checked(void **state)
{
	static const int bad[] = {NF_QUEUE, NF_REPEAT, NF_STOLEN};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		blob_policy(blob, "OUTPUT", bad[i]);
		assert_refused(EINVAL, "filter OUTPUT: the policy is not ACCEPT or DROP");
	}
}

static void policies_have_no_conditions(void **state)
{
	size_t length;
	struct ipt_replace *replace = build_small(&length);

	(void)state;
	table_entry(replace, 2)->ip_header.flags = IP_F_GOTO;
	assert_refused_as(replace, length, EINVAL, "filter FORWARD: the policy is not");
	free(replace);
}

static void tails_are_plain_returns(void **state)
{
	size_t length;
	struct ipt_replace *replace = build_small(&length);

	(void)state;
	set_verdict(replace, 5, -NF_ACCEPT - 1);
	assert_refused_as(replace, length, EINVAL,
			  "filter chain \"user\": does not end in a plain RETURN");
	set_verdict(replace, 5, XT_RETURN);
	table_entry(replace, 5)->ip_header.proto = 1;
	assert_refused_as(replace, length, EINVAL, "does not end in a plain RETURN");
	free(replace);
}

static void heads_have_no_conditions(void **state)
{
	size_t length;
	struct ipt_replace *replace = build_small(&length);

	(void)state;
	table_entry(replace, 4)->ip_header.invflags = 1;
	assert_refused_as(replace, length, EINVAL, "filter chain \"user\": conditions at its head");
	table_entry(replace, 4)->ip_header.invflags = 0;
	table_entry(replace, 6)->ip_header.invflags = 1;
	assert_refused_as(replace, length, EINVAL, "conditions at its head");
	free(replace);
}

/* Takes the entries from @index on away; the announced numbers follow. */
static void cut(struct ipt_replace *replace, size_t *length, unsigned int index)
{
	replace->num_entries = index;
	replace->size = (unsigned int)((uint8_t *)table_entry(replace, index) - (uint8_t *)replace -
				       sizeof(*replace));
	*length = sizeof(*replace) + replace->size;
}

static void a_table_ends_in_an_error_entry(void **state)
{
	size_t length;
	struct ipt_replace *replace = build_small(&length);

	(void)state;
	cut(replace, &length, 6);
	assert_refused_as(replace, length, EINVAL, "the last entry is not an ERROR");
	cut(replace, &length, 4);
	assert_refused_as(replace, length, EINVAL, "the last entry is not an ERROR");
	cut(replace, &length, 1);
	assert_refused_as(replace, length, EINVAL, "the last entry is not an ERROR");
	free(replace);
}

static void the_head_alone_is_no_chain(void **state)
{
	size_t length;
	struct ipt_replace *replace = build_small(&length);
	ip_entry *tail = table_entry(replace, 5);
	ip_entry *end = table_entry(replace, 6);

	(void)state;
	memmove(tail, end, end->next_offset);
	length -= SMALL_SIZE;
	replace->size -= SMALL_SIZE;
	replace->num_entries--;
	assert_refused_as(replace, length, EINVAL, "filter chain \"user\": does not end");
	free(replace);
}

static void what_is_in_no_chain_is_refused(void **state)
{
	size_t length;
	struct ipt_replace *replace = build_small(&length);
	ip_entry *head = table_entry(replace, 4);

	(void)state;
	memmove(head, table_entry(replace, 5),
		length - ((uint8_t *)table_entry(replace, 5) - (uint8_t *)replace));
	/* An ERROR target is longer than a verdict. */
	length -= SMALL_SIZE + 24;
	replace->size -= SMALL_SIZE + 24;
	replace->num_entries--;
	assert_refused_as(replace, length, EINVAL, "filter entry 4: behind the base chains");
	free(replace);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(jumps_and_gotos_find_their_chains),
		TEST(jumps_elsewhere_are_refused),
		TEST(a_chain_that_jumps_to_itself_is_a_circle),
		TEST(a_circle_may_be_long_and_of_gotos),
		TEST(a_circle_that_no_hook_reaches_is_accepted),
		TEST(behind_an_unconditional_verdict_nothing_is_reached),
		TEST(behind_conditions_and_gotos_everything_is_reached),
		TEST(a_match_is_a_condition),
		TEST(hooks_are_handed_on),
		TEST(chains_may_be_nested_deeply),
		TEST(many_ways_are_walked_once),
		TEST(names_are_unique),
		TEST(names_of_base_chains_are_taken),
		TEST(hook_entries_are_checked),
		TEST(policies_are_checked),
		TEST(policies_have_no_conditions),
		TEST(tails_are_plain_returns),
		TEST(heads_have_no_conditions),
		TEST(a_table_ends_in_an_error_entry),
		TEST(the_head_alone_is_no_chain),
		TEST(what_is_in_no_chain_is_refused),
	};

	return cmocka_run_group_tests_name(TEST_NAME("ruleset_chains"), tests, NULL, NULL);
}
