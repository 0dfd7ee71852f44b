/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the preload library and the daemon say to each other.
 *
 * A unix stream socket, one per network namespace, at CONTROL_SOCKET_FORMAT with the namespace's
 * cookie (getsockopt SO_NETNS_COOKIE): the kernel never gives a cookie twice, so a socket can only
 * belong to the namespace that its name says, however inode numbers are recycled.
 *
 * The client sends a request header and `length` bytes, the daemon answers with a response header,
 * `message_length` bytes of text (no NUL) and `length` bytes; then the next request may follow.
 * Numbers are in host byte order: both ends are on one machine. The payloads are those of the
 * kernel's own socket options (linux/netfilter_ipv4/ip_tables.h and its IPv6 twin), so that every
 * check that the kernel makes on them can be made, in the same order, by the daemon.
 */
#pragma once

#include <stdint.h>

#define CONTROL_DIRECTORY     "/run/bpf-iptables"
#define CONTROL_SOCKET_FORMAT CONTROL_DIRECTORY "/net-%llu.sock"

/* The REST interface: HTTP. */
#define REST_SOCKET_FORMAT CONTROL_DIRECTORY "/rest-%llu.sock"

#define CONTROL_MAGIC   0x62697074u /* "bipt" */
#define CONTROL_VERSION 1

/* As x_tables' XT_MAX_TABLE_SIZE: no request and no response is longer. */
#define CONTROL_MAX_LENGTH (512u << 20)

enum control_operation {
	/* payload: struct ipt_getinfo; answer: the same, filled in */
	CONTROL_GET_INFO = 1,
	/* payload: struct ipt_get_entries without entries; answer: the header and the entries */
	CONTROL_GET_ENTRIES,
	/*
	 * payload and answer: struct xt_get_revision. Fails with EPROTONOSUPPORT when the daemon
	 * knows the extension but not this revision, and with ENOENT when it does not know the
	 * extension at all (the library then asks the kernel, for the sake of the other tables).
	 */
	CONTROL_GET_REVISION_MATCH,
	CONTROL_GET_REVISION_TARGET,
	/* payload: struct ipt_replace and the entries; answer: num_counters of xt_counters */
	CONTROL_SET_REPLACE,
	/* payload: struct xt_counters_info and its counters; no answer payload */
	CONTROL_SET_ADD_COUNTERS,
	/*
	 * No payload. Answer: one byte, 0 until the table has been used (GET_INFO) in this family,
	 * then 1 + the number of other tables that the kernel had in use at that moment: the kernel
	 * lists tables newest first, and this gives the filter table its place among them.
	 */
	CONTROL_TABLE_IN_USE,
};

struct control_request {
	uint32_t magic;
	uint16_t version;
	uint8_t family; /* NFPROTO_IPV4 or NFPROTO_IPV6 */
	uint8_t operation;
	uint32_t length;
};

struct control_response {
	uint32_t magic;
	int32_t error; /* 0 or a negative errno */
	uint32_t message_length;
	uint32_t length;
};
