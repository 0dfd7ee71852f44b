// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/local_addresses.h"

#include "abi/selector.h"
#include "common/cleanup.h"
#include "datapath/local_routes.h"
#include "datapath/route_netlink.h"
#include "datapath/routing_rules.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

struct local_addresses {
	struct local_addresses_maps maps;
	struct mnl_socket *socket;
	struct selector_state *state; /* shared with the programs */
	struct local_routes routes;   /* what is in the maps */
	uint64_t last_stamp[SELECTOR_FAMILIES];
	bool stale;  /* the maps may lack something */
	bool failed; /* and that has been said */
};

struct events {
	bool any;
	bool concerned;
};

static void cleanup_addresses(struct local_addresses **addresses)
{
	local_addresses_close(*addresses);
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int map_state(struct local_addresses *addresses, struct message *message)
{
	void *state = mmap(NULL, sizeof(struct selector_state), PROT_READ | PROT_WRITE, MAP_SHARED,
			   addresses->maps.state, 0);

	if (state == MAP_FAILED)
		return message_error(message, errno, "cannot map the selector's state: %s",
				     strerror(errno));
	addresses->state = state;
	return 0;
}

static int listen_to_routes(struct local_addresses *addresses, struct message *message)
{
	static const int groups[] = {
		RTNLGRP_LINK,       RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
		RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE,   RTNLGRP_IPV6_RULE,
	};

	return route_netlink_listen(groups, ARRAY_SIZE(groups), &addresses->socket, message);
}

/* The key of @route for its map; that map's descriptor. */
static int map_of(const struct local_addresses *addresses, const struct local_route *route,
		  void *key)
{
	struct selector_ipv6_address address = {.ifindex = route->ifindex};
	struct selector_ipv4_prefix ipv4 = {.length = route->length};
	struct selector_ipv6_prefix ipv6 = {.length = route->length};

	if (route->family == SELECTOR_IPV4) {
		memcpy(&ipv4.address, route->address, sizeof(ipv4.address));
		if (route->length == 32)
			memcpy(key, &ipv4.address, sizeof(ipv4.address));
		else
			memcpy(key, &ipv4, sizeof(ipv4));
		return route->length == 32 ? addresses->maps.ipv4 : addresses->maps.nets_ipv4;
	}
	memcpy(address.address, route->address, sizeof(address.address));
	memcpy(ipv6.address, route->address, sizeof(ipv6.address));
	if (route->length == 128)
		memcpy(key, &address, sizeof(address));
	else
		memcpy(key, &ipv6, sizeof(ipv6));
	return route->length == 128 ? addresses->maps.ipv6 : addresses->maps.nets_ipv6;
}

static bool is_prefix(const struct local_route *route)
{
	return route->length != (route->family == SELECTOR_IPV4 ? 32 : 128);
}

static int put(struct local_addresses *addresses, const struct local_route *route)
{
	struct selector_ipv6_address key; /* the longest */
	int map = map_of(addresses, route, &key);

	return bpf_map_update_elem(map, &key, &route->flags, BPF_ANY) ? -errno : 0;
}

static int take_away(struct local_addresses *addresses, const struct local_route *route)
{
	struct selector_ipv6_address key;
	int map = map_of(addresses, route, &key);

	return bpf_map_delete_elem(map, &key) && errno != ENOENT ? -errno : 0;
}

static void count_prefixes(struct local_addresses *addresses, const struct local_routes *routes)
{
	__u32 count[SELECTOR_FAMILIES] = {0};

	for (size_t i = 0; i < routes->n_routes; i++)
		count[routes->list[i].family] += is_prefix(&routes->list[i]);
	for (int family = 0; family < SELECTOR_FAMILIES; family++)
		__atomic_store_n(&addresses->state->n_prefixes[family], count[family],
				 __ATOMIC_RELEASE);
}

/*
 * Brings the maps from the old list to @routes, both sorted, entry by entry: at no time does one
 * lack that is in both.
 */
static int apply(struct local_addresses *addresses, const struct local_routes *routes)
{
	const struct local_routes *old = &addresses->routes;
	size_t i = 0, j = 0;
	int error = 0;

	while (!error && (i < old->n_routes || j < routes->n_routes)) {
		int order = i == old->n_routes ? 1
			    : j == routes->n_routes
				    ? -1
				    : local_route_compare(&old->list[i], &routes->list[j]);

		if (order < 0)
			error = take_away(addresses, &old->list[i]);
		else if (order > 0 || old->list[i].flags != routes->list[j].flags)
			error = put(addresses, &routes->list[j]);
		i += order <= 0;
		j += order >= 0;
	}
	return error;
}

/* Starts over with empty maps: what is in them is not known. */
static void forget(struct local_addresses *addresses)
{
	const int maps[] = {addresses->maps.ipv4, addresses->maps.ipv6, addresses->maps.nets_ipv4,
			    addresses->maps.nets_ipv6};
	struct selector_ipv6_address key;

	for (size_t i = 0; i < ARRAY_SIZE(maps); i++)
		while (bpf_map_get_next_key(maps[i], NULL, &key) == 0 &&
		       bpf_map_delete_elem(maps[i], &key) == 0)
			continue;
	local_routes_free(&addresses->routes);
}

static void note_rules(struct local_addresses *addresses, const struct routing_rules *rules)
{
	for (int family = 0; family < SELECTOR_FAMILIES; family++)
		__atomic_store_n(&addresses->state->local_first[family], rules->local_first[family],
				 __ATOMIC_RELEASE);
	__atomic_store_n(&addresses->state->ipv6_suppress, rules->suppress, __ATOMIC_RELEASE);
}

/* What programs remember of the table before this is not to be believed any more. */
static void renew_version(struct local_addresses *addresses)
{
	__u32 next = addresses->state->version + 1;

	__atomic_store_n(&addresses->state->version, next ? next : 1, __ATOMIC_RELEASE);
}

static int refresh(struct local_addresses *addresses, struct message *message)
{
	struct local_routes routes = {0};
	struct routing_rules rules = {0};
	int error = routing_rules_read(&rules);

	if (!error)
		error = local_routes_list(&routes);
	if (error)
		return message_error(message, -error, "cannot list the routes and rules: %s",
				     strerror(-error));
	note_rules(addresses, &rules);
	count_prefixes(addresses, &routes);
	error = apply(addresses, &routes);
	if (error) {
		local_routes_free(&routes);
		forget(addresses);
		renew_version(addresses);
		return message_error(message, -error,
				     "cannot note all local addresses: %s (there is room for "
				     "%d of each family, and for %d networks)",
				     strerror(-error), SELECTOR_ADDRESSES, SELECTOR_PREFIXES);
	}
	renew_version(addresses);
	local_routes_free(&addresses->routes);
	addresses->routes = routes;
	return 0;
}

static int read_stamps(struct local_addresses *addresses)
{
	char frame[64] = {0}; /* any that is long enough */
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = 1);

	return bpf_prog_test_run_opts(addresses->maps.stamps, &options) ? -errno : 0;
}

static int note_event(const struct nlmsghdr *header, void *data)
{
	struct events *events = data;

	events->any = true;
	events->concerned |= local_routes_concerned(header);
	return MNL_CB_OK;
}

static struct events read_events(struct local_addresses *addresses)
{
	struct events events = {0};

	/* Whatever is wrong with the socket, the routes may have changed. */
	if (route_netlink_receive(addresses->socket, note_event, &events))
		events.any = events.concerned = true;
	return events;
}

static bool note_stamps(struct local_addresses *addresses)
{
	bool same = true;

	for (int family = 0; family < SELECTOR_FAMILIES; family++) {
		same &= addresses->state->kernel_stamp[family] == addresses->last_stamp[family];
		addresses->last_stamp[family] = addresses->state->kernel_stamp[family];
	}
	return same;
}

static bool is_stamped(const struct local_addresses *addresses)
{
	return memcmp(addresses->state->stamp, addresses->last_stamp,
		      sizeof(addresses->last_stamp)) == 0;
}

static void give_stamps(struct local_addresses *addresses)
{
	for (int family = 0; family < SELECTOR_FAMILIES; family++)
		__atomic_store_n(&addresses->state->stamp[family], addresses->last_stamp[family],
				 __ATOMIC_RELEASE);
}

/*
 * The kernel counts a change before it tells of it, and it may do either before or after the route
 * is there for packets. So the stamp is given if, from one look to another some time later, its
 * count has not moved and nothing has been told.
 */
static int step(struct local_addresses *addresses, struct message *message)
{
	struct events events = read_events(addresses);
	int error = read_stamps(addresses);
	bool same = note_stamps(addresses);

	if (error)
		return message_error(message, -error, "cannot read the state of the routes: %s",
				     strerror(-error));
	if (events.concerned || addresses->stale || (!same && !events.any)) {
		addresses->stale = true;
		error = refresh(addresses, message);
		addresses->stale = error != 0;
		return error;
	}
	if (same && !events.any && !is_stamped(addresses))
		give_stamps(addresses);
	return 0;
}

int local_addresses_process(struct local_addresses *addresses, uint64_t *ret_deadline,
			    struct message *message)
{
	int error = step(addresses, message);
	bool before = addresses->failed;

	addresses->failed = error != 0;
	*ret_deadline = now() + (error || is_stamped(addresses) ? LOCAL_ADDRESSES_CHECK
								: LOCAL_ADDRESSES_SETTLE);
	return before ? 0 : error;
}

int local_addresses_open(const struct local_addresses_maps *maps,
			 struct local_addresses **ret_addresses, struct message *message)
{
	__attribute__((cleanup(cleanup_addresses))) struct local_addresses *addresses =
		calloc(1, sizeof(*addresses));
	int error;

	if (!addresses)
		return message_error(message, ENOMEM, "out of memory");
	addresses->maps = *maps;
	error = map_state(addresses, message);
	if (!error)
		error = listen_to_routes(addresses, message);
	if (!error) {
		__u32 version = addresses->state->version; /* there may have been a table before */

		memset(addresses->state, 0, sizeof(*addresses->state));
		addresses->state->version = version;
		forget(addresses);
		error = refresh(addresses, message);
	}
	if (error)
		return error;
	*ret_addresses = take_pointer(addresses);
	return 0;
}

void local_addresses_close(struct local_addresses *addresses)
{
	if (!addresses)
		return;
	/* Nobody keeps the table any more: it is not to be believed. */
	if (addresses->state) {
		memset(addresses->state->stamp, 0, sizeof(addresses->state->stamp));
		munmap(addresses->state, sizeof(*addresses->state));
	}
	if (addresses->socket)
		mnl_socket_close(addresses->socket);
	local_routes_free(&addresses->routes);
	free(addresses);
}

int local_addresses_fd(const struct local_addresses *addresses)
{
	return mnl_socket_get_fd(addresses->socket);
}
