/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The routes that the chain selector's table holds (abi/selector.h), as a sorted list: those by
 * which the kernel takes packets for its own, and of IPv6 those of type throw.
 */
#pragma once

#include "abi/selector.h"

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct local_route {
	uint8_t family; /* enum selector_family */
	uint8_t length; /* of the prefix, in bits */
	uint8_t address[16];
	uint32_t ifindex; /* of a link-local address, otherwise 0 */
	/* What comes before is the key. */
	uint32_t flags; /* enum selector_address_flags */
};

struct local_routes {
	struct local_route *list;
	size_t n_routes;
	size_t capacity;
};

/*
 * Lists the routes of the namespace, of all tables, each key once. To be freed with
 * local_routes_free(). -ENOMEM, or what the kernel says.
 */
int local_routes_list(struct local_routes *ret_routes);
void local_routes_free(struct local_routes *routes);

/* Whether a message of rtnetlink can be about such a route. */
bool local_routes_concerned(const struct nlmsghdr *header);

/* Order of the keys, as strcmp(). */
int local_route_compare(const struct local_route *one, const struct local_route *other);
