// SPDX-License-Identifier: GPL-2.0-or-later
/* Decoding of whole tables: the header, offsets and sizes, extensions, and the way back. */
#include "test_family.h"

#include "ruleset/ruleset.h"

#include <errno.h>
#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/*
 * The table that most tests break in one place. Entries: 0 INPUT rule (tcp), 1 INPUT policy,
 * 2 FORWARD policy, 3 OUTPUT rule (comment), 4 OUTPUT policy, 5 head of "user", 6 its rule, 7 its
 * tail, 8 the end.
 */
struct table {
	struct ipt_replace *replace;
	size_t length;
};

enum {
	INPUT_RULE,
	INPUT_POLICY,
	FORWARD_POLICY,
	OUTPUT_RULE,
	OUTPUT_POLICY,
	USER_HEAD,
	USER_RULE,
	USER_TAIL,
	LAST,
	N_ENTRIES,
};

static const struct xt_tcp tcp = {.spts = {0, 65535}, .dpts = {22, 22}};
static const struct xt_comment_info comment = {.comment = "a comment"};

static int set_up(void **state)
{
	struct table *table = calloc(1, sizeof(*table));
	struct blob *blob = table_new();

	blob_chain(blob, "user");
	set_protocol(table_rule(blob, "INPUT", "user"), IPPROTO_TCP);
	blob_match(blob, "tcp", 0, &tcp, sizeof(tcp));
	blob_policy(blob, "FORWARD", NF_DROP);
	table_rule(blob, "OUTPUT", NULL);
	blob_match(blob, "comment", 0, &comment, sizeof(comment));
	table_rule(blob, "user", "ACCEPT");
	table->replace = blob_build(blob, &table->length);
	blob_free(blob);
	*state = table;
	return 0;
}

static int tear_down(void **state)
{
	struct table *table = *state;

	free(table->replace);
	free(table);
	return 0;
}

static struct xt_entry_target *target_of(ip_entry *entry)
{
	return (struct xt_entry_target *)((uint8_t *)entry + entry->target_offset);
}

static struct xt_entry_match *match_of(ip_entry *entry)
{
	return (struct xt_entry_match *)entry->elems;
}

static void set_verdict(struct table *table, unsigned int index, int verdict)
{
	struct xt_entry_target *target = target_of(table_entry(table->replace, index));

	((struct xt_standard_target *)target)->verdict = verdict;
}

/* The table is refused with this error, and the message says this. */
static void assert_refused(const struct table *table, int error, const char *text)
{
	struct ruleset *ruleset = NULL;
	struct message message = {0};
	int r = ruleset_decode(TEST_FAMILY, table->replace, table->length, &ruleset, &message);

	if (r != -error || !strstr(message.text, text))
		print_error("got %d \"%s\", expected %d \"...%s...\"\n", r, message.text, -error,
			    text);
	assert_int_equal(r, -error);
	assert_non_null(strstr(message.text, text));
	assert_null(ruleset);
}

static struct ruleset *decode(const struct table *table)
{
	struct ruleset *ruleset = NULL;
	struct message message = {0};
	int r = ruleset_decode(TEST_FAMILY, table->replace, table->length, &ruleset, &message);

	if (r < 0)
		print_error("%s\n", message.text);
	assert_int_equal(r, 0);
	return ruleset;
}

static void a_table_is_indexed(void **state)
{
	static const struct {
		uint8_t kind;
		uint8_t verdict;
		uint32_t chain;
	} expected[N_ENTRIES] = {
		[INPUT_RULE] = {ENTRY_RULE, VERDICT_JUMP, 0},
		[INPUT_POLICY] = {ENTRY_POLICY, VERDICT_ACCEPT, 0},
		[FORWARD_POLICY] = {ENTRY_POLICY, VERDICT_DROP, 1},
		[OUTPUT_RULE] = {ENTRY_RULE, VERDICT_CONTINUE, 2},
		[OUTPUT_POLICY] = {ENTRY_POLICY, VERDICT_ACCEPT, 2},
		[USER_HEAD] = {ENTRY_HEAD, VERDICT_CONTINUE, 3},
		[USER_RULE] = {ENTRY_RULE, VERDICT_ACCEPT, 3},
		[USER_TAIL] = {ENTRY_TAIL, VERDICT_RETURN, 3},
		[LAST] = {ENTRY_HEAD, VERDICT_CONTINUE, ENTRY_NO_CHAIN},
	};
	const struct table *table = *state;
	struct ruleset *ruleset = decode(table);

	assert_int_equal(ruleset->family, TEST_FAMILY);
	assert_int_equal(ruleset->valid_hooks, table->replace->valid_hooks);
	assert_int_equal(ruleset->size, table->length - sizeof(struct ipt_replace));
	assert_int_equal(ruleset->n_entries, N_ENTRIES);
	for (uint32_t i = 0; i < N_ENTRIES; i++) {
		assert_ptr_equal(table_entry(table->replace, i),
				 (uint8_t *)table->replace + sizeof(*table->replace) +
					 ruleset->entries[i].offset);
		assert_int_equal(ruleset->entries[i].kind, expected[i].kind);
		assert_int_equal(ruleset->entries[i].verdict, expected[i].verdict);
		assert_int_equal(ruleset->entries[i].chain, expected[i].chain);
	}
	assert_int_equal(ruleset->entries[INPUT_RULE].target, 3);
	assert_int_equal(ruleset_rule_number(ruleset, USER_RULE), 1);
	assert_int_equal(ruleset->services, 0);
	ruleset_free(ruleset);
}

static void chains_have_names_and_ends(void **state)
{
	static const struct chain expected[] = {
		{"INPUT", NF_INET_LOCAL_IN, INPUT_RULE, INPUT_POLICY, HOOK_BIT(NF_INET_LOCAL_IN)},
		{"FORWARD", NF_INET_FORWARD, FORWARD_POLICY, FORWARD_POLICY,
		 HOOK_BIT(NF_INET_FORWARD)},
		{"OUTPUT", NF_INET_LOCAL_OUT, OUTPUT_RULE, OUTPUT_POLICY,
		 HOOK_BIT(NF_INET_LOCAL_OUT)},
		{"user", CHAIN_NO_HOOK, USER_RULE, USER_TAIL, HOOK_BIT(NF_INET_LOCAL_IN)},
	};
	struct ruleset *ruleset = decode(*state);

	assert_int_equal(ruleset->n_chains, 4);
	for (uint32_t i = 0; i < 4; i++) {
		assert_string_equal(ruleset->chains[i].name, expected[i].name);
		assert_int_equal(ruleset->chains[i].hook, expected[i].hook);
		assert_int_equal(ruleset->chains[i].first, expected[i].first);
		assert_int_equal(ruleset->chains[i].end, expected[i].end);
		assert_int_equal(ruleset->chains[i].hooks, expected[i].hooks);
	}
	assert_ptr_equal(ruleset_base_chain(ruleset, NF_INET_FORWARD), &ruleset->chains[1]);
	assert_null(ruleset_base_chain(ruleset, NF_INET_PRE_ROUTING));
	ruleset_free(ruleset);
}

static void an_entry_comes_back_with_its_counters(void **state)
{
	struct table *table = *state;
	struct xt_counters counters[N_ENTRIES];
	struct ruleset *ruleset;
	uint8_t *encoded;

	/* What the caller has in these places is not the kernel's business, nor ours. */
	table_entry(table->replace, INPUT_RULE)->counters = (struct xt_counters){7, 700};
	table_entry(table->replace, INPUT_RULE)->comefrom = 2;
	ruleset = decode(table);
	encoded = malloc(ruleset->size);
	for (uint32_t i = 0; i < N_ENTRIES; i++) {
		counters[i] = (struct xt_counters){i + 1, 100ull * i};
		table_entry(table->replace, i)->counters = counters[i];
		table_entry(table->replace, i)->comefrom = 0;
	}
	ruleset_encode(ruleset, counters, encoded);
	assert_memory_equal(encoded, table_entry(table->replace, 0), ruleset->size);
	free(encoded);
	ruleset_free(ruleset);
}

static void equal_tables_are_equal(void **state)
{
	struct table *table = *state;
	struct ruleset *first = decode(table);
	struct ruleset *second;

	table_entry(table->replace, USER_RULE)->counters.pcnt = 9;
	second = decode(table);
	assert_true(ruleset_equal(first, second));
	ruleset_free(second);

	table_entry(table->replace, USER_RULE)->ip_header.proto = 1;
	second = decode(table);
	assert_false(ruleset_equal(first, second));
	ruleset_free(second);
	ruleset_free(first);
}

static void the_first_table_is_empty(void **state)
{
	struct ruleset *ruleset = NULL;
	struct table table = {0};
	struct blob *blob = table_new();
	struct ruleset *built;

	(void)state;
	assert_int_equal(ruleset_new_empty(TEST_FAMILY, &ruleset), 0);
	assert_int_equal(ruleset->n_entries, 4);
	assert_int_equal(ruleset->size, EMPTY_SIZE);
	table.replace = blob_build(blob, &table.length);
	built = decode(&table);
	assert_true(ruleset_equal(ruleset, built));
	ruleset_free(ruleset);
	ruleset_free(built);
	free(table.replace);
	blob_free(blob);
}

static void any_alignment_will_do(void **state)
{
	const struct table *table = *state;
	uint8_t *bytes = malloc(table->length + 1);
	struct ruleset *ruleset = NULL;

	memcpy(bytes + 1, table->replace, table->length);
	assert_int_equal(ruleset_decode(TEST_FAMILY, bytes + 1, table->length, &ruleset, NULL), 0);
	ruleset_free(ruleset);
	free(bytes);
}

/* Behind the entries anything may follow: the kernel does not look at it. */
static void more_bytes_than_needed_are_ignored(void **state)
{
	struct table *table = *state;
	struct ipt_replace *longer = realloc(table->replace, table->length + 3);

	assert_non_null(longer);
	table->replace = longer;
	table->length += 3;
	ruleset_free(decode(table));
}

static void each_shorter_table_is_refused(void **state)
{
	const struct table *table = *state;

	for (size_t length = 0; length < table->length; length++) {
		uint8_t *bytes = malloc(length);
		struct ruleset *ruleset = NULL;

		memcpy(bytes, table->replace, length);
		assert_int_equal(ruleset_decode(TEST_FAMILY, bytes, length, &ruleset, NULL),
				 -EINVAL);
		if (length >= sizeof(struct ipt_replace)) {
			((struct ipt_replace *)bytes)->size = length - sizeof(struct ipt_replace);
			assert_int_equal(ruleset_decode(TEST_FAMILY, bytes, length, &ruleset, NULL),
					 -EINVAL);
		}
		free(bytes);
	}
}

static void other_families_are_refused(void **state)
{
	const struct table *table = *state;
	struct ruleset *ruleset = NULL;

	assert_int_equal(ruleset_decode(NFPROTO_ARP, table->replace, table->length, &ruleset, NULL),
			 -EAFNOSUPPORT);
}

static void the_header_is_checked(void **state)
{
	struct table *table = *state;
	struct ipt_replace *replace = table->replace;
	const struct ipt_replace good = *replace;

#define REFUSED_IF(change, error, text)               \
	do {                                          \
		replace->change;                      \
		assert_refused(table, error, text);   \
		memcpy(replace, &good, sizeof(good)); \
	} while (0)

	REFUSED_IF(num_counters = 0, EINVAL, "counters");
	REFUSED_IF(num_counters = 0x80000000, ENOMEM, "counters");
	REFUSED_IF(size = good.size + 1, EINVAL, "bytes of entries");
	REFUSED_IF(size = UINT32_MAX, EINVAL, "bytes of entries");
	REFUSED_IF(size = 0, EINVAL, "entries");
	REFUSED_IF(name[0] = 'm', ENOENT, "table \"milter\" is not supported");
	REFUSED_IF(name[6] = 's', ENOENT, "table \"filters\" is not supported");
	REFUSED_IF(valid_hooks = 0, EINVAL, "hooks 0x0");
	REFUSED_IF(valid_hooks |= 1, EINVAL, "hooks 0xf");
	REFUSED_IF(num_entries = 0, EINVAL, "more than 0 entries");
	REFUSED_IF(num_entries = N_ENTRIES - 1, EINVAL, "more than 8 entries");
	REFUSED_IF(num_entries = N_ENTRIES + 1, EINVAL, "9 entries instead of 10");
	REFUSED_IF(num_entries = UINT32_MAX, EINVAL, "cannot hold 4294967295 entries");
	REFUSED_IF(size -= 8, EINVAL, "entry 8");
#undef REFUSED_IF
	ruleset_free(decode(table));
}

static void a_huge_table_is_refused(void **state)
{
	struct ipt_replace replace = *((struct table *)*state)->replace;
	struct ruleset *ruleset = NULL;

	replace.size = 512u << 20;
	/* Not so much memory is there, but it must not be looked at. */
	assert_int_equal(ruleset_decode(TEST_FAMILY, &replace,
					sizeof(replace) + (size_t)replace.size, &ruleset, NULL),
			 -ENOMEM);
}

static void offsets_are_checked(void **state)
{
	struct table *table = *state;
	ip_entry *entry = table_entry(table->replace, INPUT_RULE);
	const uint16_t next = entry->next_offset;
	const uint16_t target = entry->target_offset;

	static const uint16_t nexts[] = {
		0, 8, sizeof(*entry), sizeof(*entry) + 24, sizeof(*entry) + 31, 65535, 65528};
	static const uint16_t targets[] = {0,     8,    sizeof(*entry) - 1, sizeof(*entry) + 1,
					   65528, 65535};

	for (size_t i = 0; i < sizeof(nexts) / sizeof(nexts[0]); i++) {
		entry->next_offset = nexts[i];
		assert_refused(table, EINVAL, "filter entry 0 (byte 0): ");
	}
	for (int change = -40; change <= 40; change++) {
		entry->next_offset = (uint16_t)(next + change);
		if (change)
			assert_refused(table, EINVAL, "filter entry ");
	}
	entry->next_offset = next;
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		entry->target_offset = targets[i];
		assert_refused(table, EINVAL, "filter entry 0 (byte 0): ");
	}
	for (int change = -40; change <= 40; change++) {
		entry->target_offset = (uint16_t)(target + change);
		if (change)
			assert_refused(table, EINVAL, "filter");
	}
}

static void nothing_is_no_table(void **state)
{
	struct table *table = *state;

	table->replace->num_entries = 0;
	table->replace->size = 0;
	assert_refused(table, EINVAL, "the last entry is not an ERROR");
}

/* Behind an ERROR target there may be some room, but the next entry begins at a multiple of 8. */
static void entries_are_aligned(void **state)
{
	struct table *table = *state;
	ip_entry *head = table_entry(table->replace, USER_HEAD);
	uint8_t *next = (uint8_t *)head + head->next_offset;
	size_t rest = table->length - (size_t)(next - (uint8_t *)table->replace);
	struct ipt_replace *longer = calloc(1, table->length + 8);

	for (size_t gap = 1; gap <= 8; gap++) {
		struct table damaged = {.replace = longer, .length = table->length + gap};
		struct ruleset *ruleset = NULL;

		memcpy(longer, table->replace, table->length);
		memcpy((uint8_t *)longer + (next - (uint8_t *)table->replace) + gap, next, rest);
		longer->size += gap;
		table_entry(longer, USER_HEAD)->next_offset += gap;
		if (gap < 8) {
			assert_refused(&damaged, EINVAL, "filter entry 5");
			continue;
		}
		/* All is in order but for the jump. */
		assert_int_equal(
			ruleset_decode(TEST_FAMILY, longer, damaged.length, &ruleset, NULL),
			-EINVAL);
		set_verdict(&damaged, INPUT_RULE,
			    (int)((uint8_t *)table_entry(longer, USER_RULE) -
				  (uint8_t *)table_entry(longer, 0)));
		ruleset_free(decode(&damaged));
	}
	free(longer);
}

/* The last entry's target moved into its header: every size fits, but it is not behind it. */
static void targets_are_behind_the_header(void **state)
{
	struct table *table = *state;
	ip_entry *last = table_entry(table->replace, LAST);

	last->target_offset -= 8;
	memmove((uint8_t *)last + last->target_offset, last + 1, 64);
	last->next_offset -= 8;
	table->replace->size -= 8;
	assert_refused(table, EINVAL, "filter entry 8 (byte ");
}

static void sizes_of_targets_are_checked(void **state)
{
	struct table *table = *state;
	struct xt_entry_target *standard = target_of(table_entry(table->replace, USER_RULE));
	struct xt_entry_target *error = target_of(table_entry(table->replace, USER_HEAD));

	for (unsigned int size = 0; size < 200; size++) {
		standard->u.target_size = (uint16_t)size;
		if (size != 40)
			assert_refused(table, EINVAL, "filter ");
	}
	standard->u.target_size = 40;
	for (unsigned int size = 0; size < 200; size++) {
		error->u.target_size = (uint16_t)size;
		if (size != 64)
			assert_refused(table, EINVAL, "filter entry 5");
	}
}

static void sizes_of_matches_are_checked(void **state)
{
	struct table *table = *state;
	struct xt_entry_match *match = match_of(table_entry(table->replace, INPUT_RULE));
	uint16_t good = match->u.match_size;

	for (unsigned int size = 0; size < 200; size++) {
		match->u.match_size = (uint16_t)size;
		if (size != good)
			assert_refused(table, EINVAL, "filter entry 0 (byte 0): ");
	}
	match->u.match_size = UINT16_MAX;
	assert_refused(table, EINVAL, "a match of 65535 bytes");
}

static void a_payload_has_its_size(void **state)
{
	struct table *table = *state;
	struct blob *blob = table_new();

	table_rule(blob, "FORWARD", "DROP");
	set_protocol(table_rule(blob, "FORWARD", "DROP"), IPPROTO_TCP);
	blob_match(blob, "tcp", 0, &comment, sizeof(tcp) + 8);
	free(table->replace);
	table->replace = blob_build(blob, &table->length);
	blob_free(blob);
	assert_refused(table, EINVAL,
		       "filter FORWARD rule 2: match \"tcp\": 24 bytes of data instead of 16");
}

static void names_of_extensions_must_end(void **state)
{
	struct table *table = *state;
	struct xt_entry_match *match = match_of(table_entry(table->replace, INPUT_RULE));

	memset(match->u.user.name, 'x', sizeof(match->u.user.name));
	assert_refused(table, EINVAL, "the name of a match has no end");
}

static void names_of_chains_must_end(void **state)
{
	struct table *table = *state;
	struct xt_entry_target *target = target_of(table_entry(table->replace, USER_HEAD));

	memset(((struct xt_error_target *)target)->errorname, 'x', XT_FUNCTION_MAXNAMELEN);
	assert_refused(table, EINVAL, "name has no end");
}

static void unknown_extensions_are_named(void **state)
{
	struct table *table = *state;
	struct blob *blob = table_new();

	strcpy(match_of(table_entry(table->replace, OUTPUT_RULE))->u.user.name, "unknown");
	assert_refused(table, ENOENT, "filter OUTPUT rule 1: match \"unknown\" is not supported");
	strcpy(match_of(table_entry(table->replace, OUTPUT_RULE))->u.user.name, "rpfilter");
	assert_refused(table, ENOENT,
		       "match \"rpfilter\" is not supported: it is for the tables raw and mangle, "
		       "in front "
		       "of routing");
	strcpy(match_of(table_entry(table->replace, OUTPUT_RULE))->u.user.name, "comment");

	match_of(table_entry(table->replace, INPUT_RULE))->u.user.revision = 9;
	assert_refused(table, EPROTONOSUPPORT,
		       "filter INPUT rule 1: match \"tcp\" revision 9 is not supported");
	match_of(table_entry(table->replace, INPUT_RULE))->u.user.revision = 0;

	target_of(table_entry(table->replace, USER_TAIL))->u.user.revision = 1;
	assert_refused(table, EPROTONOSUPPORT, "filter user tail: target \"\" revision 1");
	target_of(table_entry(table->replace, USER_TAIL))->u.user.revision = 0;

	target_of(table_entry(table->replace, LAST))->u.user.revision = 1;
	assert_refused(table, EPROTONOSUPPORT, "target \"ERROR\" revision 1");

	table_rule(blob, "INPUT", NULL);
	blob_target(blob, "MIRROR", 0, &comment, 40);
	free(table->replace);
	table->replace = blob_build(blob, &table->length);
	assert_refused(table, ENOENT, "filter INPUT rule 1: target \"MIRROR\" is not supported");
	blob_free(blob);
}

static void extensions_want_their_protocol(void **state)
{
	struct table *table = *state;
	ip_entry *entry = table_entry(table->replace, INPUT_RULE);

	entry->ip_header.proto = 0;
	assert_refused(table, EINVAL, "filter INPUT rule 1: match \"tcp\": only for rules with");
	entry->ip_header.proto = IPPROTO_UDP;
	assert_refused(table, EINVAL, "protocol 6");
	entry->ip_header.proto = IPPROTO_TCP;
	entry->ip_header.invflags = IP_INV_PROTO;
	assert_refused(table, EINVAL, "protocol 6");
	entry->ip_header.invflags = 0;
	((struct xt_tcp *)match_of(entry)->data)->invflags = 0x10;
	assert_refused(table, EINVAL, "match \"tcp\": unknown inversion flags 0x10");
}

static void headers_are_checked(void **state)
{
	struct table *table = *state;
	ip_rule *ip = &table_entry(table->replace, OUTPUT_RULE)->ip_header;

	ip->flags = IP_F_UNKNOWN;
	assert_refused(table, EINVAL, "filter OUTPUT rule 1: unknown flags 0x");
	ip->flags = 0;
	ip->invflags = 0x80;
	assert_refused(table, EINVAL, "filter OUTPUT rule 1: unknown inversion flags 0x80");
	ip->invflags = 0;
	ip->iniface_mask[0] = ip->iniface_mask[2] = 0xff;
	assert_refused(table, EINVAL, "input interface's mask is not a prefix: byte 2 is 0xff");
	ip->iniface_mask[1] = 0xff;
	ip->outiface_mask[15] = 1;
	assert_refused(table, EINVAL, "output interface's mask is not a prefix: byte 15 is 0x01");
	memset(ip->outiface_mask, 0xff, IFNAMSIZ);
	ruleset_free(decode(table));
}

static void verdicts_are_checked(void **state)
{
	static const int bad[] = {0, -3, -6, INT32_MIN, INT32_MIN + 1, -100};
	struct table *table = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		set_verdict(table, USER_RULE, bad[i]);
		assert_refused(table, EINVAL, "filter user rule 1: unknown verdict");
	}
	set_verdict(table, USER_RULE, -NF_QUEUE - 1);
	assert_refused(table, EOPNOTSUPP, "filter user rule 1: target \"QUEUE\" is not supported");
}

static void conntrack_is_noticed(void **state)
{
	const struct xt_conntrack_mtinfo3 info = {.match_flags = XT_CONNTRACK_STATE};
	struct table *table = *state;
	struct blob *blob = table_new();
	struct ruleset *ruleset;

	/* As in the kernel, where no packet gets, too. */
	blob_chain(blob, "unused");
	table_rule(blob, "unused", "DROP");
	blob_match(blob, "conntrack", 3, &info, sizeof(info));
	free(table->replace);
	table->replace = blob_build(blob, &table->length);
	blob_free(blob);
	ruleset = decode(table);
	assert_int_equal(ruleset->services, SERVICE_CONNTRACK);
	ruleset_free(ruleset);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_table_is_indexed),
		TEST(chains_have_names_and_ends),
		TEST(an_entry_comes_back_with_its_counters),
		TEST(equal_tables_are_equal),
		TEST(the_first_table_is_empty),
		TEST(any_alignment_will_do),
		TEST(more_bytes_than_needed_are_ignored),
		TEST(each_shorter_table_is_refused),
		TEST(other_families_are_refused),
		TEST(the_header_is_checked),
		TEST(a_huge_table_is_refused),
		TEST(offsets_are_checked),
		TEST(nothing_is_no_table),
		TEST(entries_are_aligned),
		TEST(targets_are_behind_the_header),
		TEST(sizes_of_targets_are_checked),
		TEST(sizes_of_matches_are_checked),
		TEST(a_payload_has_its_size),
		TEST(names_of_extensions_must_end),
		TEST(names_of_chains_must_end),
		TEST(unknown_extensions_are_named),
		TEST(extensions_want_their_protocol),
		TEST(headers_are_checked),
		TEST(verdicts_are_checked),
		TEST(conntrack_is_noticed),
	};

	return cmocka_run_group_tests_name(TEST_NAME("ruleset"), tests, NULL, NULL);
}
