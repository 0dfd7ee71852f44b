/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets at a device: those that come in, behind the chain selector, and those that this machine
 * sends. With connection tracking (bpf/tracker.h) around the judgement while any rule asks for it.
 */
#pragma once

#include "bpf/device_source.h"

#include "abi/devices.h"
#include "bpf/device_track.h"
#include "bpf/handover.h"
#include "bpf/judge.h"

#include <linux/if_ether.h>

/* Of a packet that this machine has not sent to itself: no label. */
#define NOT_SENT (~0u)

/* What becomes of a packet. */
enum device_verdict {
	DEVICE_PASS,
	DEVICE_DROP,
};

INLINE void route_ipv4(struct selector_packet *to, const struct device_work *work)
{
	const struct in6_addr *header = source_front_of(work, 0);

	to->route.family = ADDRESS_FAMILY_IPV4;
	to->route.tos = header->in6_u.u6_addr8[1];
	to->route.l4_protocol = header->in6_u.u6_addr8[9];
	to->route.ipv4_src = header->in6_u.u6_addr32[3];
	to->route.ipv4_dst = source_front_of(work, 16)->in6_u.u6_addr32[0];
	to->hop_limit = header->in6_u.u6_addr8[8];
}

INLINE void route_ipv6(struct selector_packet *to, const struct device_work *work)
{
	const struct in6_addr *header = source_front_of(work, 0);
	const struct in6_addr *source = source_front_of(work, 8);
	const struct in6_addr *destination = source_front_of(work, 24);

	to->route.family = ADDRESS_FAMILY_IPV6;
	to->route.flowinfo = header->in6_u.u6_addr32[0] & bpf_htonl(0x0fffffff);
	to->route.l4_protocol = header->in6_u.u6_addr8[6];
	for (int i = 0; i < 4; i++) {
		to->route.ipv6_src[i] = source->in6_u.u6_addr32[i];
		to->route.ipv6_dst[i] = destination->in6_u.u6_addr32[i];
	}
	to->hop_limit = header->in6_u.u6_addr8[7];
}

/* Ports matter to routing by policy. */
INLINE void route_ports(struct selector_packet *to, const struct device_work *work, bool ipv6)
{
	const struct in6_addr *header = source_front_of(work, 0);
	struct transport_bytes bytes;
	__u32 offset = IPV6_BASE_SIZE;

	if (!ipv6) {
		if (header->in6_u.u6_addr16[3] & bpf_htons(IPV4_OFFSET_MASK))
			return;
		offset = (header->in6_u.u6_addr8[0] & 15) * 4;
	}
	if (!protocol_has_ports(to->route.l4_protocol) || work->linear < offset + 4)
		return;
	source_transport_of(work, offset, &bytes);
	to->route.sport = (__be16)bytes.ports;
	to->route.dport = (__be16)(bytes.ports >> 16);
}

/* IPv6: does the destination mean something on its link only? Then a VRF does not take it over. */
INLINE bool stays_on_link(const struct device_work *work)
{
	__u32 front = bpf_ntohl(source_front_of(work, 24)->in6_u.u6_addr32[0]);

	return front >> 24 == 0xff || front >> 22 == 0xfe80 >> 6;
}

/* The chain of a packet that comes in; work->in and work->out are set. */
GLOBAL int choose_chain(SOURCE *ctx, struct device_work *work NONNULL_ARG, bool ipv6)
{
	struct selector_packet packet = {};
	enum selection selection;

	if (ipv6)
		route_ipv6(&packet, work);
	else
		route_ipv4(&packet, work);
	route_ports(&packet, work, ipv6);
	packet.device = KERNEL_POINTER(struct net_device___network, work->in);
	packet.frame = work->frame;
	packet.mark = work->mark;
	selection = select_chain(ctx, &packet);
	work->in = (__u64)selector_in_device(packet.device, ipv6 && stays_on_link(work));
	work->out = selection == SELECTION_FORWARD ? (__u64)packet.out : 0;
	return (int)selection;
}

INLINE void fill_addresses(struct tracker_packet *to, const struct device_work *work, bool ipv6)
{
	const __u32 *ipv4 = (const __u32 *)work->front;

	if (ipv6) {
		to->source = (struct tracker_address){{work->front[1], work->front[2]}};
		to->destination = (struct tracker_address){{work->front[3], work->front[4]}};
	} else {
		to->source = (struct tracker_address){{ipv4[3], 0}};
		to->destination = (struct tracker_address){{ipv4[4], 0}};
	}
}

INLINE void fill_ipv4_fragment(struct tracker_packet *to, const struct device_work *work)
{
	const struct in6_addr *header = source_front_of(work, 0);
	__u32 fragment = bpf_ntohs(header->in6_u.u6_addr16[3]);

	to->fragment_id = header->in6_u.u6_addr16[2];
	to->fragment_offset = (__u16)((fragment & IPV4_OFFSET_MASK) * 8);
	to->more_fragments = !!(fragment & IPV4_MORE_FRAGMENTS);
}

INLINE void fill_ipv6_fragment(SOURCE *ctx, struct tracker_packet *to, __u8 *bytes)
{
	struct ipv6_header found = {};

	to->fragment_offset = 0;
	to->more_fragments = 0;
	if (find_ipv6_header(ctx, NEXTHDR_FRAGMENT, &found) != NEXTHDR_FRAGMENT ||
	    !read_packet_bytes(ctx, bytes, IPV6_FRAGMENT_SIZE, found.offset))
		return;
	to->fragment_offset = big_endian_16(bytes + 2) & ~7u;
	to->more_fragments = bytes[3] & IPV6_MORE_FRAGMENTS;
	to->fragment_id = big_endian_32(bytes + 4);
}

/*
 * The matches of rules have more of a routing header than net/ipv6/exthdrs_core.c
 * ipv6_skip_exthdr(), which connection tracking asks: a chain that is cut short for the former may
 * lead to a protocol for the latter, behind the packet's end.
 */
INLINE void follow_cut_chain(SOURCE *ctx, const struct device_work *work, struct tracker_packet *to)
{
	const struct in6_addr *header = source_front_of(work, 0);

	to->quoted.protocol = header->in6_u.u6_addr8[6];
	if (!skip_quoted_extensions(ctx, to, IPV6_BASE_SIZE))
		return;
	to->protocol = to->quoted.protocol;
	to->shape = SHAPE_TINY;
	to->length = 0;
}

/* What the tracker says of the packet: work->label. Returns false if it could not be read. */
GLOBAL int track_packet(SOURCE *ctx, struct device_work *work NONNULL_ARG,
			struct tracker_work *tracking NONNULL_ARG, bool ipv6)
{
	struct tracker_packet *to = &tracking->packet;
	struct packet *packet = &work->packet;

	*packet = (struct packet){};
	if (ipv6 ? !read_ipv6_packet(packet, ctx, IMAGE_NEEDS_TRANSPORT)
		 : !read_ipv4_packet(packet, ctx, IMAGE_NEEDS_TRANSPORT))
		return false;
	to->family = ipv6 ? ARENA_IPV6 : ARENA_IPV4;
	to->protocol = (__u8)packet_narrow(packet, FIELD_PROTOCOL);
	to->shape = (__u8)packet_shape(packet);
	to->hop_limit = (__u8)packet_narrow(packet, FIELD_HOP_LIMIT);
	to->length = work->length > packet->transport ? work->length - packet->transport : 0;
	to->n_options = 0;
	fill_addresses(to, work, ipv6);
	if (ipv6)
		fill_ipv6_fragment(ctx, to, work->bytes);
	else
		fill_ipv4_fragment(to, work);
	if (ipv6 && to->shape == SHAPE_BROKEN)
		follow_cut_chain(ctx, work, to);
	if (to->shape < SHAPE_BROKEN)
		fill_transport(ctx, work, to, packet->transport);
	return true;
}

/*
 * What was learnt of the same packet when it was sent, at OUTPUT, where it got @label. Its
 * connection may have ended with it since (a reset does that), which the packet still belongs to.
 */
INLINE __u32 label_again(struct tracker_work *tracking, __u32 label)
{
	struct tracker_entry *entry;
	int identified;

	tracking->now = tracker_now();
	tracking->has_connection = false;
	if (tracking->packet.shape >= SHAPE_FRAGMENT_1)
		return (__u32)tracker_label_fragment(tracking);
	identified = tracker_identify(tracking);
	if (identified != TRACKER_LOOK_UP)
		return (__u32)identified;
	entry = bpf_map_lookup_elem(&tracker_table, &tracking->key);
	if (!entry)
		return CONNTRACK_INVALID;
	bpf_spin_lock(&entry->lock);
	/* Its memory may be another connection's by now. */
	if (entry->connection.ticket && tracker_is_current(&entry->connection) &&
	    tracker_keys_equal(&entry->connection.key, &tracking->key))
		tracker_note(tracking, &entry->connection);
	bpf_spin_unlock(&entry->lock);
	return tracking->has_connection ? label : CONNTRACK_INVALID;
}

/* @sent: the label that it got when it was sent, NOT_SENT if it comes from elsewhere. */
GLOBAL int label_packet(struct tracker_work *tracking NONNULL_ARG, __u32 sent)
{
	return sent == NOT_SENT ? tracker_label(tracking) : (int)label_again(tracking, sent);
}

/* An accepted packet begins a connection, if it does; not 0 if there is no room for one. */
GLOBAL int keep_connection(struct tracker_work *tracking NONNULL_ARG)
{
	return tracker_commit(tracking);
}

/* Judges the packet that work describes at @hook. @sent: see label_packet(). */
INLINE enum device_verdict judge_packet(SOURCE *ctx, struct device_work *work,
					enum arena_family family, enum arena_hook hook, __u32 sent)
{
	bool tracks = arena_root()->tracks[family];
	struct tracker_work *tracking = NULL;
	int label;

	work->label = 0;
	work->has_read = tracks;
	if (tracks) {
		tracking = tracker_work();
		if (!tracking || !track_packet(ctx, work, tracking, family == ARENA_IPV6)) {
			note_failure(ARENA_FAILURE_HEADER);
			return DEVICE_DROP;
		}
		label = label_packet(tracking, sent);
		if (label & TRACKER_FOLLOWS)
			return DEVICE_PASS;
		work->label = (__u32)label;
	}
	if (!judge(ctx, family, hook, &work->packet))
		return DEVICE_DROP;
	if (tracks && sent == NOT_SENT && work->label & TRACKER_COMMIT && keep_connection(tracking))
		return DEVICE_DROP;
	return DEVICE_PASS;
}

/* So much of a packet is in one piece when it is looked at. */
#define MAX_HEADERS 128u

/* What comes of looking at a packet. */
enum description {
	DESCRIBED,
	NOT_OURS,   /* no IP, another device's, or the stack drops it without asking iptables */
	UNREADABLE, /* its header is not in one piece: nobody knows what the stack makes of it */
};

/* A packet that cannot be judged must not pass. */
INLINE enum device_verdict without_judgement(enum description description)
{
	if (description == NOT_OURS)
		return DEVICE_PASS;
	note_failure(ARENA_FAILURE_HEADER);
	return DEVICE_DROP;
}

#define VLAN_TAG_SIZE     4
#define VLAN_ID_MASK      0x0fff
#define MAX_PRIORITY_TAGS 8

INLINE bool is_vlan_tag(__be16 type)
{
	return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD);
}

/*
 * Tags that name no VLAN, but a priority only, are taken off by the stack, which then goes on at
 * the same device, however many there are (net/core/dev.c __netif_receive_skb_core()). Moves work
 * behind them, and says whether there is IP, given the frame's type.
 */
INLINE enum description find_packet(struct device_work *work, __be16 type, bool *ret_ipv6)
{
	for (int i = 0; is_vlan_tag(type); i++) {
		const struct in6_addr *tag = kernel_bytes(work->header);

		if (i == MAX_PRIORITY_TAGS || work->linear < VLAN_TAG_SIZE)
			return UNREADABLE;
		/* The device above takes it; if there is none nobody does. */
		if (tag->in6_u.u6_addr16[0] & bpf_htons(VLAN_ID_MASK))
			return NOT_OURS;
		type = tag->in6_u.u6_addr16[1];
		work->header += VLAN_TAG_SIZE;
		work->offset += VLAN_TAG_SIZE;
		work->linear -= VLAN_TAG_SIZE;
	}
	*ret_ipv6 = type == bpf_htons(ETH_P_IPV6);
	return type == bpf_htons(ETH_P_IP) || *ret_ipv6 ? DESCRIBED : NOT_OURS;
}

/* The length of a packet that comes in, of which all else in work is set but label and devices. */
INLINE enum description measure_packet(struct device_work *work, bool ipv6, __u32 available,
				       bool merged)
{
	__u32 needed = ipv6 ? IPV6_BASE_SIZE : IPV4_HEADER_MAX_SIZE;

	if (work->linear < (available < needed ? available : needed))
		return UNREADABLE;
	if (ipv6)
		work->length = ipv6_packet_length(work->front, work->linear, available);
	else
		work->length = ipv4_packet_length(work->front, work->header, work->linear,
						  available, merged);
	return work->length ? DESCRIBED : NOT_OURS;
}

/*
 * Marks a packet that passes unjudged because the stack drops it (abi/devices.h). Returns false if
 * that is not possible.
 */
static bool mark_left(SOURCE *ctx);

/* Has the packet been judged at XDP already? Then those behind are to know it as well. */
INLINE bool was_judged(SOURCE *ctx, enum arena_family family, enum arena_hook hook)
{
	return handover_note(ctx, handover_where(HANDOVER_XDP, family, hook), true) &&
	       (handover_note(ctx, handover_where(HANDOVER_TC, family, hook), false), true);
}

/* Of work, whose packet has been accepted. */
GLOBAL int note_accepted(SOURCE *ctx)
{
	const struct device_work *work = device_work();

	return work && handover_note(ctx, work->where, false);
}

/* @sent: see label_packet(). @stage: where we are. */
INLINE enum device_verdict judge_incoming(SOURCE *ctx, struct device_work *work, bool ipv6,
					  __u32 sent, enum handover_stage stage)
{
	enum arena_family family = ipv6 ? ARENA_IPV6 : ARENA_IPV4;
	enum arena_hook hook = ARENA_INPUT;

	switch (choose_chain(ctx, work, ipv6)) {
	case SELECTION_NONE:
		return DEVICE_PASS;
	case SELECTION_DROPPED:
		if (mark_left(ctx))
			return DEVICE_PASS;
		break;
	case SELECTION_INPUT:
		break;
	case SELECTION_FORWARD:
		hook = ARENA_FORWARD;
		break;
	default:
		note_failure(ARENA_FAILURE_ROUTE);
		return DEVICE_DROP;
	}
	work->where = handover_where(stage, family, hook);
	if (stage == HANDOVER_TC && judges_now(JUDGES_HANDOVER) && was_judged(ctx, family, hook))
		return DEVICE_PASS;
	if (judge_packet(ctx, work, family, hook, sent) == DEVICE_DROP)
		return DEVICE_DROP;
	if (judges_now(JUDGES_HANDOVER))
		note_accepted(ctx);
	return DEVICE_PASS;
}
