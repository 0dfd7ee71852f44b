/* SPDX-License-Identifier: GPL-2.0-only OR GPL-2.0-or-later */
/*
 * Numbers of the kernel's bpf() interface (include/uapi/linux/bpf.h of Linux 6.10) that the headers
 * of Debian 12 do not have yet. Names of our own, so that newer headers do not clash.
 */
#pragma once

#define KERNEL_MAP_TYPE_ARENA        33
#define KERNEL_PROG_TYPE_NETFILTER   32
#define KERNEL_ATTACH_TYPE_NETFILTER 45

/* Links on devices: BPF_LINK_CREATE. */
#define KERNEL_ATTACH_TYPE_TCX_INGRESS 46
#define KERNEL_ATTACH_TYPE_TCX_EGRESS  47
#define KERNEL_FLAG_BEFORE             (1u << 3) /* BPF_F_BEFORE */

#define KERNEL_FIB_LOOKUP_MARK (1u << 5) /* since Linux 6.10 */
