// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A libFuzzer target: the first byte chooses the family (odd: IPv6), the others are the value of
 * IPT_SO_SET_REPLACE. Whatever they are, decoding gives a ruleset or an error with a reason; a
 * ruleset can be compiled, and comes back as it was.
 */
#include "ruleset/ruleset.h"

#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6t_opts.h>
#include <linux/netfilter_ipv6/ip6t_rt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                          \
	do {                                                                                      \
		if (!(condition)) {                                                               \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_requirement(const struct predicate *predicate,
			      const struct requirement *requirement)
{
	const struct interval *intervals = predicate->intervals + requirement->first_interval;

	CHECK(requirement->field < FIELD_COUNT);
	CHECK(requirement->first_interval + requirement->n_intervals <= predicate->n_intervals);
	for (uint32_t i = 0; i < requirement->n_intervals; i++) {
		CHECK(value_compare(intervals[i].first, intervals[i].last) <= 0);
		CHECK(value_compare(intervals[i].last,
				    field_maximum(predicate->family, requirement->field)) <= 0);
		CHECK(i == 0 || value_compare(intervals[i - 1].last, intervals[i].first) < 0);
	}
}

/* The counts in an operand stay inside of its arrays: the program walks them by these. */
static void check_residual(const struct predicate *predicate, const struct step *step)
{
	const void *operand = predicate->operands + step->residual.operand;

	CHECK(step->residual.operand % 8 == 0);
	CHECK(step->residual.operand + step->residual.size <= predicate->operands_size);
	switch (step->residual.kind) {
	case RESIDUAL_IPV6_ROUTING:
		CHECK(step->residual.size == sizeof(struct ip6t_rt));
		CHECK(((const struct ip6t_rt *)operand)->addrnr <= IP6T_RT_HOPS);
		break;
	case RESIDUAL_IPV6_HOP_OPTIONS:
	case RESIDUAL_IPV6_DESTINATION_OPTIONS:
		CHECK(step->residual.size == sizeof(struct ip6t_opts));
		CHECK(((const struct ip6t_opts *)operand)->optsnr <= IP6T_OPTS_OPTSNR);
		break;
	}
}

static void check_predicate(const struct predicate *predicate)
{
	CHECK(!predicate->failed);
	for (uint32_t i = 0; i < predicate->n_steps; i++) {
		const struct step *step = &predicate->steps[i];

		if (step->kind == STEP_REQUIRE || step->kind == STEP_REQUIRE_EITHER)
			check_requirement(predicate, &step->requirement[0]);
		if (step->kind == STEP_REQUIRE_EITHER)
			check_requirement(predicate, &step->requirement[1]);
		if (step->kind == STEP_RESIDUAL)
			check_residual(predicate, step);
	}
}

static void check_chain(const struct ruleset *ruleset, uint32_t index, struct predicate *predicate)
{
	const struct chain *chain = &ruleset->chains[index];

	CHECK(chain->first <= chain->end && chain->end < ruleset->n_entries);
	CHECK(memchr(chain->name, '\0', sizeof(chain->name)));
	for (uint32_t i = chain->first; i < chain->end; i++) {
		const struct entry *entry = &ruleset->entries[i];

		CHECK(entry->kind == ENTRY_RULE && entry->chain == index);
		if (entry->verdict == VERDICT_JUMP || entry->verdict == VERDICT_GOTO) {
			const struct chain *target = &ruleset->chains[entry->target];

			CHECK(entry->target < ruleset->n_chains);
			CHECK(target->hook == CHAIN_NO_HOOK);
			CHECK((target->hooks & chain->hooks) == chain->hooks);
		}
		predicate_clear(predicate);
		ruleset_compile_entry(ruleset, i, predicate);
		check_predicate(predicate);
	}
}

/* Encoded, and sent again as it is, the table is the same one. */
static void check_return(const struct ruleset *ruleset, const uint8_t *data)
{
	size_t length = sizeof(struct ipt_replace) + ruleset->size;
	uint8_t *bytes = malloc(length);
	struct xt_counters *counters = malloc(ruleset->n_entries * sizeof(*counters));
	struct ruleset *again = NULL;

	memcpy(bytes, data, sizeof(struct ipt_replace));
	memset(counters, 0xab, ruleset->n_entries * sizeof(*counters));
	ruleset_encode(ruleset, counters, bytes + sizeof(struct ipt_replace));
	CHECK(ruleset_decode(ruleset->family, bytes, length, &again, NULL) == 0);
	CHECK(ruleset_equal(ruleset, again));
	CHECK(again->n_chains == ruleset->n_chains && again->services == ruleset->services);
	ruleset_free(again);
	free(counters);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct predicate predicate = {0};
	struct message message = {0};
	struct ruleset *ruleset = NULL;
	int r;

	if (!size)
		return 0;
	r = ruleset_decode(data[0] % 2 ? NFPROTO_IPV6 : NFPROTO_IPV4, data + 1, size - 1, &ruleset,
			   &message);
	if (r < 0) {
		CHECK(!ruleset);
		CHECK(message.text[0]);
		return 0;
	}
	CHECK(r == 0 && ruleset);
	for (uint32_t i = 0; i < ruleset->n_chains; i++)
		check_chain(ruleset, i, &predicate);
	check_return(ruleset, data + 1);
	predicate_free(&predicate);
	ruleset_free(ruleset);
	return 0;
}
