/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lock between the iptables program and the kernel's own tables: a seccomp filter that outlives
 * execve(). It lets a getsockopt() or setsockopt() that touches x_tables (levels and options below)
 * through only if the sixth argument of the system call, which these calls do not use, is
 * KERNEL_GUARD_MARKER. The preload library marks its calls, for tables other than filter; a program
 * that runs without the library gets EPERM for every table.
 *
 * It guards against accidents: a program that means to get through can read the marker here.
 */
#pragma once

#include <netinet/in.h>

#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <stdbool.h>

#include "common/message.h"

/* Random: what is left in the register of an argument that is not passed is never this. */
#define KERNEL_GUARD_MARKER 0x6f1c94e2b7d83a55ull

/*
 * Whether this level and option belong to x_tables. IPv6 has two options of its own where ip_tables
 * has its revision queries.
 */
static inline bool kernel_guard_covers(int level, int option)
{
	if (level != SOL_IP && level != SOL_IPV6)
		return false;
	if (level == SOL_IPV6 && (option == IPV6_RECVTCLASS || option == IPV6_TCLASS))
		return false;
	return option >= IPT_BASE_CTL && option <= IP6T_SO_GET_REVISION_TARGET;
}

/*
 * Installs the filter for this process, its children and whatever they execute. Without
 * CAP_SYS_ADMIN the kernel asks for no_new_privs first: programs executed later gain no privileges
 * by setuid bits or file capabilities, of which iptables needs none. Returns 0 or a negative errno
 * with @message.
 */
int kernel_guard_install(struct message *message);
