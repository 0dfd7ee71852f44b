// SPDX-License-Identifier: GPL-2.0-or-later
#include "nft/transaction.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* From linux/netfilter/nf_tables.h of Linux 6.9, for distributions whose headers are older. */
#define TABLE_FLAG_PERSIST   0x4u
#define MESSAGE_DESTROYTABLE 26

/* No message is longer: the longest are rules with two matches. */
#define MESSAGE_ROOM 8192u

/*
 * nft's convention for comments in NFTA_RULE_USERDATA: records of type, length and value; 0 is a
 * text that ends with NUL (libnftnl's udata.h).
 */
#define USERDATA_COMMENT 0
#define COMMENT_SIZE     128

int nft_open(struct nft_connection *connection)
{
	int error;

	connection->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!connection->socket)
		return -errno;
	if (!mnl_socket_bind(connection->socket, 0, MNL_SOCKET_AUTOPID))
		return 0;
	error = -errno;
	nft_close(connection);
	return error;
}

void nft_close(struct nft_connection *connection)
{
	if (connection->socket)
		mnl_socket_close(connection->socket);
	connection->socket = NULL;
}

/* NULL, and remembered, if there is no memory. */
static struct nlmsghdr *put_message(struct nft_transaction *transaction, uint16_t type,
				    uint16_t flags, uint8_t family, uint16_t resource)
{
	struct nlmsghdr *header;
	struct nfgenmsg *generic;

	if (transaction->capacity - transaction->size < MESSAGE_ROOM) {
		size_t capacity = transaction->capacity * 2 + MESSAGE_ROOM;
		char *buffer = realloc(transaction->buffer, capacity);

		if (!buffer) {
			transaction->failed = true;
			return NULL;
		}
		transaction->buffer = buffer;
		transaction->capacity = capacity;
	}
	header = mnl_nlmsg_put_header(transaction->buffer + transaction->size);
	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | flags;
	header->nlmsg_seq = transaction->sequence++;
	generic = mnl_nlmsg_put_extra_header(header, sizeof(*generic));
	generic->nfgen_family = family;
	generic->version = NFNETLINK_V0;
	generic->res_id = htons(resource);
	return header;
}

static void finish_message(struct nft_transaction *transaction, const struct nlmsghdr *header)
{
	transaction->size += NLMSG_ALIGN(header->nlmsg_len);
}

static void put_batch_mark(struct nft_transaction *transaction, uint16_t type)
{
	struct nlmsghdr *header =
		put_message(transaction, type, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);

	if (header)
		finish_message(transaction, header);
}

static struct nlmsghdr *put_change(struct nft_transaction *transaction, uint16_t type,
				   uint16_t flags)
{
	return put_message(transaction, NFNL_SUBSYS_NFTABLES << 8 | type, flags,
			   transaction->family, 0);
}

void nft_begin(struct nft_transaction *transaction, const struct nft_connection *connection,
	       uint8_t family, const char *table)
{
	*transaction = (struct nft_transaction){
		.family = family,
		.table = table,
		.sequence = connection->sequence,
	};
	put_batch_mark(transaction, NFNL_MSG_BATCH_BEGIN);
}

/* The first error among the answers to the messages from @first on; -EAGAIN when none is left. */
static int read_answers(struct nft_connection *connection, uint32_t first)
{
	_Alignas(struct nlmsghdr) char buffer[16384];
	ssize_t received = mnl_socket_recvfrom(connection->socket, buffer, sizeof(buffer));
	int left = (int)received;

	if (received < 0)
		return -errno;

	for (const struct nlmsghdr *header = (const struct nlmsghdr *)buffer;
	     mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
		const struct nlmsgerr *answer = mnl_nlmsg_get_payload(header);

		if (header->nlmsg_type != NLMSG_ERROR || header->nlmsg_seq - first >= INT32_MAX ||
		    !answer->error)
			continue;
		connection->refused = header->nlmsg_seq;
		return answer->error;
	}
	return 0;
}

/* A batch is one datagram, and the kernel's default for those is small. */
static int make_room(const struct nft_connection *connection, size_t size)
{
	int wanted = (int)(size * 2);

	if (size > (size_t)1 << 28)
		return -E2BIG;
	if (setsockopt(mnl_socket_get_fd(connection->socket), SOL_SOCKET, SO_SNDBUFFORCE, &wanted,
		       sizeof(wanted)))
		return -errno;
	return 0;
}

/* nfnetlink answers while it is being written to, so that all is there when the call returns. */
static int send_transaction(struct nft_connection *connection,
			    const struct nft_transaction *transaction)
{
	uint32_t first = connection->sequence;
	int error;

	connection->sequence = transaction->sequence;
	if (transaction->size > MESSAGE_ROOM) {
		error = make_room(connection, transaction->size);
		if (error)
			return error;
	}
	if (mnl_socket_sendto(connection->socket, transaction->buffer, transaction->size) < 0)
		return -errno;
	do {
		error = read_answers(connection, first);
	} while (!error);
	return error == -EAGAIN ? 0 : error;
}

int nft_commit(struct nft_connection *connection, struct nft_transaction *transaction)
{
	int error;

	put_batch_mark(transaction, NFNL_MSG_BATCH_END);
	error = transaction->failed ? -ENOMEM : send_transaction(connection, transaction);
	free(transaction->buffer);
	*transaction = (struct nft_transaction){};
	return error;
}

/*
 * The work is waited for when a socket of nftables' is closed (nf_tables_api.c nft_rcv_nl_event()):
 * a passing one is enough.
 */
void nft_await_removal(void)
{
	struct mnl_socket *passing = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);

	if (!passing)
		return;
	mnl_socket_bind(passing, 0, MNL_SOCKET_AUTOPID);
	mnl_socket_close(passing);
}

static void put_table_change(struct nft_transaction *transaction, uint16_t type, uint16_t flags,
			     uint32_t table_flags)
{
	struct nlmsghdr *header = put_change(transaction, type, flags);

	if (!header)
		return;
	mnl_attr_put_strz(header, NFTA_TABLE_NAME, transaction->table);
	if (table_flags)
		mnl_attr_put_u32(header, NFTA_TABLE_FLAGS, htonl(table_flags));
	finish_message(transaction, header);
}

void nft_destroy_table(struct nft_transaction *transaction)
{
	put_table_change(transaction, MESSAGE_DESTROYTABLE, 0, 0);
}

void nft_new_table(struct nft_transaction *transaction, bool persistent)
{
	put_table_change(transaction, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL,
			 NFT_TABLE_F_OWNER | (persistent ? TABLE_FLAG_PERSIST : 0));
}

static struct nlmsghdr *put_chain_change(struct nft_transaction *transaction, uint16_t type,
					 uint16_t flags, const char *chain)
{
	struct nlmsghdr *header = put_change(transaction, type, flags);

	if (!header)
		return NULL;
	mnl_attr_put_strz(header, NFTA_CHAIN_TABLE, transaction->table);
	mnl_attr_put_strz(header, NFTA_CHAIN_NAME, chain);
	return header;
}

void nft_new_chain(struct nft_transaction *transaction, const char *chain)
{
	struct nlmsghdr *header =
		put_chain_change(transaction, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL, chain);

	if (header)
		finish_message(transaction, header);
}

void nft_new_base_chain(struct nft_transaction *transaction, const char *chain, uint32_t hook,
			int32_t priority)
{
	struct nlmsghdr *header =
		put_chain_change(transaction, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL, chain);
	struct nlattr *nest;

	if (!header)
		return;
	nest = mnl_attr_nest_start(header, NFTA_CHAIN_HOOK);
	mnl_attr_put_u32(header, NFTA_HOOK_HOOKNUM, htonl(hook));
	mnl_attr_put_u32(header, NFTA_HOOK_PRIORITY, htonl((uint32_t)priority));
	mnl_attr_nest_end(header, nest);
	mnl_attr_put_strz(header, NFTA_CHAIN_TYPE, "filter");
	mnl_attr_put_u32(header, NFTA_CHAIN_POLICY, htonl(NF_ACCEPT));
	finish_message(transaction, header);
}

void nft_delete_chain(struct nft_transaction *transaction, const char *chain)
{
	struct nlmsghdr *header = put_chain_change(transaction, NFT_MSG_DELCHAIN, 0, chain);

	if (header)
		finish_message(transaction, header);
}

void nft_flush_chain(struct nft_transaction *transaction, const char *chain)
{
	struct nlmsghdr *header = put_change(transaction, NFT_MSG_DELRULE, 0);

	if (!header)
		return;
	mnl_attr_put_strz(header, NFTA_RULE_TABLE, transaction->table);
	mnl_attr_put_strz(header, NFTA_RULE_CHAIN, chain);
	finish_message(transaction, header);
}

void nft_begin_rule(struct nft_transaction *transaction, const char *chain, struct nft_rule *rule)
{
	*rule = (struct nft_rule){
		.transaction = transaction,
		.header = put_change(transaction, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND),
	};
	if (!rule->header)
		return;
	mnl_attr_put_strz(rule->header, NFTA_RULE_TABLE, transaction->table);
	mnl_attr_put_strz(rule->header, NFTA_RULE_CHAIN, chain);
	rule->expressions = mnl_attr_nest_start(rule->header, NFTA_RULE_EXPRESSIONS);
}

/* Attributes of the rule itself stand behind its expressions. */
static void end_expressions(struct nft_rule *rule)
{
	if (rule->expressions)
		mnl_attr_nest_end(rule->header, rule->expressions);
	rule->expressions = NULL;
}

void nft_end_rule(struct nft_rule *rule)
{
	if (!rule->header)
		return;
	end_expressions(rule);
	finish_message(rule->transaction, rule->header);
}

void nft_end_rule_with_comment(struct nft_rule *rule, const char *comment)
{
	struct {
		uint8_t type;
		uint8_t length;
		char text[COMMENT_SIZE];
	} record = {.type = USERDATA_COMMENT};
	size_t length = strnlen(comment, COMMENT_SIZE - 1);

	if (!rule->header)
		return;
	memcpy(record.text, comment, length);
	record.length = (uint8_t)(length + 1);
	end_expressions(rule);
	mnl_attr_put(rule->header, NFTA_RULE_USERDATA, 2 + length + 1, &record);
	nft_end_rule(rule);
}

/* An expression's data follows; to be ended with end_expression(). */
static struct nlattr *begin_expression(struct nft_rule *rule, const char *name,
				       struct nlattr **ret_data)
{
	struct nlattr *expression;

	if (!rule->header)
		return NULL;
	expression = mnl_attr_nest_start(rule->header, NFTA_LIST_ELEM);
	mnl_attr_put_strz(rule->header, NFTA_EXPR_NAME, name);
	*ret_data = mnl_attr_nest_start(rule->header, NFTA_EXPR_DATA);
	return expression;
}

static void end_expression(struct nft_rule *rule, struct nlattr *expression, struct nlattr *data)
{
	mnl_attr_nest_end(rule->header, data);
	mnl_attr_nest_end(rule->header, expression);
}

/* The attributes of matches and of targets have the same numbers. */
_Static_assert(NFTA_MATCH_NAME == (int)NFTA_TARGET_NAME && NFTA_MATCH_REV == (int)NFTA_TARGET_REV &&
		       NFTA_MATCH_INFO == (int)NFTA_TARGET_INFO,
	       "one function for both");

static void put_extension(struct nft_rule *rule, const char *kind, const char *name,
			  uint8_t revision, const void *payload, size_t size)
{
	struct nlattr *data, *expression = begin_expression(rule, kind, &data);

	if (!expression)
		return;
	mnl_attr_put_strz(rule->header, NFTA_MATCH_NAME, name);
	mnl_attr_put_u32(rule->header, NFTA_MATCH_REV, htonl(revision));
	mnl_attr_put(rule->header, NFTA_MATCH_INFO, size, payload);
	end_expression(rule, expression, data);
}

void nft_put_match(struct nft_rule *rule, const char *name, uint8_t revision, const void *payload,
		   size_t size)
{
	put_extension(rule, "match", name, revision, payload, size);
}

void nft_put_target(struct nft_rule *rule, const char *name, uint8_t revision, const void *payload,
		    size_t size)
{
	put_extension(rule, "target", name, revision, payload, size);
}

void nft_put_protocol(struct nft_rule *rule, uint16_t protocol, bool inverted)
{
	struct nlattr *nest;

	if (!rule->header)
		return;
	end_expressions(rule);
	nest = mnl_attr_nest_start(rule->header, NFTA_RULE_COMPAT);
	mnl_attr_put_u32(rule->header, NFTA_RULE_COMPAT_PROTO, htonl(protocol));
	mnl_attr_put_u32(rule->header, NFTA_RULE_COMPAT_FLAGS,
			 htonl(inverted ? NFT_RULE_COMPAT_F_INV : 0));
	mnl_attr_nest_end(rule->header, nest);
}

void nft_put_reject(struct nft_rule *rule, uint32_t type, uint8_t icmp_code)
{
	struct nlattr *data, *expression = begin_expression(rule, "reject", &data);

	if (!expression)
		return;
	mnl_attr_put_u32(rule->header, NFTA_REJECT_TYPE, htonl(type));
	mnl_attr_put_u8(rule->header, NFTA_REJECT_ICMP_CODE, icmp_code);
	end_expression(rule, expression, data);
}

void nft_put_verdict(struct nft_rule *rule, int verdict, const char *chain)
{
	struct nlattr *data, *expression = begin_expression(rule, "immediate", &data);
	struct nlattr *value, *nest;

	if (!expression)
		return;
	mnl_attr_put_u32(rule->header, NFTA_IMMEDIATE_DREG, htonl(NFT_REG_VERDICT));
	value = mnl_attr_nest_start(rule->header, NFTA_IMMEDIATE_DATA);
	nest = mnl_attr_nest_start(rule->header, NFTA_DATA_VERDICT);
	mnl_attr_put_u32(rule->header, NFTA_VERDICT_CODE, htonl((uint32_t)verdict));
	if (chain)
		mnl_attr_put_strz(rule->header, NFTA_VERDICT_CHAIN, chain);
	mnl_attr_nest_end(rule->header, nest);
	mnl_attr_nest_end(rule->header, value);
	end_expression(rule, expression, data);
}

static void put_load_ct(struct nft_rule *rule, uint32_t key)
{
	struct nlattr *data, *expression = begin_expression(rule, "ct", &data);

	if (!expression)
		return;
	mnl_attr_put_u32(rule->header, NFTA_CT_DREG, htonl(NFT_REG_1));
	mnl_attr_put_u32(rule->header, NFTA_CT_KEY, htonl(key));
	end_expression(rule, expression, data);
}

static void put_compare(struct nft_rule *rule, uint32_t operation, const void *number, size_t size)
{
	struct nlattr *data, *expression = begin_expression(rule, "cmp", &data);
	struct nlattr *value;

	if (!expression)
		return;
	mnl_attr_put_u32(rule->header, NFTA_CMP_SREG, htonl(NFT_REG_1));
	mnl_attr_put_u32(rule->header, NFTA_CMP_OP, htonl(operation));
	value = mnl_attr_nest_start(rule->header, NFTA_CMP_DATA);
	mnl_attr_put(rule->header, NFTA_DATA_VALUE, size, number);
	mnl_attr_nest_end(rule->header, value);
	end_expression(rule, expression, data);
}

/* To load is enough to switch something on; but a rule that only loads is listed as empty. */
void nft_put_state_new(struct nft_rule *rule)
{
	const uint32_t state = NF_CT_STATE_BIT(IP_CT_NEW); /* host byte order */

	put_load_ct(rule, NFT_CT_STATE);
	put_compare(rule, NFT_CMP_EQ, &state, sizeof(state));
}

void nft_put_bytes_known(struct nft_rule *rule)
{
	const uint64_t none = 0;

	put_load_ct(rule, NFT_CT_BYTES);
	put_compare(rule, NFT_CMP_NEQ, &none, sizeof(none));
}

void nft_put_set_label(struct nft_rule *rule)
{
	const uint64_t first[2] = {1}; /* as many bits as there can be labels */
	struct nlattr *data, *expression = begin_expression(rule, "immediate", &data);
	struct nlattr *value;

	if (!expression)
		return;
	mnl_attr_put_u32(rule->header, NFTA_IMMEDIATE_DREG, htonl(NFT_REG_1));
	value = mnl_attr_nest_start(rule->header, NFTA_IMMEDIATE_DATA);
	mnl_attr_put(rule->header, NFTA_DATA_VALUE, sizeof(first), first);
	mnl_attr_nest_end(rule->header, value);
	end_expression(rule, expression, data);

	expression = begin_expression(rule, "ct", &data);
	mnl_attr_put_u32(rule->header, NFTA_CT_SREG, htonl(NFT_REG_1));
	mnl_attr_put_u32(rule->header, NFTA_CT_KEY, htonl(NFT_CT_LABELS));
	end_expression(rule, expression, data);
}
