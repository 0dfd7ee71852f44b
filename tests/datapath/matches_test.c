// SPDX-License-Identifier: GPL-2.0-or-later
/* Matches on the IP header and the transport header, against the kernel's functions once more. */
#include "match_trial.h"
#include "random_ruleset.h"

#include <linux/if_packet.h>
#include <linux/netfilter/xt_dccp.h>
#include <linux/netfilter/xt_dscp.h>
#include <linux/netfilter/xt_ecn.h>
#include <linux/netfilter/xt_esp.h>
#include <linux/netfilter/xt_ipcomp.h>
#include <linux/netfilter/xt_iprange.h>
#include <linux/netfilter/xt_length.h>
#include <linux/netfilter/xt_mac.h>
#include <linux/netfilter/xt_pkttype.h>
#include <linux/netfilter/xt_sctp.h>
#include <linux/netfilter/xt_tcpmss.h>
#include <linux/netfilter_ipv4/ipt_ah.h>
#include <linux/netfilter_ipv6/ip6t_ah.h>
#include <stdlib.h>

#define IS_IPV6 (TEST_FAMILY == NFPROTO_IPV6)

#define SOMETIMES (1u << TRIAL_MATCH | 1u << TRIAL_NO_MATCH)
#define DROPS     (SOMETIMES | 1u << TRIAL_HOTDROP)

/* --- the IP header --- */

static uint32_t traffic_class_of(const struct trial_packet *packet)
{
	const uint8_t *bytes = packet->bytes.bytes;

	return IS_IPV6 ? trial_u16(bytes) >> 4 & 0xff : bytes[1];
}

static void make_dscp(void *payload)
{
	*(struct xt_dscp_info *)payload = (struct xt_dscp_info){.dscp = (uint8_t)random_below(64),
								.invert = (uint8_t)random_below(3)};
}

static enum trial_outcome judge_dscp(const void *payload, const struct trial_packet *packet)
{
	const struct xt_dscp_info *info = payload;

	return trial_match((traffic_class_of(packet) >> 2 == info->dscp) != !!info->invert);
}

static void make_tos(void *payload)
{
	uint8_t mask = (uint8_t)random_below(256);

	*(struct xt_tos_match_info *)payload = (struct xt_tos_match_info){
		.tos_mask = random_below(2) ? mask : (uint8_t)(1 << random_below(8)),
		.tos_value = (uint8_t)random_below(256),
		.invert = (uint8_t)random_below(3),
	};
}

static enum trial_outcome judge_tos(const void *payload, const struct trial_packet *packet)
{
	const struct xt_tos_match_info *info = payload;

	return trial_match(((traffic_class_of(packet) & info->tos_mask) == info->tos_value) !=
			   !!info->invert);
}

static void make_length(void *payload)
{
	uint16_t first = (uint16_t)random_below(200);

	*(struct xt_length_info *)payload = (struct xt_length_info){
		.min = first,
		.max = (uint16_t)(first + random_below(100)),
		.invert = (uint8_t)random_below(3),
	};
}

static enum trial_outcome judge_length(const void *payload, const struct trial_packet *packet)
{
	const struct xt_length_info *info = payload;
	uint32_t length = IS_IPV6 ? packet->bytes.size : trial_u16(packet->bytes.bytes + 2);

	return trial_match((length >= info->min && length <= info->max) ^ info->invert);
}

static void make_address(union nf_inet_addr *address)
{
	for (int i = 0; i < 4; i++)
		address->all[i] = htonl(random_below(4) << 30 | random_below(2));
}

static void make_iprange(void *payload)
{
	struct xt_iprange_mtinfo *info = payload;

	make_address(&info->src_min);
	make_address(&info->src_max);
	make_address(&info->dst_min);
	make_address(&info->dst_max);
	info->flags = (uint8_t)random_below(64);
}

static bool in_range(const uint8_t *address, const union nf_inet_addr *first,
		     const union nf_inet_addr *last)
{
	size_t size = IS_IPV6 ? 16 : 4;

	return memcmp(address, first, size) >= 0 && memcmp(address, last, size) <= 0;
}

static enum trial_outcome judge_iprange(const void *payload, const struct trial_packet *packet)
{
	const uint8_t *source = packet->bytes.bytes + (IS_IPV6 ? 8 : 12);
	const uint8_t *destination = packet->bytes.bytes + (IS_IPV6 ? 24 : 16);
	const struct xt_iprange_mtinfo *info = payload;

	if (info->flags & IPRANGE_SRC &&
	    in_range(source, &info->src_min, &info->src_max) == !!(info->flags & IPRANGE_SRC_INV))
		return TRIAL_NO_MATCH;
	if (info->flags & IPRANGE_DST && in_range(destination, &info->dst_min, &info->dst_max) ==
						 !!(info->flags & IPRANGE_DST_INV))
		return TRIAL_NO_MATCH;
	return TRIAL_MATCH;
}

/* Test runs have packets for this host, from a device without Ethernet. */
static void make_pkttype(void *payload)
{
	*(struct xt_pkttype_info *)payload =
		(struct xt_pkttype_info){(int)random_below(4), (int)random_below(3)};
}

static enum trial_outcome judge_pkttype(const void *payload, const struct trial_packet *packet)
{
	const struct xt_pkttype_info *info = payload;

	(void)packet;
	return trial_match((info->pkttype == PACKET_HOST) ^ info->invert);
}

static void make_mac(void *payload)
{
	((struct xt_mac_info *)payload)->invert = (int)random_below(2);
}

static enum trial_outcome judge_mac(const void *payload, const struct trial_packet *packet)
{
	(void)payload;
	(void)packet;
	return TRIAL_NO_MATCH;
}

static void make_ecn(void *payload)
{
	static const uint8_t bits[] = {XT_ECN_OP_MATCH_IP, XT_ECN_OP_MATCH_ECE,
				       XT_ECN_OP_MATCH_CWR};
	struct xt_ecn_info *info = payload;

	for (size_t i = 0; i < sizeof(bits); i++) {
		info->operation |= random_below(2) ? bits[i] : 0;
		info->invert |= random_below(2) ? bits[i] : 0;
	}
	info->ip_ect = (uint8_t)random_below(random_below(4) ? 4 : 256);
}

static enum trial_outcome judge_ecn(const void *payload, const struct trial_packet *packet)
{
	const uint8_t *tcp = trial_bytes(packet, packet->transport, 20);
	const struct xt_ecn_info *info = payload;

	if (info->operation & XT_ECN_OP_MATCH_IP &&
	    ((traffic_class_of(packet) & 3) == info->ip_ect) ==
		    !!(info->invert & XT_ECN_OP_MATCH_IP))
		return TRIAL_NO_MATCH;
	if (!(info->operation & (XT_ECN_OP_MATCH_ECE | XT_ECN_OP_MATCH_CWR)))
		return TRIAL_MATCH;
	if (!tcp)
		return TRIAL_NO_MATCH;
	if (info->operation & XT_ECN_OP_MATCH_ECE &&
	    !!(tcp[13] & 0x40) == !!(info->invert & XT_ECN_OP_MATCH_ECE))
		return TRIAL_NO_MATCH;
	if (info->operation & XT_ECN_OP_MATCH_CWR &&
	    !!(tcp[13] & 0x80) == !!(info->invert & XT_ECN_OP_MATCH_CWR))
		return TRIAL_NO_MATCH;
	return TRIAL_MATCH;
}

/* --- parameter indices --- */

static uint32_t random_index(void)
{
	return random_below(2) << 16 | random_below(4);
}

static void make_indices(uint32_t indices[2])
{
	indices[0] = random_below(4) ? random_index() : 0;
	indices[1] = random_below(4) ? random_index() : UINT32_MAX;
	if (!random_below(3))
		indices[1] = indices[0];
}

static bool index_matches(const uint32_t indices[2], uint32_t index, bool invert)
{
	return (index >= indices[0] && index <= indices[1]) != invert;
}

static void make_esp(void *payload)
{
	struct xt_esp *info = payload;

	make_indices(info->spis);
	info->invflags = (uint8_t)random_below(2);
}

static void fill_esp(const void *payload, uint8_t *transport, uint32_t room)
{
	uint32_t index = htonl(random_index());

	(void)payload;
	(void)room;
	memcpy(transport, &index, sizeof(index));
	memcpy(transport + 4, &index, sizeof(index));
}

static enum trial_outcome judge_esp(const void *payload, const struct trial_packet *packet)
{
	const uint8_t *header = trial_bytes(packet, packet->transport, 8);
	const struct xt_esp *info = payload;

	if (packet->fragment)
		return TRIAL_NO_MATCH;
	return header ? trial_match(index_matches(info->spis, trial_u32(header), info->invflags))
		      : TRIAL_HOTDROP;
}

static void make_ipcomp(void *payload)
{
	struct xt_ipcomp *info = payload;

	make_indices(info->spis);
	info->invflags = (uint8_t)random_below(2);
}

static enum trial_outcome judge_ipcomp(const void *payload, const struct trial_packet *packet)
{
	const uint8_t *header = trial_bytes(packet, packet->transport, 4);
	const struct xt_ipcomp *info = payload;

	if (packet->fragment)
		return TRIAL_NO_MATCH;
	if (!header)
		return TRIAL_HOTDROP;
	return trial_match(index_matches(info->spis, trial_u16(header + 2), info->invflags));
}

#ifndef TEST_IPV6

static void make_ah(void *payload)
{
	struct ipt_ah *info = payload;

	make_indices(info->spis);
	info->invflags = (uint8_t)random_below(2);
}

static enum trial_outcome judge_ah(const void *payload, const struct trial_packet *packet)
{
	const uint8_t *header = trial_bytes(packet, packet->transport, 12);
	const struct ipt_ah *info = payload;

	if (packet->fragment)
		return TRIAL_NO_MATCH;
	if (!header)
		return TRIAL_HOTDROP;
	return trial_match(index_matches(info->spis, trial_u32(header + 4), info->invflags));
}

#endif

/* --- TCP --- */

static void make_tcpmss(void *payload)
{
	uint16_t first = (uint16_t)(random_below(3) << 8);

	*(struct xt_tcpmss_match_info *)payload = (struct xt_tcpmss_match_info){
		.mss_min = first,
		.mss_max = (uint16_t)(first + random_below(300)),
		.invert = (uint8_t)random_below(3),
	};
}

static void fill_tcp(const void *payload, uint8_t *transport, uint32_t room)
{
	(void)payload;
	for (uint32_t i = 0; i < 80 && i < room; i++)
		transport[i] = (uint8_t)random_below(random_below(8) ? 6 : 256);
	transport[12] = (uint8_t)((random_below(8) ? 5 + random_below(11) : random_below(16)) << 4);
	transport[13] = (uint8_t)random_below(256);
}

static enum trial_outcome judge_tcpmss(const void *payload, const struct trial_packet *packet)
{
	const uint8_t *header = trial_bytes(packet, packet->transport, 20);
	const struct xt_tcpmss_match_info *info = payload;
	const uint8_t *options;
	uint32_t size, step;

	if (!header || header[12] >> 4 < 5)
		return TRIAL_HOTDROP;
	size = (header[12] >> 4) * 4u - 20;
	options = trial_bytes(packet, packet->transport + 20, size);
	if (!options)
		return TRIAL_HOTDROP;
	for (uint32_t i = 0; i < size; i += step) {
		if (options[i] == 2 && size - i >= 4 && options[i + 1] == 4) {
			uint32_t mss = trial_u16(options + i + 2);

			return trial_match((mss >= info->mss_min && mss <= info->mss_max) ^
					   info->invert);
		}
		step = options[i] < 2 || i + 1 == size || !options[i + 1] ? 1 : options[i + 1];
	}
	return trial_match(info->invert);
}

/* --- SCTP and DCCP --- */

static bool in_ports(const uint16_t range[2], uint32_t port)
{
	return port >= range[0] && port <= range[1];
}

static void make_ports(uint16_t range[2])
{
	range[0] = (uint16_t)random_below(4);
	range[1] = (uint16_t)(range[0] + random_below(4));
}

static void make_sctp(void *payload)
{
	static const uint32_t ways[] = {SCTP_CHUNK_MATCH_ANY, SCTP_CHUNK_MATCH_ALL,
					SCTP_CHUNK_MATCH_ONLY, 3};
	struct xt_sctp_info *info = payload;

	make_ports(info->spts);
	make_ports(info->dpts);
	info->flags = random_below(8);
	info->invflags = random_below(8) & info->flags;
	info->chunk_match_type = ways[random_below(random_below(8) ? 3 : 4)];
	info->chunkmap[0] = random_below(16);
	info->chunkmap[4] = random_below(4) << 2;
	info->chunkmap[9] = !random_below(20);
	info->flag_count = (int)random_below(5);
	for (int i = 0; i < info->flag_count; i++) {
		info->flag_info[i].chunktype = (uint8_t)random_below(4);
		info->flag_info[i].flag_mask = (uint8_t)random_below(4);
		info->flag_info[i].flag = (uint8_t)random_below(4) & info->flag_info[i].flag_mask;
	}
}

static void fill_sctp(const void *payload, uint8_t *transport, uint32_t room)
{
	uint32_t offset = 12;

	(void)payload;
	memset(transport, 0, 4);
	transport[1] = (uint8_t)random_below(6);
	transport[3] = (uint8_t)random_below(6);
	while (offset + 4 <= room) {
		uint8_t *chunk = transport + offset;
		uint32_t length = random_below(30) ? 1 + random_below(24) : random_below(2) * 2000;

		chunk[0] = (uint8_t)(random_below(6) ? random_below(4) : 128 + random_below(4));
		chunk[1] = (uint8_t)random_below(4);
		chunk[2] = (uint8_t)(length >> 8);
		chunk[3] = (uint8_t)length;
		offset += length ? (length + 3) & ~3u : 4;
	}
}

static bool sctp_flags_match(const struct xt_sctp_info *info, const uint8_t *chunk)
{
	for (int i = 0; i < info->flag_count; i++)
		if (info->flag_info[i].chunktype == chunk[0])
			return (chunk[1] & info->flag_info[i].flag_mask) == info->flag_info[i].flag;
	return true;
}

static enum trial_outcome judge_chunks(const struct xt_sctp_info *info,
				       const struct trial_packet *packet)
{
	uint32_t offset = packet->transport + 12;
	bool found[256] = {false}, any = false, only = true, all = true;

	do {
		const uint8_t *chunk = trial_bytes(packet, offset, 4);
		bool wanted;

		if (!chunk || !trial_u16(chunk + 2))
			return TRIAL_HOTDROP;
		offset += (trial_u16(chunk + 2) + 3) & ~3u;
		wanted = info->chunkmap[chunk[0] / 32] >> chunk[0] % 32 & 1 &&
			 sctp_flags_match(info, chunk);
		found[chunk[0]] |= wanted;
		any |= wanted;
		only &= wanted;
		/* These two are known before the end of the packet, which may be a broken chunk. */
		if (any && info->chunk_match_type == SCTP_CHUNK_MATCH_ANY)
			return TRIAL_MATCH;
		if (!only && info->chunk_match_type == SCTP_CHUNK_MATCH_ONLY)
			return TRIAL_NO_MATCH;
	} while (offset < packet->bytes.size);
	for (uint32_t type = 0; type < 64 * 32; type++)
		if (info->chunkmap[type / 32] >> type % 32 & 1)
			all &= type < 256 && found[type];
	if (info->chunk_match_type == SCTP_CHUNK_MATCH_ALL)
		return trial_match(all);
	return trial_match(info->chunk_match_type == SCTP_CHUNK_MATCH_ONLY);
}

/* Inverted, what drops a packet is a match. */
static enum trial_outcome inverted(enum trial_outcome outcome)
{
	if (outcome == TRIAL_HOTDROP)
		return TRIAL_DOOMED;
	return trial_match(outcome == TRIAL_NO_MATCH);
}

static enum trial_outcome judge_sctp(const void *payload, const struct trial_packet *packet)
{
	const uint8_t *header = trial_bytes(packet, packet->transport, 12);
	const struct xt_sctp_info *info = payload;
	enum trial_outcome outcome;

	if (packet->fragment)
		return TRIAL_NO_MATCH;
	if (!header)
		return TRIAL_HOTDROP;
	if (info->flags & XT_SCTP_SRC_PORTS &&
	    in_ports(info->spts, trial_u16(header)) == !!(info->invflags & XT_SCTP_SRC_PORTS))
		return TRIAL_NO_MATCH;
	if (info->flags & XT_SCTP_DEST_PORTS &&
	    in_ports(info->dpts, trial_u16(header + 2)) == !!(info->invflags & XT_SCTP_DEST_PORTS))
		return TRIAL_NO_MATCH;
	if (!(info->flags & XT_SCTP_CHUNK_TYPES))
		return TRIAL_MATCH;
	outcome = judge_chunks(info, packet);
	return info->invflags & XT_SCTP_CHUNK_TYPES ? inverted(outcome) : outcome;
}

static void make_dccp(void *payload)
{
	struct xt_dccp_info *info = payload;

	make_ports(info->spts);
	make_ports(info->dpts);
	info->flags = (uint16_t)random_below(16);
	info->invflags = (uint16_t)random_below(16) & info->flags;
	info->typemask = (uint16_t)random_below(65536);
	info->option = (uint8_t)(1 + random_below(40));
}

static void fill_dccp(const void *payload, uint8_t *transport, uint32_t room)
{
	(void)payload;
	for (uint32_t i = 12; i < room; i++)
		transport[i] = (uint8_t)random_below(random_below(8) ? 6 : 44);
	memset(transport, 0, 4);
	transport[1] = (uint8_t)random_below(6);
	transport[3] = (uint8_t)random_below(6);
	transport[4] = (uint8_t)(random_below(20) ? random_below(14) : random_below(256));
}

/* RFC 4340 sections 5.1 and 5.2 to 5.6: where a type's options begin. */
static uint32_t dccp_options_begin(const uint8_t *header)
{
	static const uint8_t sizes[16] = {4, 12, 0, 8, 8, 8, 8, 12, 8, 8, 12, 12, 12, 12, 12, 12};

	return 12 + (header[8] & 1 ? 4 : 0) + sizes[header[8] >> 1 & 15];
}

static enum trial_outcome judge_dccp_option(uint8_t option, const uint8_t *header,
					    const struct trial_packet *packet)
{
	uint32_t begin = dccp_options_begin(header);
	uint32_t end = header[4] * 4u;
	const uint8_t *options;
	uint32_t step;

	if (end < begin)
		return TRIAL_HOTDROP;
	if (end == begin)
		return TRIAL_NO_MATCH;
	options = trial_bytes(packet, packet->transport + begin, end - begin);
	if (!options)
		return TRIAL_HOTDROP;
	for (uint32_t i = 0; i < end - begin; i += step) {
		if (options[i] == option)
			return TRIAL_MATCH;
		step = 1;
		if (options[i] >= 2 && i + 1 < end - begin && options[i + 1])
			step = options[i + 1];
	}
	return TRIAL_NO_MATCH;
}

static enum trial_outcome judge_dccp(const void *payload, const struct trial_packet *packet)
{
	const uint8_t *header = trial_bytes(packet, packet->transport, 12);
	const struct xt_dccp_info *info = payload;
	enum trial_outcome outcome;

	if (packet->fragment)
		return TRIAL_NO_MATCH;
	if (!header)
		return TRIAL_HOTDROP;
	if (info->flags & XT_DCCP_SRC_PORTS &&
	    in_ports(info->spts, trial_u16(header)) == !!(info->invflags & XT_DCCP_SRC_PORTS))
		return TRIAL_NO_MATCH;
	if (info->flags & XT_DCCP_DEST_PORTS &&
	    in_ports(info->dpts, trial_u16(header + 2)) == !!(info->invflags & XT_DCCP_DEST_PORTS))
		return TRIAL_NO_MATCH;
	if (info->flags & XT_DCCP_TYPE &&
	    (info->typemask >> (header[8] >> 1 & 15) & 1) == !!(info->invflags & XT_DCCP_TYPE))
		return TRIAL_NO_MATCH;
	if (!(info->flags & XT_DCCP_OPTION))
		return TRIAL_MATCH;
	outcome = judge_dccp_option(info->option, header, packet);
	return info->invflags & XT_DCCP_OPTION ? inverted(outcome) : outcome;
}

static const struct trial trials[] = {
	{"dscp", 0, 0, sizeof(struct xt_dscp_info), 40, 60, make_dscp, NULL, judge_dscp, SOMETIMES},
	{"tos", 1, 0, sizeof(struct xt_tos_match_info), 40, 60, make_tos, NULL, judge_tos,
	 SOMETIMES},
	{"length", 0, 0, sizeof(struct xt_length_info), 40, 60, make_length, NULL, judge_length,
	 SOMETIMES},
	{"iprange", 1, 0, sizeof(struct xt_iprange_mtinfo), 60, 60, make_iprange, NULL,
	 judge_iprange, SOMETIMES},
	{"pkttype", 0, 0, sizeof(struct xt_pkttype_info), 20, 3, make_pkttype, NULL, judge_pkttype,
	 SOMETIMES},
	{"mac", 0, 0, sizeof(struct xt_mac_info), 2, 3, make_mac, NULL, judge_mac, 0},
	{"ecn", 0, IPPROTO_TCP, sizeof(struct xt_ecn_info), 60, 60, make_ecn, fill_tcp, judge_ecn,
	 SOMETIMES},
	{"esp", 0, IPPROTO_ESP, sizeof(struct xt_esp), 60, 60, make_esp, fill_esp, judge_esp,
	 DROPS},
	{"ipcomp", 0, IPPROTO_COMP, sizeof(struct xt_ipcomp), 60, 60, make_ipcomp, fill_esp,
	 judge_ipcomp, DROPS},
#ifndef TEST_IPV6
	{"ah", 0, IPPROTO_AH, sizeof(struct ipt_ah), 60, 60, make_ah, fill_esp, judge_ah, DROPS},
#endif
	{"tcpmss", 0, IPPROTO_TCP, sizeof(struct xt_tcpmss_match_info), 200, 150, make_tcpmss,
	 fill_tcp, judge_tcpmss, DROPS},
	{"sctp", 0, IPPROTO_SCTP, sizeof(struct xt_sctp_info), 150, 100, make_sctp, fill_sctp,
	 judge_sctp, DROPS | 1u << TRIAL_DOOMED},
	{"dccp", 0, IPPROTO_DCCP, sizeof(struct xt_dccp_info), 300, 150, make_dccp, fill_dccp,
	 judge_dccp, DROPS | 1u << TRIAL_DOOMED},
};

int main(void)
{
	return trial_main(trials, sizeof(trials) / sizeof(trials[0]));
}
