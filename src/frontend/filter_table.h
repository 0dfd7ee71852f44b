/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The socket options of ip_tables and ip6_tables, answered by the daemon in the kernel's place.
 * What they carry is described by linux/netfilter_ipv4/ip_tables.h; the checks made here are those
 * of net/ipv4/netfilter/ip_tables.c that keep reads and writes inside the caller's buffers.
 *
 * All return 0, a negative errno, or FILTER_TABLE_KERNEL when the option is about something that is
 * the kernel's: then nothing was done, and the caller passes it on.
 */
#pragma once

#include <stdint.h>
#include <sys/socket.h>

#define FILTER_TABLE_KERNEL 1

/* getsockopt(), with @length as it was passed in. @family is NFPROTO_IPV4 or NFPROTO_IPV6. */
int filter_table_get(uint8_t family, int option, void *value, socklen_t length);

/* setsockopt() */
int filter_table_set(uint8_t family, int option, const void *value, socklen_t length);
