// SPDX-License-Identifier: GPL-2.0-or-later
/* -m u32 (net/netfilter/xt_u32.c): numbers made of any bytes of the packet. */
#include "ruleset/extensions/extensions.h"

#include "common/cleanup.h"

#include <errno.h>
#include <linux/netfilter/xt_u32.h>

static int check_test(const struct xt_u32_test *test, struct message *message)
{
	if (test->nnums > ARRAY_SIZE(test->location) || test->nvalues > ARRAY_SIZE(test->value))
		return message_error(message, EINVAL, "%u operations and %u ranges are too many",
				     test->nnums, test->nvalues);
	for (unsigned int i = 1; i < test->nnums; i++) {
		uint8_t operation = test->location[i].nextop;

		if ((operation == XT_U32_LEFTSH || operation == XT_U32_RIGHTSH) &&
		    test->location[i].number >= 32)
			return message_error(message, EINVAL, "a shift by %u bits",
					     test->location[i].number);
	}
	return 0;
}

static int check(const struct rule_context *context, const void *payload, struct message *message)
{
	const struct xt_u32 *info = payload;
	int error = 0;

	(void)context;
	if (info->ntests > ARRAY_SIZE(info->tests))
		return message_error(message, EINVAL, "%u tests are more than %zu", info->ntests,
				     ARRAY_SIZE(info->tests));
	for (unsigned int i = 0; i < info->ntests && !error; i++)
		error = check_test(&info->tests[i], message);
	return error;
}

static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	(void)context;
	predicate_residual(predicate, RESIDUAL_U32, payload, sizeof(struct xt_u32));
}

const struct extension extension_u32 = {
	.kind = EXTENSION_MATCH,
	.name = "u32",
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_u32),
	.check = check,
	.compile = compile,
};
