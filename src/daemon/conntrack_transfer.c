// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/conntrack_transfer.h"

#include "abi/arena.h"
#include "common/cleanup.h"
#include "daemon/conntrack_message.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>
#include <sys/socket.h>

#define BUFFER_SIZE 32768 /* the kernel fills up to so much per read of a dump */

struct transfer {
	struct mnl_socket *socket;
	const struct tracker *tracker;
	uint8_t family;
	uint16_t flags; /* of messages that make a connection */
	uint32_t sequence;
	int error;
	struct message *message;
};

static int speak_error(int error, struct message *message)
{
	return message_error(message, error, "cannot speak to the kernel's connection tracking: %s",
			     strerror(error));
}

static int open_transfer(struct transfer *transfer)
{
	transfer->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!transfer->socket || mnl_socket_bind(transfer->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return speak_error(errno, transfer->message);
	return 0;
}

static void close_transfer(struct transfer *transfer)
{
	if (transfer->socket)
		mnl_socket_close(transfer->socket);
}

static struct nlmsghdr *begin_message(struct transfer *transfer, void *buffer, uint8_t operation,
				      uint16_t flags)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *generic;

	header->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | operation;
	header->nlmsg_flags = NLM_F_REQUEST | flags;
	header->nlmsg_seq = ++transfer->sequence;
	generic = mnl_nlmsg_put_extra_header(header, sizeof(*generic));
	generic->nfgen_family = transfer->family;
	generic->version = NFNETLINK_V0;
	return header;
}

/* The answers to the last message. */
static int read_answers(const struct transfer *transfer, mnl_cb_t callback, void *data)
{
	_Alignas(struct nlmsghdr) char buffer[BUFFER_SIZE];
	unsigned int port = mnl_socket_get_portid(transfer->socket);
	int result;

	do {
		ssize_t received = mnl_socket_recvfrom(transfer->socket, buffer, sizeof(buffer));

		if (received < 0)
			return -errno;
		result = mnl_cb_run(buffer, (size_t)received, transfer->sequence, port, callback,
				    data);
		if (result < 0)
			return -errno;
	} while (result != MNL_CB_STOP);
	return 0;
}

static int adopt(const struct nlmsghdr *header, void *data)
{
	struct transfer *transfer = data;
	struct tracker_listed connection;

	if (transfer->error || !conntrack_message_read(header, &connection))
		return MNL_CB_OK;
	transfer->error = tracker_adopt(transfer->tracker, &connection, transfer->message);
	/* What nobody could answer is no connection here. */
	if (transfer->error == -EINVAL)
		transfer->error = 0;
	return MNL_CB_OK;
}

static int adopt_family(struct transfer *transfer, uint8_t family)
{
	_Alignas(struct nlmsghdr) char buffer[256];
	struct nlmsghdr *header;
	int error;

	transfer->family = family;
	header = begin_message(transfer, buffer, IPCTNL_MSG_CT_GET, NLM_F_DUMP);
	if (mnl_socket_sendto(transfer->socket, header, header->nlmsg_len) < 0)
		return speak_error(errno, transfer->message);
	error = read_answers(transfer, adopt, transfer);
	if (error)
		return speak_error(-error, transfer->message);
	return transfer->error;
}

int conntrack_transfer_from_kernel(const struct tracker *tracker, struct message *message)
{
	struct transfer transfer = {.tracker = tracker, .message = message};
	int error = open_transfer(&transfer);

	if (!error)
		error = adopt_family(&transfer, NFPROTO_IPV4);
	if (!error)
		error = adopt_family(&transfer, NFPROTO_IPV6);
	close_transfer(&transfer);
	return error;
}

static int hand_over(const struct tracker_listed *connection, void *data)
{
	struct transfer *transfer = data;
	_Alignas(struct nlmsghdr) char buffer[1024];
	struct nlmsghdr *header;
	int error;

	transfer->family = connection->family == ARENA_IPV6 ? NFPROTO_IPV6 : NFPROTO_IPV4;
	header = begin_message(transfer, buffer, IPCTNL_MSG_CT_NEW, NLM_F_ACK | transfer->flags);
	conntrack_message_write(header, connection);
	if (mnl_socket_sendto(transfer->socket, header, header->nlmsg_len) < 0)
		return speak_error(errno, transfer->message);
	error = read_answers(transfer, NULL, NULL);
	/* EBUSY: what it knows of the connection is more. */
	if (!error || error == -EEXIST || error == -EBUSY)
		return 0;
	return message_error(transfer->message, -error,
			     "the kernel's connection tracking does not take a connection: %s",
			     strerror(-error));
}

int conntrack_transfer_to_kernel(const struct tracker *tracker, bool update,
				 struct message *message)
{
	struct transfer transfer = {
		.tracker = tracker,
		.flags = update ? NLM_F_CREATE : NLM_F_CREATE | NLM_F_EXCL,
		.message = message,
	};
	int error = open_transfer(&transfer);

	if (!error)
		error = tracker_iterate(tracker, hand_over, &transfer, message);
	close_transfer(&transfer);
	return error;
}
