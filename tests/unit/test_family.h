/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of what both families do alike: such a test is built twice, once with TEST_IPV6 defined,
 * and names everything that differs by these names.
 */
#pragma once

#include "blob.h"

#include <string.h>

#ifdef TEST_IPV6

#define TEST_FAMILY     NFPROTO_IPV6
#define TEST_ARENA      ARENA_IPV6
#define OTHER_FAMILY    NFPROTO_IPV4
#define TEST_NAME(name) name "-ipv6"
#define IP_F_GOTO       IP6T_F_GOTO
#define IP_INV_PROTO    IP6T_INV_PROTO
#define IP_INV_SRCIP    IP6T_INV_SRCIP
#define IP_F_UNKNOWN    0x08
#define IP_ICMP         IPPROTO_ICMPV6
#define EMPTY_SIZE      856  /* bytes of the kernel's first table */
#define ip_header       ipv6 /* of struct ip_entry */

typedef struct ip6t_entry ip_entry;
typedef struct ip6t_ip6 ip_rule;

static inline struct blob *table_new(void)
{
	return blob_new_ipv6();
}

static inline ip_rule *table_rule(struct blob *blob, const char *chain, const char *target)
{
	return blob_rule_ipv6(blob, chain, target);
}

static inline ip_entry *table_entry(struct ipt_replace *replace, unsigned int index)
{
	return blob_entry_ipv6(replace, index);
}

/* As ip6tables writes it. */
static inline void set_protocol(ip_rule *rule, uint16_t protocol)
{
	rule->proto = protocol;
	rule->flags |= IP6T_F_PROTO;
}

/* From this one address: ::1 for 1 ... */
static inline void set_source(ip_rule *rule, uint32_t number)
{
	rule->src.s6_addr32[3] = htonl(number);
	memset(&rule->smsk, 0xff, sizeof(rule->smsk));
}

#else

#define TEST_FAMILY     NFPROTO_IPV4
#define TEST_ARENA      ARENA_IPV4
#define OTHER_FAMILY    NFPROTO_IPV6
#define TEST_NAME(name) name
#define IP_F_GOTO       IPT_F_GOTO
#define IP_INV_PROTO    IPT_INV_PROTO
#define IP_INV_SRCIP    IPT_INV_SRCIP
#define IP_F_UNKNOWN    0x04
#define IP_ICMP         IPPROTO_ICMP
#define EMPTY_SIZE      632
#define ip_header       ip

typedef struct ipt_entry ip_entry;
typedef struct ipt_ip ip_rule;

static inline struct blob *table_new(void)
{
	return blob_new();
}

static inline ip_rule *table_rule(struct blob *blob, const char *chain, const char *target)
{
	return blob_rule(blob, chain, target);
}

static inline ip_entry *table_entry(struct ipt_replace *replace, unsigned int index)
{
	return blob_entry(replace, index);
}

static inline void set_protocol(ip_rule *rule, uint16_t protocol)
{
	rule->proto = protocol;
}

static inline void set_source(ip_rule *rule, uint32_t number)
{
	rule->src.s_addr = htonl(number);
	rule->smsk.s_addr = ~0u;
}

#endif
