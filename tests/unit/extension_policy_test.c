// SPDX-License-Identifier: GPL-2.0-or-later
/* What -m policy is compiled to, and src/bpf/ipsec_policy.h, against xt_policy.c. */
#include "evaluate.h"
#include "policy_evaluation.h"

#include <errno.h>
#include <linux/netfilter/xt_policy.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct predicate predicate;

static const struct extension *extension(uint8_t family)
{
	return extension_find(EXTENSION_MATCH, "policy", 0, family);
}

/* So few different ones that packets and rules often agree. */
static void random_words(void *words, size_t n_words)
{
	uint32_t *to = words;

	for (size_t i = 0; i < n_words; i++)
		to[i] = random_below(4) ? 0 : random_below(2);
}

static void random_element(struct xt_policy_elem *element)
{
	uint8_t bits[2] = {(uint8_t)(random_below(64) & random_below(64)),
			   (uint8_t)(random_below(64) & random_below(64))};

	random_words(&element->saddr, 16);
	element->spi = random_below(2);
	element->reqid = random_below(2);
	element->proto = (uint8_t)(50 + random_below(2));
	element->mode = (uint8_t)random_below(2);
	memcpy(&element->match, &bits[0], 1);
	memcpy(&element->invert, &bits[1], 1);
}

static void random_policy(struct xt_policy_info *info)
{
	*info = (struct xt_policy_info){
		.flags = (uint16_t)random_below(16),
		.len = (uint16_t)random_below(XT_POLICY_MAX_ELEM + 1),
	};
	if (random_below(4))
		info->flags &= (uint16_t)~XT_POLICY_MATCH_NONE;
	for (int i = 0; i < XT_POLICY_MAX_ELEM; i++)
		random_element(&info->pol[i]);
}

static uint32_t random_list(struct transformation *list)
{
	uint32_t n = random_below(3) ? random_below(4) : random_below(TRANSFORMATIONS_MAX + 1);

	for (uint32_t i = 0; i < n; i++) {
		random_words(list[i].source, 8);
		list[i].spi = random_below(2);
		list[i].reqid = random_below(2);
		list[i].protocol = (uint8_t)(50 + random_below(2));
		list[i].mode = (uint8_t)random_below(2);
	}
	return n;
}

static void random_packet(struct transformed_packet *packet)
{
	*packet = (struct transformed_packet){0};
	packet->n_in = random_list(packet->in);
	packet->n_out = random_list(packet->out);
	packet->has_path = packet->n_in || random_below(2);
}

static bool address_agrees(const void *address, const void *mask, const uint32_t *transformed,
			   size_t size)
{
	const uint8_t *a = address, *m = mask, *t = (const uint8_t *)transformed;

	for (size_t i = 0; i < size; i++)
		if ((a[i] & m[i]) != (t[i] & m[i]))
			return false;
	return true;
}

/* xt_policy.c match_xfrm_state() */
static bool agrees(const struct xt_policy_elem *element, const struct transformation *with,
		   uint8_t family)
{
	size_t size = family == NFPROTO_IPV6 ? 16 : 4;
	const struct xt_policy_spec *match = &element->match, *invert = &element->invert;

	if (match->saddr &&
	    address_agrees(&element->saddr, &element->smask, with->source, size) == invert->saddr)
		return false;
	if (match->daddr && address_agrees(&element->daddr, &element->dmask, with->destination,
					   size) == invert->daddr)
		return false;
	if (match->proto && (element->proto == with->protocol) == invert->proto)
		return false;
	if (match->mode && (element->mode == with->mode) == invert->mode)
		return false;
	if (match->spi && (element->spi == with->spi) == invert->spi)
		return false;
	return !match->reqid || (element->reqid == with->reqid) != invert->reqid;
}

/* policy_mt() */
static bool kernel_matches(const struct xt_policy_info *info,
			   const struct transformed_packet *packet, uint8_t family)
{
	bool in = info->flags & XT_POLICY_MATCH_IN;
	uint32_t n = in ? packet->n_in : packet->n_out;
	uint32_t n_agreeing = 0;

	if (in ? !packet->has_path : !n)
		return info->flags & XT_POLICY_MATCH_NONE;
	if (info->flags & XT_POLICY_MATCH_NONE)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		/* What came last stands outermost, and is compared first. */
		const struct transformation *one = in ? &packet->in[n - 1 - i] : &packet->out[i];
		uint32_t place = info->flags & XT_POLICY_MATCH_STRICT ? i : 0;

		n_agreeing += place < info->len && agrees(&info->pol[place], one, family);
	}
	return info->flags & XT_POLICY_MATCH_STRICT ? n == info->len && n_agreeing == n
						    : n_agreeing > 0;
}

static void policies_match_as_in_the_kernel(void **state)
{
	uint32_t n_matching = 0;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		uint8_t family = random_below(2) ? NFPROTO_IPV6 : NFPROTO_IPV4;
		const struct rule_context context = {.family = family};
		const struct residual_policy *operand;
		struct xt_policy_info info;

		random_policy(&info);
		predicate_clear(&predicate);
		extension(family)->compile(&context, &info, &predicate);
		operand = predicate_operand(&predicate, RESIDUAL_POLICY, sizeof(*operand));
		for (int j = 0; j < 20; j++) {
			struct transformed_packet packet;
			bool matches;

			random_packet(&packet);
			matches = kernel_matches(&info, &packet, family);
			assert_int_equal(policy_evaluate(operand, &packet), matches);
			n_matching += matches;
		}
	}
	assert_in_range(n_matching, 40000, 360000);
}

static void what_the_kernel_refuses_is_refused(void **state)
{
	struct xt_policy_info info = {0};

	(void)state;
	for (uint32_t hooks = 0; hooks < 16; hooks++) {
		const struct rule_context context = {.family = NFPROTO_IPV4, .hooks = hooks};
		bool input = hooks & HOOK_BIT(NF_INET_LOCAL_IN);
		bool output = hooks & HOOK_BIT(NF_INET_LOCAL_OUT);
		struct message message = {""};

		for (info.flags = 0; info.flags < 4; info.flags++) {
			bool in = info.flags & XT_POLICY_MATCH_IN;
			bool out = info.flags & XT_POLICY_MATCH_OUT;
			bool wrong = !(in || out) || (out && input) || (in && output);

			assert_int_equal(extension(NFPROTO_IPV4)->check(&context, &info, &message),
					 wrong ? -EINVAL : 0);
		}
	}
	info.flags = XT_POLICY_MATCH_IN;
	info.len = XT_POLICY_MAX_ELEM + 1;
	assert_int_equal(check_match(extension(NFPROTO_IPV4), 0, false, &info), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policies_match_as_in_the_kernel),
		cmocka_unit_test(what_the_kernel_refuses_is_refused),
	};
	int failed = cmocka_run_group_tests_name("extension_policy", tests, NULL, NULL);

	predicate_free(&predicate);
	return failed;
}
