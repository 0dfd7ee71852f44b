// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/route_netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

#define RECEIVE_BUFFER (1 << 20) /* of a listening socket; a burst of events has to fit */
#define BUFFER_SIZE    32768     /* the kernel fills up to so much per read of a dump */

static int open_error(struct mnl_socket *socket, struct message *message)
{
	int error = errno;

	if (socket)
		mnl_socket_close(socket);
	return message_error(message, error, "cannot speak to rtnetlink: %s", strerror(error));
}

int route_netlink_listen(const int *groups, size_t n_groups, struct mnl_socket **ret_socket,
			 struct message *message)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int size = RECEIVE_BUFFER;

	if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return open_error(socket, message);
	for (size_t i = 0; i < n_groups; i++) {
		int group = groups[i];

		if (mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) <
		    0)
			return open_error(socket, message);
	}
	/* More than net.core.rmem_max takes CAP_NET_ADMIN; what we get is enough otherwise. */
	if (setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		(void)setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUF, &size,
				 sizeof(size));
	*ret_socket = socket;
	return 0;
}

int route_netlink_receive(struct mnl_socket *socket, mnl_cb_t callback, void *data)
{
	_Alignas(struct nlmsghdr) char buffer[BUFFER_SIZE];
	ssize_t received;

	while ((received = mnl_socket_recvfrom(socket, buffer, sizeof(buffer))) > 0)
		if (mnl_cb_run(buffer, (size_t)received, 0, 0, callback, data) < 0)
			return -errno;
	if (received < 0 && errno != EAGAIN)
		return -errno;
	return 0;
}

struct nlmsghdr *route_netlink_request(void *buffer, uint16_t type, size_t header_size)
{
	struct nlmsghdr *request;

	memset(buffer, 0, ROUTE_NETLINK_REQUEST);
	request = mnl_nlmsg_put_header(buffer);
	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST;
	mnl_nlmsg_put_extra_header(request, header_size);
	return request;
}

static int read_answers(struct mnl_socket *socket, const struct nlmsghdr *request,
			mnl_cb_t callback, void *data)
{
	_Alignas(struct nlmsghdr) char buffer[BUFFER_SIZE];
	unsigned int port = mnl_socket_get_portid(socket);
	int interrupted = 0;

	for (;;) {
		ssize_t received = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		int result;

		if (received < 0)
			return -errno;
		result = mnl_cb_run(buffer, (size_t)received, request->nlmsg_seq, port, callback,
				    data);
		/* An interrupted dump is read to its end all the same. */
		if (result < 0 && errno == EINTR)
			interrupted = -EINTR;
		else if (result < 0)
			return -errno;
		if (result == MNL_CB_STOP)
			return interrupted;
	}
}

int route_netlink_ask(struct nlmsghdr *request, mnl_cb_t callback, void *data)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int strict = 1;
	int error;

	if (!socket)
		return -errno;
	/* Filters of dumps: since Linux 4.20. */
	(void)mnl_socket_setsockopt(socket, NETLINK_GET_STRICT_CHK, &strict, sizeof(strict));
	request->nlmsg_seq = 1;
	/* An answer that is no dump ends with an acknowledgement. */
	if ((request->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		request->nlmsg_flags |= NLM_F_ACK;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		error = -errno;
	else
		error = read_answers(socket, request, callback, data);
	mnl_socket_close(socket);
	return error;
}
