// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/conntrack_switch.h"

#include "common/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>

#define TABLE_NAME "bpf-iptables"
#define CHAIN_NAME "conntrack"
#define COMMENT    "bpf-iptablesd: a filter rule needs connection tracking"

/* From linux/netfilter/nf_tables.h of Linux 6.9, for distributions whose headers are older. */
#define TABLE_FLAG_PERSIST   0x4u
#define MESSAGE_DESTROYTABLE 26

/*
 * nft's convention for comments in NFTA_RULE_USERDATA: records of type, length and value; 0 is a
 * text that ends with NUL (libnftnl's udata.h).
 */
#define USERDATA_COMMENT 0

struct conntrack_switch {
	struct mnl_socket *socket;
	uint32_t sequence;
};

/* One transaction: all of its messages take effect, or none. */
struct transaction {
	uint32_t sequence; /* of the first message; each of them has its own */
	uint8_t family;
	size_t size;
	_Alignas(struct nlmsghdr) char buffer[4096];
};

int conntrack_switch_open(struct conntrack_switch **ret_conntrack, struct message *message)
{
	_cleanup_free_ struct conntrack_switch *conntrack = calloc(1, sizeof(*conntrack));

	if (!conntrack)
		return message_error(message, ENOMEM, "out of memory");

	conntrack->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!conntrack->socket)
		return message_error(message, errno, "cannot speak to netfilter: %s",
				     strerror(errno));
	if (mnl_socket_bind(conntrack->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int error = errno;

		mnl_socket_close(conntrack->socket);
		return message_error(message, error, "cannot speak to netfilter: %s",
				     strerror(error));
	}
	*ret_conntrack = take_pointer(conntrack);
	return 0;
}

void conntrack_switch_close(struct conntrack_switch *conntrack)
{
	if (!conntrack)
		return;

	mnl_socket_close(conntrack->socket);
	free(conntrack);
}

static struct nlmsghdr *put_message(struct transaction *transaction, uint16_t type, uint16_t flags,
				    uint8_t family, uint16_t resource)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(transaction->buffer + transaction->size);
	struct nfgenmsg *generic;

	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | flags;
	header->nlmsg_seq = transaction->sequence++;
	generic = mnl_nlmsg_put_extra_header(header, sizeof(*generic));
	generic->nfgen_family = family;
	generic->version = NFNETLINK_V0;
	generic->res_id = htons(resource);
	return header;
}

static void finish_message(struct transaction *transaction, const struct nlmsghdr *header)
{
	transaction->size += NLMSG_ALIGN(header->nlmsg_len);
}

static void put_batch_mark(struct transaction *transaction, uint16_t type)
{
	finish_message(transaction,
		       put_message(transaction, type, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
}

static struct nlmsghdr *put_nftables_message(struct transaction *transaction, uint16_t type,
					     uint16_t flags)
{
	return put_message(transaction, NFNL_SUBSYS_NFTABLES << 8 | type, NLM_F_ACK | flags,
			   transaction->family, 0);
}

static void put_destroy_table(struct transaction *transaction)
{
	struct nlmsghdr *header = put_nftables_message(transaction, MESSAGE_DESTROYTABLE, 0);

	mnl_attr_put_strz(header, NFTA_TABLE_NAME, TABLE_NAME);
	finish_message(transaction, header);
}

static void put_new_table(struct transaction *transaction)
{
	struct nlmsghdr *header =
		put_nftables_message(transaction, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);

	mnl_attr_put_strz(header, NFTA_TABLE_NAME, TABLE_NAME);
	mnl_attr_put_u32(header, NFTA_TABLE_FLAGS, htonl(NFT_TABLE_F_OWNER | TABLE_FLAG_PERSIST));
	finish_message(transaction, header);
}

static void put_new_chain(struct transaction *transaction)
{
	struct nlmsghdr *header =
		put_nftables_message(transaction, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL);

	mnl_attr_put_strz(header, NFTA_CHAIN_TABLE, TABLE_NAME);
	mnl_attr_put_strz(header, NFTA_CHAIN_NAME, CHAIN_NAME);
	finish_message(transaction, header);
}

static void put_load_state(struct nlmsghdr *header)
{
	struct nlattr *expression = mnl_attr_nest_start(header, NFTA_LIST_ELEM);
	struct nlattr *data;

	mnl_attr_put_strz(header, NFTA_EXPR_NAME, "ct");
	data = mnl_attr_nest_start(header, NFTA_EXPR_DATA);
	mnl_attr_put_u32(header, NFTA_CT_DREG, htonl(NFT_REG_1));
	mnl_attr_put_u32(header, NFTA_CT_KEY, htonl(NFT_CT_STATE));
	mnl_attr_nest_end(header, data);
	mnl_attr_nest_end(header, expression);
}

/* Not needed to switch conntrack on: a rule that only loads the state would be listed as empty. */
static void put_compare_new(struct nlmsghdr *header)
{
	struct nlattr *expression = mnl_attr_nest_start(header, NFTA_LIST_ELEM);
	struct nlattr *data, *value;

	mnl_attr_put_strz(header, NFTA_EXPR_NAME, "cmp");
	data = mnl_attr_nest_start(header, NFTA_EXPR_DATA);
	mnl_attr_put_u32(header, NFTA_CMP_SREG, htonl(NFT_REG_1));
	mnl_attr_put_u32(header, NFTA_CMP_OP, htonl(NFT_CMP_EQ));
	value = mnl_attr_nest_start(header, NFTA_CMP_DATA);
	mnl_attr_put_u32(header, NFTA_DATA_VALUE, NF_CT_STATE_BIT(IP_CT_NEW)); /* host byte order */
	mnl_attr_nest_end(header, value);
	mnl_attr_nest_end(header, data);
	mnl_attr_nest_end(header, expression);
}

static void put_new_rule(struct transaction *transaction)
{
	static const struct {
		uint8_t type;
		uint8_t length;
		char text[sizeof(COMMENT)];
	} comment = {USERDATA_COMMENT, sizeof(COMMENT), COMMENT};
	struct nlmsghdr *header =
		put_nftables_message(transaction, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	struct nlattr *expressions;

	mnl_attr_put_strz(header, NFTA_RULE_TABLE, TABLE_NAME);
	mnl_attr_put_strz(header, NFTA_RULE_CHAIN, CHAIN_NAME);
	expressions = mnl_attr_nest_start(header, NFTA_RULE_EXPRESSIONS);
	put_load_state(header);
	put_compare_new(header);
	mnl_attr_nest_end(header, expressions);
	mnl_attr_put(header, NFTA_RULE_USERDATA, sizeof(comment), &comment);
	finish_message(transaction, header);
}

/* The first error among the answers to the messages from @first on; -EAGAIN when none is left. */
static int read_answers(struct conntrack_switch *conntrack, uint32_t first)
{
	_Alignas(struct nlmsghdr) char buffer[8192];
	ssize_t received = mnl_socket_recvfrom(conntrack->socket, buffer, sizeof(buffer));
	int left = (int)received;

	if (received < 0)
		return -errno;

	for (const struct nlmsghdr *header = (const struct nlmsghdr *)buffer;
	     mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
		const struct nlmsgerr *answer = mnl_nlmsg_get_payload(header);

		if (header->nlmsg_type == NLMSG_ERROR && header->nlmsg_seq - first < INT32_MAX &&
		    answer->error)
			return answer->error;
	}
	return 0;
}

/* nfnetlink answers while it is being written to, so that all is there when the call returns. */
static int run_transaction(struct conntrack_switch *conntrack, struct transaction *transaction)
{
	uint32_t first = conntrack->sequence;
	int error;

	conntrack->sequence = transaction->sequence;
	if (mnl_socket_sendto(conntrack->socket, transaction->buffer, transaction->size) < 0)
		return -errno;

	do {
		error = read_answers(conntrack, first);
	} while (!error);
	return error == -EAGAIN ? 0 : error;
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

/*
 * nftables takes a removed rule apart later, in a work queue, and tracks connections until then. It
 * waits for that work when a socket of its is closed (nf_tables_api.c nft_rcv_nl_event()), so that
 * a passing socket makes the removal complete: tracking and defragmentation are off when we return.
 */
static void await_removal(void)
{
	struct mnl_socket *passing = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);

	if (!passing)
		return;
	mnl_socket_bind(passing, 0, MNL_SOCKET_AUTOPID);
	mnl_socket_close(passing);
}

int conntrack_switch_set(struct conntrack_switch *conntrack, uint8_t family, bool on,
			 struct message *message)
{
	struct transaction transaction = {.sequence = conntrack->sequence, .family = family};
	int error;

	put_batch_mark(&transaction, NFNL_MSG_BATCH_BEGIN);
	put_destroy_table(&transaction);
	if (on) {
		put_new_table(&transaction);
		put_new_chain(&transaction);
		put_new_rule(&transaction);
	}
	put_batch_mark(&transaction, NFNL_MSG_BATCH_END);
	error = run_transaction(conntrack, &transaction);
	/* A kernel without nftables has no table to be removed. */
	if (!on && error == -EOPNOTSUPP)
		error = 0;
	if (!on && !error)
		await_removal();
	return error ? explain(error, family, on, message) : 0;
}
