// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Matches on any bytes of the packet, on extension headers and on the clock, against the kernel's
 * functions once more.
 */
#include "match_trial.h"
#include "random_ruleset.h"

#include <linux/netfilter/xt_string.h>
#include <linux/netfilter/xt_time.h>
#include <linux/netfilter/xt_u32.h>
#include <linux/netfilter_ipv6/ip6t_ah.h>
#include <linux/netfilter_ipv6/ip6t_srh.h>
#include <stdlib.h>
#include <time.h>

#define SOMETIMES (1u << TRIAL_MATCH | 1u << TRIAL_NO_MATCH)

/* --- u32 --- */

static void make_u32(void *payload)
{
	struct xt_u32 *info = payload;

	info->ntests = (uint8_t)random_below(4);
	info->invert = (uint8_t)random_below(3);
	for (unsigned int i = 0; i < info->ntests; i++) {
		struct xt_u32_test *test = &info->tests[i];

		test->nnums = (uint8_t)random_below(random_below(4) ? 4 : 12);
		test->nvalues = (uint8_t)(random_below(8) ? 1 + random_below(11) : 0);
		test->location[0].number = random_below(8) ? random_below(60) : UINT32_MAX - 3;
		for (unsigned int n = 1; n < test->nnums; n++) {
			uint8_t operation = (uint8_t)random_below(5);
			uint32_t number = 1u << random_below(6);

			if (operation == XT_U32_AND)
				number = random_below(2) ? 0xff : 0xf000003c;
			else if (operation == XT_U32_AT)
				number = random_below(8) ? random_below(40) : UINT32_MAX - 7;
			else
				number &= 31;
			test->location[n].nextop = operation;
			test->location[n].number = number;
		}
		for (unsigned int n = 0; n < test->nvalues; n++) {
			test->value[n].min = random_below(2) ? random_below(64) : 0;
			test->value[n].max = random_below(3) ? UINT32_MAX >> random_below(32)
							     : test->value[n].min;
		}
	}
}

/* Small numbers, so that they lead to places in the packet. */
static void fill_small(const void *payload, uint8_t *transport, uint32_t room)
{
	(void)payload;
	for (uint32_t i = 0; i < room; i++)
		transport[i] = (uint8_t)(random_below(4) ? 0 : random_below(48));
}

/* Positions are 32 bits wide and wrap around, as the kernel's. */
static bool u32_value(const struct xt_u32_test *test, const struct trial_packet *packet,
		      uint32_t *ret_value)
{
	const uint8_t *bytes = trial_bytes(packet, test->location[0].number, 4);
	uint32_t length = packet->bytes.size, at = 0, value;

	if (!bytes)
		return false;
	value = trial_u32(bytes);
	for (unsigned int n = 1; n < test->nnums; n++) {
		uint32_t number = test->location[n].number;

		if (test->location[n].nextop == XT_U32_AND)
			value &= number;
		if (test->location[n].nextop == XT_U32_LEFTSH)
			value <<= number;
		if (test->location[n].nextop == XT_U32_RIGHTSH)
			value >>= number;
		if (test->location[n].nextop != XT_U32_AT)
			continue;
		if ((uint64_t)at + value + 4 > length)
			return false;
		at += value;
		bytes = number > length ? NULL : trial_bytes(packet, at + number, 4);
		if (!bytes)
			return false;
		value = trial_u32(bytes);
	}
	*ret_value = value;
	return true;
}

static bool u32_test_holds(const struct xt_u32_test *test, const struct trial_packet *packet)
{
	uint32_t value;

	if (!u32_value(test, packet, &value))
		return false;
	for (unsigned int n = 0; n < test->nvalues; n++)
		if (value >= test->value[n].min && value <= test->value[n].max)
			return true;
	return false;
}

static enum trial_outcome judge_u32(const void *payload, const struct trial_packet *packet)
{
	const struct xt_u32 *info = payload;
	bool all = true;

	for (unsigned int i = 0; i < info->ntests; i++)
		all &= u32_test_holds(&info->tests[i], packet);
	return trial_match(all ^ info->invert);
}

/* --- string --- */

/* Few letters, so that parts of the pattern come up everywhere. */
static uint8_t random_letter(void)
{
	static const uint8_t letters[] = "aaaabbAB";

	return letters[random_below(sizeof(letters) - 1)];
}

static void make_string(void *payload)
{
	struct xt_string_info *info = payload;

	strcpy(info->algo, random_below(2) ? "bm" : "kmp");
	info->u.v1.flags = (uint8_t)random_below(4);
	info->patlen = (uint8_t)(1 + random_below(random_below(6) ? 7 : 128));
	/* Much of it is there more than once. */
	for (unsigned int i = 0; i < info->patlen; i++)
		info->pattern[i] = i > 1 && random_below(3) ? info->pattern[random_below(2)]
							    : (char)random_letter();
	info->from_offset = (uint16_t)(random_below(2) ? 0 : random_below(100));
	info->to_offset =
		random_below(2) ? UINT16_MAX : (uint16_t)(info->from_offset + random_below(120));
}

/* Parts of the pattern, one behind the other, mostly those that it begins with. */
static void fill_text(const void *payload, uint8_t *transport, uint32_t room)
{
	const struct xt_string_info *info = payload;
	uint32_t filled = 0;

	while (filled < room) {
		uint32_t first = random_below(3) ? 0 : random_below(info->patlen);
		uint32_t length = 1 + random_below(info->patlen - first);

		if (length > room - filled)
			length = room - filled;
		memcpy(transport + filled, info->pattern + first, length);
		filled += length;
		if (!random_below(6))
			transport[filled - 1] = random_letter();
	}
}

static uint8_t fold(uint8_t byte, bool folds)
{
	return folds && byte >= 'a' && byte <= 'z' ? byte - 32 : byte;
}

static bool stands_at(const struct xt_string_info *info, const uint8_t *bytes)
{
	bool folds = info->u.v1.flags & XT_STRING_FLAG_IGNORECASE;

	for (unsigned int i = 0; i < info->patlen; i++)
		if (fold((uint8_t)info->pattern[i], folds) != fold(bytes[i], folds))
			return false;
	return true;
}

static enum trial_outcome judge_string(const void *payload, const struct trial_packet *packet)
{
	const struct xt_string_info *info = payload;
	bool found = false;

	for (uint32_t place = info->from_offset; place + info->patlen <= info->to_offset; place++) {
		const uint8_t *bytes = trial_bytes(packet, place, info->patlen);

		if (!bytes)
			break;
		found |= stands_at(info, bytes);
	}
	return trial_match(found != !!(info->u.v1.flags & XT_STRING_FLAG_INVERT));
}

/* --- time --- */

#define DAY 86400

/* Windows whose ends are hours away: the moment does not matter. */
static void make_time(void *payload)
{
	uint32_t now = (uint32_t)time(NULL);
	uint32_t second = now % DAY;
	struct xt_time_info *info = payload;

	*info = (struct xt_time_info){
		.date_stop = UINT32_MAX,
		.daytime_stop = DAY - 1,
		.monthdays_match = XT_TIME_ALL_MONTHDAYS,
		.weekdays_match = XT_TIME_ALL_WEEKDAYS,
	};
	if (random_below(2))
		info->date_start = now + 7200 - random_below(2) * 14400;
	if (random_below(2))
		info->date_stop = now + 7200 - random_below(2) * 14400;
	if (random_below(2)) {
		info->daytime_start = (second + 7200 + random_below(2) * 7200) % DAY;
		info->daytime_stop = (second + DAY - 7200 + random_below(3) * 7200 * 3) % DAY;
	}
	if (random_below(4) == 0)
		info->weekdays_match = (uint8_t)(random_below(128) << 1);
}

static enum trial_outcome judge_time(const void *payload, const struct trial_packet *packet)
{
	const struct xt_time_info *info = payload;
	time_t now = time(NULL);
	uint32_t second = now % DAY;
	struct tm date;
	bool in_day;

	(void)packet;
	gmtime_r(&now, &date);
	in_day = info->daytime_start < info->daytime_stop
			 ? second >= info->daytime_start && second <= info->daytime_stop
			 : second >= info->daytime_start || second <= info->daytime_stop;
	return trial_match(now >= info->date_start && now <= info->date_stop && in_day &&
			   info->weekdays_match >> (date.tm_wday ? date.tm_wday : 7) & 1);
}

#ifdef TEST_IPV6

/* --- extension headers, right behind the IP header --- */

static void make_ah(void *payload)
{
	struct ip6t_ah *info = payload;

	info->spis[0] = random_below(3);
	info->spis[1] = info->spis[0] + random_below(3);
	info->hdrlen = random_below(2) ? 0 : 8 + 4 * random_below(5);
	info->hdrres = (uint8_t)random_below(2);
	info->invflags = (uint8_t)random_below(4);
}

static void fill_ah(const void *payload, uint8_t *transport, uint32_t room)
{
	(void)payload;
	(void)room;
	memset(transport, 0, 8);
	transport[0] = IPPROTO_UDP;
	transport[1] = (uint8_t)(random_below(8) ? random_below(6) : 255);
	transport[2] = (uint8_t)!random_below(3);
	transport[7] = (uint8_t)random_below(5);
}

static enum trial_outcome judge_ah(const void *payload, const struct trial_packet *packet)
{
	uint32_t offset = packet->transport ? packet->transport : 48;
	const uint8_t *header = trial_bytes(packet, offset, 12);
	const struct ip6t_ah *info = payload;
	uint32_t size;

	/* In a later fragment the search ends before it gets there. */
	if (packet->fragment)
		return TRIAL_NO_MATCH;
	if (!header)
		return TRIAL_HOTDROP;
	size = (header[1] + 2) * 4u;
	if (!trial_bytes(packet, offset, size))
		return TRIAL_HOTDROP;
	if ((trial_u32(header + 4) >= info->spis[0] && trial_u32(header + 4) <= info->spis[1]) ==
	    !!(info->invflags & IP6T_AH_INV_SPI))
		return TRIAL_NO_MATCH;
	if (info->hdrlen && (info->hdrlen == size) == !!(info->invflags & IP6T_AH_INV_LEN))
		return TRIAL_NO_MATCH;
	return trial_match(!info->hdrres || !trial_u16(header + 2));
}

static void random_segment(struct in6_addr *address)
{
	memset(address, 0, sizeof(*address));
	address->s6_addr[15] = (uint8_t)random_below(3);
}

static void random_mask(struct in6_addr *mask)
{
	memset(mask, random_below(4) ? 0xff : 0, sizeof(*mask));
	mask->s6_addr[15] = random_below(3) ? 0xff : 1;
}

static void make_srh(void *payload)
{
	struct ip6t_srh1 *info = payload;

	info->next_hdr = random_below(2) ? IPPROTO_UDP : IPPROTO_TCP;
	info->hdr_len = (uint8_t)random_below(6);
	info->segs_left = (uint8_t)random_below(4);
	info->last_entry = (uint8_t)random_below(4);
	info->tag = (uint16_t)(random_below(2) << 8);
	info->mt_flags =
		(uint16_t)(random_below(IP6T_SRH_MASK + 1) & random_below(IP6T_SRH_MASK + 1) &
			   random_below(IP6T_SRH_MASK + 1));
	info->mt_invflags = (uint16_t)random_below(IP6T_SRH_MASK + 1);
	random_segment(&info->psid_addr);
	random_segment(&info->nsid_addr);
	random_segment(&info->lsid_addr);
	random_mask(&info->psid_msk);
	random_mask(&info->nsid_msk);
	random_mask(&info->lsid_msk);
}

static void fill_srh(const void *payload, uint8_t *transport, uint32_t room)
{
	(void)payload;
	memset(transport, 0, room);
	transport[0] = random_below(2) ? IPPROTO_UDP : IPPROTO_TCP;
	transport[1] = (uint8_t)random_below(6);
	transport[2] = random_below(12) ? 4 : 2;
	transport[3] = (uint8_t)random_below(4);
	transport[4] = (uint8_t)random_below(4);
	transport[7] = (uint8_t)random_below(2);
	for (uint32_t segment = 8; segment + 16 <= room; segment += 16)
		transport[segment + 15] = (uint8_t)random_below(3);
}

static bool srh_holds(const struct ip6t_srh1 *info, uint32_t flag, bool holds)
{
	return !(info->mt_flags & flag) || holds != !!(info->mt_invflags & flag);
}

static bool srh_segment_holds(const struct ip6t_srh1 *info, uint32_t flag,
			      const struct trial_packet *packet, uint32_t number,
			      const struct in6_addr *address, const struct in6_addr *mask)
{
	const uint8_t *segment =
		trial_bytes(packet, packet->transport + 8 + 16 * number, sizeof(*address));
	bool same = true;

	for (int i = 0; segment && i < 16; i++)
		same &= (segment[i] & mask->s6_addr[i]) == (address->s6_addr[i] & mask->s6_addr[i]);
	return segment && srh_holds(info, flag, same);
}

static enum trial_outcome judge_srh(const void *payload, const struct trial_packet *packet)
{
	const uint8_t *header = trial_bytes(packet, packet->transport, 8);
	const struct ip6t_srh1 *info = payload;
	uint32_t left, last;
	bool holds;

	if (packet->fragment || !header ||
	    !trial_bytes(packet, packet->transport, (header[1] + 1) * 8u) || header[2] != 4)
		return TRIAL_NO_MATCH;
	left = header[3];
	last = header[4];
	if (left > last)
		return TRIAL_NO_MATCH;
	holds = srh_holds(info, IP6T_SRH_NEXTHDR, header[0] == info->next_hdr) &&
		srh_holds(info, IP6T_SRH_LEN_EQ, header[1] == info->hdr_len) &&
		srh_holds(info, IP6T_SRH_LEN_GT, header[1] > info->hdr_len) &&
		srh_holds(info, IP6T_SRH_LEN_LT, header[1] < info->hdr_len) &&
		srh_holds(info, IP6T_SRH_SEGS_EQ, left == info->segs_left) &&
		srh_holds(info, IP6T_SRH_SEGS_GT, left > info->segs_left) &&
		srh_holds(info, IP6T_SRH_SEGS_LT, left < info->segs_left) &&
		srh_holds(info, IP6T_SRH_LAST_EQ, last == info->last_entry) &&
		srh_holds(info, IP6T_SRH_LAST_GT, last > info->last_entry) &&
		srh_holds(info, IP6T_SRH_LAST_LT, last < info->last_entry) &&
		srh_holds(info, IP6T_SRH_TAG, trial_u16(header + 6) == ntohs(info->tag));
	if (info->mt_flags & IP6T_SRH_PSID)
		holds &= left != last && srh_segment_holds(info, IP6T_SRH_PSID, packet, left + 1,
							   &info->psid_addr, &info->psid_msk);
	if (info->mt_flags & IP6T_SRH_NSID)
		holds &= left && srh_segment_holds(info, IP6T_SRH_NSID, packet, left - 1,
						   &info->nsid_addr, &info->nsid_msk);
	if (info->mt_flags & IP6T_SRH_LSID)
		holds &= srh_segment_holds(info, IP6T_SRH_LSID, packet, 0, &info->lsid_addr,
					   &info->lsid_msk);
	return trial_match(holds);
}

#endif

static const struct trial trials[] = {
	{"u32", 0, 0, sizeof(struct xt_u32), 200, 60, make_u32, fill_small, judge_u32, SOMETIMES},
	{"string", 1, 0, sizeof(struct xt_string_info), 200, 60, make_string, fill_text,
	 judge_string, SOMETIMES},
	{"time", 0, 0, sizeof(struct xt_time_info), 100, 2, make_time, NULL, judge_time, SOMETIMES},
#ifdef TEST_IPV6
	{"ah", 0, 0, sizeof(struct ip6t_ah), 100, 60, make_ah, fill_ah, judge_ah,
	 SOMETIMES | 1u << TRIAL_HOTDROP, IPPROTO_AH},
	{"srh", 1, 0, sizeof(struct ip6t_srh1), 150, 60, make_srh, fill_srh, judge_srh, SOMETIMES,
	 IPPROTO_ROUTING},
#endif
};

int main(void)
{
	return trial_main(trials, sizeof(trials) / sizeof(trials[0]));
}
