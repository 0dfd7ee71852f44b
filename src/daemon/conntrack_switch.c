// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/conntrack_switch.h"

#include "common/cleanup.h"
#include "nft/transaction.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <string.h>

#define TABLE_NAME "bpf-iptables"
#define CHAIN_NAME "conntrack"
#define COMMENT    "bpf-iptablesd: a filter rule needs connection tracking"

struct conntrack_switch {
	struct nft_connection nft;
};

int conntrack_switch_open(struct conntrack_switch **ret_conntrack, struct message *message)
{
	_cleanup_free_ struct conntrack_switch *conntrack = calloc(1, sizeof(*conntrack));
	int error;

	if (!conntrack)
		return message_error(message, ENOMEM, "out of memory");

	error = nft_open(&conntrack->nft);
	if (error)
		return message_error(message, -error, "cannot speak to netfilter: %s",
				     strerror(-error));
	*ret_conntrack = take_pointer(conntrack);
	return 0;
}

void conntrack_switch_close(struct conntrack_switch *conntrack)
{
	if (!conntrack)
		return;

	nft_close(&conntrack->nft);
	free(conntrack);
}

static int explain(int error, uint8_t family, bool on, struct message *message)
{
	const char *family_name = family == NFPROTO_IPV6 ? "ip6" : "ip";
	const char *verb = on ? "on" : "off";

	if (error == -EPERM)
		return message_error(message, EPERM,
				     "cannot switch connection tracking %s: another process owns "
				     "the nftables table '%s " TABLE_NAME "'",
				     verb, family_name);
	return message_error(message, -error,
			     "cannot switch connection tracking %s by the nftables table "
			     "'%s " TABLE_NAME "': %s",
			     verb, family_name, strerror(-error));
}

int conntrack_switch_set(struct conntrack_switch *conntrack, uint8_t family, bool on,
			 struct message *message)
{
	struct nft_transaction transaction;
	struct nft_rule rule;
	int error;

	nft_begin(&transaction, &conntrack->nft, family, TABLE_NAME);
	nft_destroy_table(&transaction);
	if (on) {
		nft_new_table(&transaction, true);
		nft_new_chain(&transaction, CHAIN_NAME);
		nft_begin_rule(&transaction, CHAIN_NAME, &rule);
		nft_put_state_new(&rule);
		nft_end_rule_with_comment(&rule, COMMENT);
	}
	error = nft_commit(&conntrack->nft, &transaction);
	/* A kernel without nftables has no table to be removed. */
	if (!on && error == -EOPNOTSUPP)
		error = 0;
	if (!on && !error)
		nft_await_removal();
	return error ? explain(error, family, on, message) : 0;
}
