/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The chain of an IPv6 packet; a part of selector.h. After net/ipv6/ip6_input.c, net/ipv6/route.c
 * and ip6_forward() (net/ipv6/ip6_output.c).
 */
#pragma once

#define IPV6_SCOPE_INTERFACE 1
#define IPV6_SCOPE_LINK      2

INLINE bool ipv6_is_multicast(const __u32 *address)
{
	return (address[0] & bpf_htonl(0xff000000)) == bpf_htonl(0xff000000);
}

INLINE __u32 ipv6_multicast_scope(const __u32 *address)
{
	return bpf_ntohl(address[0]) >> 16 & 15;
}

INLINE bool ipv6_is_link_local(const __u32 *address)
{
	return (address[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

INLINE bool ipv6_is_any(const __u32 *address)
{
	return !(address[0] | address[1] | address[2] | address[3]);
}

INLINE bool ipv6_is_loopback(const __u32 *address)
{
	return !(address[0] | address[1] | address[2] | (address[3] ^ bpf_htonl(1)));
}

/* enum selector_address_flags, 0 if the table has nothing that covers the destination. */
INLINE __u32 local_flags_ipv6(const struct selector_state *state,
			      const struct selector_packet *packet)
{
	const __u32 *destination = packet->route.ipv6_dst;
	struct selector_ipv6_address address = {
		.address = {destination[0], destination[1], destination[2], destination[3]},
		.ifindex = ipv6_is_link_local(destination) ? (__u32)packet->device->ifindex : 0,
	};
	struct selector_ipv6_prefix prefix = {
		.length = 128,
		.address = {destination[0], destination[1], destination[2], destination[3]},
	};
	const __u32 *flags = bpf_map_lookup_elem(&local_ipv6, &address);

	if (flags)
		return *flags;
	if (!state->n_prefixes[SELECTOR_IPV6])
		return 0;
	flags = bpf_map_lookup_elem(&local_nets_ipv6, &prefix);
	return flags ? *flags : 0;
}

/* ipv6_chk_mcast_addr() (net/ipv6/mcast.c) for any source. */
INLINE bool is_ipv6_member(const struct inet6_dev___network *in_device, const __u32 *group)
{
	const struct ifmcaddr6___network *member = in_device->mc_list;

	while (member) {
		const struct in6_addr *address = &member->mca_addr;

		if (address->in6_u.u6_addr32[0] == group[0] &&
		    address->in6_u.u6_addr32[1] == group[1] &&
		    address->in6_u.u6_addr32[2] == group[2] &&
		    address->in6_u.u6_addr32[3] == group[3])
			return true;
		member = member->next;
		LOOP_BOUND;
	}
	return member != NULL; /* the bound was reached: it may be one */
}

/* ip6_rcv_core() drops those before anything else happens to them. */
INLINE bool is_ipv6_martian(const struct selector_packet *packet)
{
	const __u32 *source = packet->route.ipv6_src, *destination = packet->route.ipv6_dst;

	if (ipv6_is_multicast(source) || ipv6_is_loopback(source) || ipv6_is_loopback(destination))
		return true;
	return ipv6_is_multicast(destination) &&
	       ipv6_multicast_scope(destination) <= IPV6_SCOPE_INTERFACE;
}

/* ip6_mc_input() */
INLINE enum selection select_ipv6_multicast(const struct selector_packet *packet,
					    const struct inet6_dev___network *in_device)
{
	const struct net___network *net = packet->device->nd_net.net;
	const __u32 *group = packet->route.ipv6_dst;

	if (ipv6_multicast_scope(group) > IPV6_SCOPE_LINK &&
	    net->ipv6.devconf_all->mc_forwarding.counter)
		return SELECTION_UNKNOWN;
	return is_ipv6_member(in_device, group) ? SELECTION_INPUT
						: dropped_ipv6(net, SELECTION_INPUT);
}

/* The first condition of ip6_forward(). */
INLINE bool is_ipv6_forwarding(const struct net___network *net,
			       const struct inet6_dev___network *in_device)
{
	if (net->ipv6.devconf_all->forwarding)
		return true;
	return bpf_core_field_exists(in_device->cnf.force_forwarding) &&
	       in_device->cnf.force_forwarding;
}

/*
 * A link-local address that is not this device's. With forwarding on the kernel sends such a packet
 * back to the link where it came from, with a redirect; nothing else can be on its way.
 */
INLINE enum selection select_ipv6_link_local(struct selector_packet *packet,
					     const struct inet6_dev___network *in_device,
					     bool fresh)
{
	const struct net___network *net = packet->device->nd_net.net;

	if (!is_ipv6_forwarding(net, in_device))
		return fresh ? dropped_ipv6(net, SELECTION_INPUT) : SELECTION_INPUT;
	if (!fresh)
		return SELECTION_UNKNOWN;
	packet->out = packet->device;
	return may_be_forwarded(packet) ? SELECTION_FORWARD : dropped_ipv6(net, SELECTION_FORWARD);
}

/*
 * ip6_forward() lets packets from no address, or from a link-local one, go back to the link where
 * they came from only.
 */
INLINE enum selection forward_ipv6(const struct selector_packet *packet, bool bound_to_link)
{
	const struct net___network *net = packet->device->nd_net.net;

	if (!may_be_forwarded(packet) || (bound_to_link && packet->out != packet->device))
		return dropped_ipv6(net, SELECTION_FORWARD);
	return SELECTION_FORWARD;
}

/*
 * bpf_fib_lookup() refuses link-local sources. Where only the destination decides, it is asked
 * without one.
 */
INLINE enum route_kind find_ipv6_route(void *context, struct selector_packet *packet,
				       bool from_link_local)
{
	enum route_kind kind;

	if (from_link_local)
		__builtin_memset(packet->route.ipv6_src, 0, sizeof(packet->route.ipv6_src));
	kind = follow_route(packet, look_up_route(context, packet));
	if (kind == ROUTE_FORWARD && from_link_local &&
	    packet->device->nd_net.net->ipv6.fib6_has_custom_rules)
		return ROUTE_UNKNOWN;
	return kind;
}

/*
 * In IPv6 bpf_fib_lookup() knows neither that rules suppress routes nor that a throw route ends the
 * search in its table only (net/ipv6/fib6_rules.c: fib6_rule_suppress(), fib6_rule_action_alt()).
 */
INLINE bool is_look_up_right(const struct selector_state *state, enum route_kind kind, __u32 flags)
{
	return !state->ipv6_suppress && !(kind == ROUTE_NO_FORWARD && flags & SELECTOR_THROW);
}

INLINE enum selection select_ipv6_routed(void *context, struct selector_packet *packet,
					 const struct inet6_dev___network *in_device,
					 const struct selector_state *state, __u32 flags,
					 bool fresh)
{
	const struct net___network *net = packet->device->nd_net.net;
	bool from_link_local = ipv6_is_link_local(packet->route.ipv6_src);
	bool bound_to_link = from_link_local || ipv6_is_any(packet->route.ipv6_src);
	enum route_kind kind = ROUTE_NO_FORWARD;

	if (is_ipv6_forwarding(net, in_device)) {
		/* A stale entry must not hide that the packet is forwarded. */
		if (!in_device->cnf.forwarding)
			return flags & SELECTOR_CERTAIN && fresh ? SELECTION_INPUT
								 : SELECTION_UNKNOWN;
		kind = find_ipv6_route(context, packet, from_link_local);
		if (!is_look_up_right(state, kind, flags))
			return SELECTION_UNKNOWN;
	}
	switch (kind) {
	case ROUTE_FORWARD:
		return forward_ipv6(packet, bound_to_link);
	case ROUTE_REFUSED:
		return dropped_ipv6(net, SELECTION_INPUT);
	case ROUTE_NO_FORWARD:
		return flags & SELECTOR_LOCAL || !fresh ? SELECTION_INPUT
							: dropped_ipv6(net, SELECTION_INPUT);
	default:
		return SELECTION_UNKNOWN;
	}
}

INLINE enum selection select_ipv6_unicast(void *context, struct selector_packet *packet,
					  const struct inet6_dev___network *in_device)
{
	const struct net___network *net = packet->device->nd_net.net;
	const struct selector_state *state = selector_state();
	bool fresh, link_local = ipv6_is_link_local(packet->route.ipv6_dst);
	__u32 flags;

	if (!state)
		return SELECTION_UNKNOWN;
	fresh = state->stamp[SELECTOR_IPV6] == SELECTOR_STAMP(net->ipv6.fib6_sernum.counter);
	flags = local_flags_ipv6(state, packet);
	/* A neighbour is spoken to even while routes change all the time. */
	if (link_local && flags & SELECTOR_LOCAL)
		return SELECTION_INPUT;
	if (flags & SELECTOR_CERTAIN && fresh && state->local_first[SELECTOR_IPV6])
		return SELECTION_INPUT;
	if (link_local)
		return select_ipv6_link_local(packet, in_device, fresh);
	return select_ipv6_routed(context, packet, in_device, state, flags, fresh);
}

INLINE enum selection select_ipv6(void *context, struct selector_packet *packet)
{
	const struct inet6_dev___network *in_device = packet->device->ip6_ptr;

	if (!in_device || in_device->cnf.disable_ipv6 || is_ipv6_martian(packet))
		return SELECTION_DROPPED;
	if (ipv6_is_multicast(packet->route.ipv6_dst))
		return select_ipv6_multicast(packet, in_device);
	return select_ipv6_unicast(context, packet, in_device);
}
