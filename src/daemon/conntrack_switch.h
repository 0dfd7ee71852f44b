/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes the kernel track connections in this process's network namespace, per family, for as long
 * as a rule needs it, and what else a rule needs of the kernel (enum kernel_service). Conntrack
 * runs only where something asks for it; what asks here is a nftables table that everyone can see:
 *
 *	table ip bpf-iptables { chain conntrack { ct state new comment "..." } }
 *
 * No packet passes its chain; that the rule exists is enough (net/netfilter/nft_ct.c,
 * nft_ct_get_init() calls nf_ct_netns_get(), as xt_conntrack's check does). The table is owned by
 * this process, so that `nft flush ruleset` leaves it alone, and it persists: should the process
 * be killed, conntrack goes on, and the next daemon takes the table over.
 */
#pragma once

#include "common/message.h"

#include <stdint.h>

struct conntrack_switch;

/* Errors, with a reason in @message: ENOMEM, EPROTONOSUPPORT (no nfnetlink) ... */
int conntrack_switch_open(struct conntrack_switch **ret_conntrack, struct message *message);

/* Leaves the tables as they are; accepts NULL. */
void conntrack_switch_close(struct conntrack_switch *conntrack);

/*
 * When it returns 0, the kernel does what is in @services (enum kernel_service) for the family
 * (NFPROTO_IPV4, NFPROTO_IPV6); the daemon asks for nothing else any more (it goes on if something
 * else asks, too; accounting, and that bridges are filtered, goes on as it does behind iptables). A
 * table that a killed daemon left behind is replaced or removed. On failure nothing has changed;
 * errors, with a reason in @message: EPERM (another process owns a table of that name), EOPNOTSUPP
 * ...
 */
int conntrack_switch_set(struct conntrack_switch *conntrack, uint8_t family, uint32_t services,
			 struct message *message);
