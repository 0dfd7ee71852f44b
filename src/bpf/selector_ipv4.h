/* SPDX-License-Identifier: GPL-2.0-only */
/* The chain of an IPv4 packet; a part of selector.h. After net/ipv4/route.c, ip_route_input_*(). */
#pragma once

#define IPV4_IN_NET(address, net, length) \
	(((address) & bpf_htonl(~0u << (32 - (length)))) == bpf_htonl(net))
#define ipv4_is_multicast(address)       IPV4_IN_NET(address, 0xe0000000, 4)
#define ipv4_is_local_multicast(address) IPV4_IN_NET(address, 0xe0000000, 24)
#define ipv4_is_loopback(address)        IPV4_IN_NET(address, 0x7f000000, 8)
#define IPV4_BROADCAST                   0xffffffffu

/* enum selector_address_flags, 0 if the table has nothing that covers @address. */
INLINE __u32 local_flags_ipv4(const struct selector_state *state, __be32 address)
{
	const __u32 *flags = bpf_map_lookup_elem(&local_ipv4, &address);
	struct selector_ipv4_prefix prefix = {.length = 32, .address = address};

	if (flags)
		return *flags;
	if (!state->n_prefixes[SELECTOR_IPV4])
		return 0;
	flags = bpf_map_lookup_elem(&local_nets_ipv4, &prefix);
	return flags ? *flags : 0;
}

/* The same, most often without a look at the table. */
INLINE __u32 remembered_flags_ipv4(const struct selector_state *state, __be32 address)
{
	__u32 version = *(const volatile __u32 *)&state->version;
	__u32 slot = (address ^ address >> 24) % SELECTOR_REMEMBERED;
	struct selector_remembered *remembered = bpf_map_lookup_elem(&local_remembered, &slot);

	if (!remembered)
		return local_flags_ipv4(state, address);
	if (remembered->address != address || remembered->version != version || !version) {
		remembered->flags = local_flags_ipv4(state, address);
		remembered->address = address;
		remembered->version = version;
	}
	return remembered->flags;
}

/* ip_check_mc_rcu() (net/ipv4/igmp.c), but for sources that the member does not want. */
INLINE bool is_ipv4_member(const struct in_device___network *in_device, __be32 group)
{
	const struct ip_mc_list___network *member = in_device->mc_list;

	while (member) {
		if (member->multiaddr == group)
			return true;
		member = member->next_rcu;
		LOOP_BOUND;
	}
	return member != NULL; /* the bound was reached: it may be one */
}

INLINE bool is_ipv4_conf_of_both(const struct net___network *net,
				 const struct in_device___network *in_device, __u32 attribute)
{
	return device_ipv4_conf(in_device, attribute) && net->ipv4.devconf_all->data[attribute - 1];
}

INLINE enum selection select_ipv4_multicast(const struct selector_packet *packet,
					    const struct in_device___network *in_device)
{
	const struct net___network *net = packet->device->nd_net.net;
	__be32 group = packet->route.ipv4_dst;
	device_t master;

	if (!ipv4_is_local_multicast(group) &&
	    is_ipv4_conf_of_both(net, in_device, IPV4_DEVCONF_MC_FORWARDING))
		return SELECTION_UNKNOWN;
	if (is_ipv4_member(in_device, group))
		return SELECTION_INPUT;
	master = selector_in_device(packet->device, false);
	if (master != packet->device && master->ip_ptr && is_ipv4_member(master->ip_ptr, group))
		return SELECTION_INPUT;
	return dropped_ipv4(net, SELECTION_INPUT);
}

/* Addresses that ip_route_input_slow() does not look for in its tables. */
INLINE bool is_ipv4_martian(const struct selector_packet *packet,
			    const struct in_device___network *in_device)
{
	__be32 source = packet->route.ipv4_src, destination = packet->route.ipv4_dst;

	if (!source || !destination)
		return true;
	if (!ipv4_is_loopback(source) && !ipv4_is_loopback(destination))
		return false;
	return !device_ipv4_conf(in_device, IPV4_DEVCONF_ROUTE_LOCALNET) &&
	       !packet->device->nd_net.net->ipv4.devconf_all->data[IPV4_DEVCONF_ROUTE_LOCALNET - 1];
}

/* A packet for an address of the table. */
INLINE enum selection local_or_broadcast(const struct net___network *net,
					 const struct in_device___network *in_device, __u32 flags)
{
	if (flags & SELECTOR_BROADCAST &&
	    is_ipv4_conf_of_both(net, in_device, IPV4_DEVCONF_BC_FORWARDING))
		return SELECTION_UNKNOWN;
	return SELECTION_INPUT;
}

INLINE enum selection select_ipv4_unicast(void *context, struct selector_packet *packet,
					  const struct in_device___network *in_device)
{
	const struct net___network *net = packet->device->nd_net.net;
	const struct selector_state *state = selector_state();
	enum route_kind kind = ROUTE_NO_FORWARD;
	bool fresh, may_go = may_be_forwarded(packet);
	__u32 flags;

	if (!state)
		return SELECTION_UNKNOWN;
	fresh = state->stamp[SELECTOR_IPV4] == SELECTOR_STAMP(net->ipv4.rt_genid.counter);
	flags = remembered_flags_ipv4(state, packet->route.ipv4_dst);
	if (flags & SELECTOR_CERTAIN && fresh && state->local_first[SELECTOR_IPV4])
		return local_or_broadcast(net, in_device, flags);
	if (ipv4_is_loopback(packet->route.ipv4_dst))
		flags |= SELECTOR_LOCAL;
	if (device_ipv4_conf(in_device, IPV4_DEVCONF_FORWARDING))
		kind = follow_route(packet, look_up_route(context, packet));
	switch (kind) {
	case ROUTE_FORWARD:
		return may_go ? SELECTION_FORWARD : dropped_ipv4(net, SELECTION_FORWARD);
	case ROUTE_REFUSED:
		return dropped_ipv4(net, SELECTION_INPUT);
	case ROUTE_NO_FORWARD:
		if (flags)
			return local_or_broadcast(net, in_device, flags);
		return fresh ? dropped_ipv4(net, SELECTION_INPUT) : SELECTION_INPUT;
	default:
		return SELECTION_UNKNOWN;
	}
}

INLINE enum selection select_ipv4(void *context, struct selector_packet *packet)
{
	const struct in_device___network *in_device = packet->device->ip_ptr;
	const struct net___network *net = packet->device->nd_net.net;
	__be32 source = packet->route.ipv4_src, destination = packet->route.ipv4_dst;

	if (!in_device)
		return SELECTION_DROPPED; /* IP is disabled on the device: ip_route_input_slow() */
	if (ipv4_is_multicast(destination))
		return select_ipv4_multicast(packet, in_device);
	if (ipv4_is_multicast(source) || source == IPV4_BROADCAST)
		return dropped_ipv4(net, SELECTION_INPUT);
	if (destination == IPV4_BROADCAST || (!source && !destination))
		return SELECTION_INPUT;
	if (is_ipv4_martian(packet, in_device))
		return dropped_ipv4(net, SELECTION_INPUT);
	return select_ipv4_unicast(context, packet, in_device);
}
