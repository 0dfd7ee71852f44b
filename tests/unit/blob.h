/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables as iptables sends them, for tests: chains, rules and matches are added one after the
 * other, and blob_build() lays them out as a struct ipt_replace, as libiptc does. Running out of
 * memory, and names that are not there, end the program. struct ipt_replace serves both families:
 * it is the same as struct ip6t_replace.
 *
 *     struct blob *blob = blob_new();
 *     struct ipt_ip *ip = blob_rule(blob, "INPUT", "web");
 *     ip->proto = IPPROTO_TCP;
 *     blob_match(blob, "tcp", 0, &tcp, sizeof(tcp));
 *     blob_chain(blob, "web");
 *     blob_rule(blob, "web", "ACCEPT");
 *     struct ipt_replace *replace = blob_build(blob, &length);
 */
#pragma once

/* The C library's definitions first: the kernel's headers then leave theirs out. */
#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <stddef.h>
#include <stdint.h>

struct blob;

/* The filter table, empty: INPUT, FORWARD and OUTPUT, policy ACCEPT. */
struct blob *blob_new(void);
struct blob *blob_new_ipv6(void);

void blob_free(struct blob *blob); /* accepts NULL */

/* A new user chain. Chains are laid out in the order in which they were added. */
void blob_chain(struct blob *blob, const char *name);

/* @verdict: NF_ACCEPT or NF_DROP, or any number that a test wants to see there. */
void blob_policy(struct blob *blob, const char *chain, int verdict);

/*
 * Appends a rule to @chain, and returns its IP header to be filled in, which is valid until the
 * next rule is added. @target: NULL for none, "ACCEPT", "DROP", "RETURN", "QUEUE", or a chain,
 * which may be added later.
 */
struct ipt_ip *blob_rule(struct blob *blob, const char *chain, const char *target);

/* The same in a table of blob_new_ipv6(). A protocol needs the flag IP6T_F_PROTO. */
struct ip6t_ip6 *blob_rule_ipv6(struct blob *blob, const char *chain, const char *target);

/* Appends a match to the rule that was added last. */
void blob_match(struct blob *blob, const char *name, uint8_t revision, const void *payload,
		size_t size);

/* Gives the rule that was added last a target extension. */
void blob_target(struct blob *blob, const char *name, uint8_t revision, const void *payload,
		 size_t size);

/* Lays the table out. Freed by the caller; @ret_length is that of the whole, in bytes. */
struct ipt_replace *blob_build(const struct blob *blob, size_t *ret_length);

/* The entry with this index in what blob_build() made. */
struct ipt_entry *blob_entry(struct ipt_replace *replace, unsigned int index);
struct ip6t_entry *blob_entry_ipv6(struct ipt_replace *replace, unsigned int index);
