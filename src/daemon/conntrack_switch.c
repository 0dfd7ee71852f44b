// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/conntrack_switch.h"

#include "common/cleanup.h"
#include "nft/transaction.h"
#include "ruleset/extension.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter/xt_physdev.h>
#include <string.h>

#define TABLE_NAME "bpf-iptables"
#define CHAIN_NAME "conntrack"

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

static int explain(int error, uint8_t family, uint32_t services, struct message *message)
{
	const char *family_name = family == NFPROTO_IPV6 ? "ip6" : "ip";
	const char *verb = services ? "on" : "off";
	const char *more =
		services & ~(uint32_t)SERVICE_CONNTRACK ? " and what else rules need" : "";

	if (error == -EPERM)
		return message_error(message, EPERM,
				     "cannot switch connection tracking%s %s: another process owns "
				     "the nftables table '%s " TABLE_NAME "'",
				     more, verb, family_name);
	return message_error(message, -error,
			     "cannot switch connection tracking%s %s by the nftables table "
			     "'%s " TABLE_NAME "': %s",
			     more, verb, family_name, strerror(-error));
}

/*
 * x_tables' own match makes sure that the kernel can do it: xt_physdev.c physdev_mt_check() loads
 * br_netfilter.
 */
static void put_bridged(struct nft_rule *rule)
{
	const struct xt_physdev_info info = {.bitmask = XT_PHYSDEV_OP_BRIDGED};
	uint8_t payload[XT_ALIGN(sizeof(info))] = {};

	memcpy(payload, &info, sizeof(info));
	nft_put_match(rule, "physdev", 0, payload, sizeof(payload));
}

static const struct {
	uint32_t service;
	void (*put)(struct nft_rule *rule);
	const char *comment;
} rules[] = {
	{SERVICE_CONNTRACK, nft_put_state_new,
	 "bpf-iptablesd: a filter rule needs connection tracking"},
	/* net/netfilter/nft_ct.c nft_ct_get_init() */
	{SERVICE_ACCOUNTING, nft_put_bytes_known,
	 "bpf-iptablesd: a filter rule needs the bytes of connections"},
	/* nft_ct_set_init(): to set labels is what makes the kernel keep them. */
	{SERVICE_LABELS, nft_put_set_label,
	 "bpf-iptablesd: a filter rule needs the labels of connections"},
	{SERVICE_BRIDGES, put_bridged, "bpf-iptablesd: a filter rule is about bridged packets"},
};

static void put_rules(struct nft_transaction *transaction, uint32_t services)
{
	struct nft_rule rule;

	nft_new_table(transaction, true);
	nft_new_chain(transaction, CHAIN_NAME);
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		if (!(services & rules[i].service))
			continue;
		nft_begin_rule(transaction, CHAIN_NAME, &rule);
		rules[i].put(&rule);
		nft_end_rule_with_comment(&rule, rules[i].comment);
	}
}

int conntrack_switch_set(struct conntrack_switch *conntrack, uint8_t family, uint32_t services,
			 struct message *message)
{
	struct nft_transaction transaction;
	int error;

	nft_begin(&transaction, &conntrack->nft, family, TABLE_NAME);
	nft_destroy_table(&transaction);
	if (services)
		put_rules(&transaction, services);
	error = nft_commit(&conntrack->nft, &transaction);
	/* A kernel without nftables has no table to be removed. */
	if (!services && error == -EOPNOTSUPP)
		error = 0;
	/* What was needed before may not be needed now, be there something else. */
	if (!error)
		nft_await_removal();
	return error ? explain(error, family, services, message) : 0;
}
