/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changes of nftables' tables (net/netfilter/nf_tables_api.c), several at once: all of a
 * transaction's take effect, or none. Only what the daemon's own tables need.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mnl_socket;
struct nlmsghdr;
struct nlattr;

/* Tables of a connection are gone with it, but for persistent ones. */
struct nft_connection {
	struct mnl_socket *socket; /* NULL: closed */
	uint32_t sequence;
	uint32_t refused; /* the number of the change that nft_commit() failed for */
};

int nft_open(struct nft_connection *connection); /* 0 or -errno */
void nft_close(struct nft_connection *connection);

/*
 * Running out of memory is remembered until nft_commit(). Zero-initialized but for the family it is
 * not begun yet; nft_commit() frees it.
 */
struct nft_transaction {
	uint8_t family;    /* NFPROTO_IPV4 or NFPROTO_IPV6 */
	const char *table; /* that all changes are about */
	char *buffer;
	size_t size;
	size_t capacity;
	uint32_t sequence; /* the number of the next change */
	bool failed;
};

void nft_begin(struct nft_transaction *transaction, const struct nft_connection *connection,
	       uint8_t family, const char *table);

/*
 * Sends what has been put together. On failure nothing has changed: -ENOMEM, -EPERM (another
 * process owns a table of that name), -EOPNOTSUPP, or what the kernel says to the first change that
 * it refuses.
 */
int nft_commit(struct nft_connection *connection, struct nft_transaction *transaction);

/*
 * nftables takes a removed rule apart later, in a work queue, and until then keeps what it holds
 * (it tracks connections, uses an ipset ...). When this returns, that is over for all that were
 * removed.
 */
void nft_await_removal(void);

/* The table, if it is there; a persistent one outlives its connection. */
void nft_destroy_table(struct nft_transaction *transaction);
void nft_new_table(struct nft_transaction *transaction, bool persistent);

void nft_new_chain(struct nft_transaction *transaction, const char *chain);
/* At hook @hook (NF_INET_LOCAL_IN ...), type "filter", policy accept. */
void nft_new_base_chain(struct nft_transaction *transaction, const char *chain, uint32_t hook,
			int32_t priority);
void nft_delete_chain(struct nft_transaction *transaction, const char *chain);
/* Removes the chain's rules. */
void nft_flush_chain(struct nft_transaction *transaction, const char *chain);

/* A rule at the end of a chain: begun, filled with expressions, ended. */
struct nft_rule {
	struct nft_transaction *transaction;
	struct nlmsghdr *header; /* NULL: no memory */
	struct nlattr *expressions;
};

void nft_begin_rule(struct nft_transaction *transaction, const char *chain, struct nft_rule *rule);
void nft_end_rule(struct nft_rule *rule);
/* The same, with a comment that `nft list` shows. */
void nft_end_rule_with_comment(struct nft_rule *rule, const char *comment);

/*
 * x_tables' match or target (net/netfilter/nft_compat.c), with the payload that it has in an
 * iptables rule; @size bytes.
 */
void nft_put_match(struct nft_rule *rule, const char *name, uint8_t revision, const void *payload,
		   size_t size);
void nft_put_target(struct nft_rule *rule, const char *name, uint8_t revision, const void *payload,
		    size_t size);
/* What such a match or target is to know of its rule: the protocol that it asks for; 0: any. */
void nft_put_protocol(struct nft_rule *rule, uint16_t protocol, bool inverted);

/* nft_reject.c; @type: enum nft_reject_types. */
void nft_put_reject(struct nft_rule *rule, uint32_t type, uint8_t icmp_code);

/* NF_ACCEPT, NF_DROP, or NFT_JUMP and NFT_GOTO with a chain (else NULL). */
void nft_put_verdict(struct nft_rule *rule, int verdict, const char *chain);

/* True for packets that begin a connection. That it is there makes the kernel track them. */
void nft_put_state_new(struct nft_rule *rule);

/* True for packets of connections of which bytes have been counted: makes the kernel count them. */
void nft_put_bytes_known(struct nft_rule *rule);

/* Sets the first label of the packet's connection: makes the kernel keep labels of them. */
void nft_put_set_label(struct nft_rule *rule);
