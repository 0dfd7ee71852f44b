// SPDX-License-Identifier: GPL-2.0-or-later
/* -m hashlimit (net/netfilter/xt_hashlimit.c): a limit for each address, port ... */
#include "ruleset/extensions/extensions.h"
#include "ruleset/extensions/file_name.h"

#include "abi/match_state.h"
#include "common/tick_rate.h"

#include <errno.h>
#include <linux/netfilter/xt_hashlimit.h>

#define MAX_SIZE        1048576u /* HASHLIMIT_MAX_SIZE */
#define SECONDS_PER_DAY 86400ull

#define MODES                                                                    \
	(XT_HASHLIMIT_HASH_DIP | XT_HASHLIMIT_HASH_DPT | XT_HASHLIMIT_HASH_SIP | \
	 XT_HASHLIMIT_HASH_SPT | XT_HASHLIMIT_INVERT | XT_HASHLIMIT_BYTES |      \
	 XT_HASHLIMIT_RATE_MATCH)

_Static_assert(HASHLIMIT_CHUNK == 1 << XT_HASHLIMIT_BYTE_SHIFT, "the kernel's number");

/* CREDITS_PER_JIFFY: as in xt_limit.c, but for numbers of 64 bits. */
static uint64_t credits_per_tick(void)
{
	return 1ull << (63 - __builtin_clzll(UINT64_MAX / (SECONDS_PER_DAY * tick_rate())));
}

/* CREDITS_PER_JIFFY_BYTES */
static uint64_t credits_per_tick_of_bytes(void)
{
	return 1ull << (31 - __builtin_clz(UINT32_MAX / tick_rate()));
}

/* user2credits(): overflows where that does. */
static uint64_t credits_of(uint64_t user)
{
	uint64_t credits_per_second = tick_rate() * credits_per_tick();

	if (XT_HASHLIMIT_SCALE_v2 >= credits_per_second)
		return user / (XT_HASHLIMIT_SCALE_v2 / credits_per_second);
	return user * (credits_per_second / XT_HASHLIMIT_SCALE_v2);
}

/* user2credits_byte() */
static uint32_t credits_of_chunk(uint32_t user)
{
	return (uint32_t)(user * (tick_rate() * credits_per_tick_of_bytes()) >> 32);
}

/* user2rate_bytes() */
static uint64_t bytes_of(uint32_t user)
{
	return ((user ? UINT32_MAX / user : UINT32_MAX) - 1ull) << XT_HASHLIMIT_BYTE_SHIFT;
}

static int check_limit(const struct hashlimit_cfg3 *limit, struct message *message)
{
	if (limit->mode & XT_HASHLIMIT_RATE_MATCH) {
		if (!limit->avg || limit->avg > UINT32_MAX)
			return message_error(message, ERANGE, "invalid rate");
		if (!limit->interval)
			return message_error(message, EINVAL, "invalid interval");
	} else if (limit->mode & XT_HASHLIMIT_BYTES) {
		if (!credits_of_chunk((uint32_t)limit->avg))
			return message_error(message, EINVAL, "overflow, rate too high: %llu",
					     (unsigned long long)limit->avg);
	} else if (!limit->burst ||
		   credits_of(limit->avg * limit->burst) < credits_of(limit->avg)) {
		return message_error(message, ERANGE, "overflow, try lower: %llu/%llu",
				     (unsigned long long)limit->avg,
				     (unsigned long long)limit->burst);
	}
	return 0;
}

static int check(const struct rule_context *context, const void *payload, struct message *message)
{
	const struct xt_hashlimit_mtinfo3 *info = payload;
	const struct hashlimit_cfg3 *limit = &info->cfg;
	uint8_t max_mask = context->family == NFPROTO_IPV4 ? 32 : 128;
	int r;

	r = check_file_name(info->name, sizeof(info->name), "table", message);
	if (r < 0)
		return r;
	if (!limit->gc_interval || !limit->expire)
		return message_error(message, EINVAL,
				     "--hashlimit-htable-gcinterval and --hashlimit-htable-expire "
				     "cannot be 0");
	if (limit->srcmask > max_mask || limit->dstmask > max_mask)
		return message_error(message, EINVAL, "masks of %u and %u bits", limit->srcmask,
				     limit->dstmask);
	if (limit->mode & ~(uint32_t)MODES)
		return message_error(message, EINVAL, "unknown mode 0x%x", limit->mode);
	if (!tick_rate())
		return message_error(message, EOPNOTSUPP, "the kernel's tick rate is not known");
	return check_limit(limit, message);
}

static void settle(void *payload)
{
	struct hashlimit_cfg3 *limit = &((struct xt_hashlimit_mtinfo3 *)payload)->cfg;

	if (limit->size > MAX_SIZE)
		limit->size = MAX_SIZE;
	if (limit->max > MAX_SIZE)
		limit->max = MAX_SIZE;
}

static uint8_t flags_of(uint32_t mode)
{
	return (uint8_t)((mode & XT_HASHLIMIT_INVERT ? RESIDUAL_HASHLIMIT_INVERTED : 0) |
			 (mode & XT_HASHLIMIT_BYTES ? RESIDUAL_HASHLIMIT_BYTES : 0) |
			 (mode & XT_HASHLIMIT_RATE_MATCH ? RESIDUAL_HASHLIMIT_RATE : 0));
}

static void compile(const struct rule_context *context, const void *payload,
		    struct predicate *predicate)
{
	const struct xt_hashlimit_mtinfo3 *info = payload;
	const struct residual_hashlimit operand = {
		.flags = flags_of(info->cfg.mode),
		.is_ipv6 = context->family == NFPROTO_IPV6,
	};

	predicate_residual(predicate, RESIDUAL_HASHLIMIT, &operand, sizeof(operand));
}

/* rateinfo_init() of a rate in windows of time */
static void begin_rate(const struct hashlimit_cfg3 *limit, struct hashlimit_rate *rate)
{
	if (limit->mode & XT_HASHLIMIT_BYTES) {
		rate->rate = bytes_of((uint32_t)limit->avg);
		rate->burst = limit->burst ? limit->burst * rate->rate : rate->rate;
	} else {
		rate->rate = XT_HASHLIMIT_SCALE_v2 / limit->avg;
		rate->burst = limit->burst + rate->rate;
	}
	/* Multiplied in 32 bits, as in the kernel. */
	rate->window = limit->interval * tick_rate();
}

/* rateinfo_init() */
static void begin(const void *payload, uint64_t now, void *cell)
{
	const struct hashlimit_cfg3 *limit = &((const struct xt_hashlimit_mtinfo3 *)payload)->cfg;
	struct hashlimit_rate *rate = cell;

	(void)now;
	rate->flags = flags_of(limit->mode);
	rate->second_of_bytes = credits_per_tick_of_bytes() * tick_rate();
	if (limit->mode & XT_HASHLIMIT_RATE_MATCH) {
		begin_rate(limit, rate);
	} else if (limit->mode & XT_HASHLIMIT_BYTES) {
		rate->credit = rate->second_of_bytes;
		rate->credit_cap = limit->burst;
		rate->cost = credits_of_chunk((uint32_t)limit->avg);
		rate->credits_per_tick = credits_per_tick_of_bytes();
	} else {
		rate->credit = credits_of(limit->avg * limit->burst);
		rate->credit_cap = rate->credit;
		rate->cost = credits_of(limit->avg);
		rate->credits_per_tick = credits_per_tick();
	}
}

const struct extension extension_hashlimit = {
	.kind = EXTENSION_MATCH,
	.name = "hashlimit",
	.revision = 3,
	.families = FAMILIES_ALL,
	.size = sizeof(struct xt_hashlimit_mtinfo3),
	.state = STATE_HASHLIMIT,
	.check = check,
	.settle = settle,
	.compile = compile,
	.begin = begin,
};
