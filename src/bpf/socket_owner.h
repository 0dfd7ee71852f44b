/* SPDX-License-Identifier: GPL-2.0-only */
/* Whose socket a packet comes from. After net/netfilter/xt_owner.c owner_mt(). */
#pragma once

#include "bpf/kernel.h"
#include "bpf/residual_result.h"

#include <linux/netfilter/xt_owner.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct socket {
	struct file *file;
};

struct file {
	const struct cred *f_cred;
};

struct cred {
	struct {
		__u32 val;
	} fsuid;
	struct {
		__u32 val;
	} fsgid;
	struct group_info *group_info;
};

struct group_info {
	int ngroups;
	struct {
		__u32 val;
	} gid[1]; /* as many as there are */
};

#pragma clang attribute pop

/* include/net/tcp_states.h */
#define TCP_STATE_TIME_WAIT    6
#define TCP_STATE_NEW_SYN_RECV 12

/* sk_to_full_sk() (include/net/inet_sock.h) of what is at @address; NULL if there is no socket. */
INLINE const struct sock *full_socket(__u64 address)
{
	const struct sock *sock = KERNEL_POINTER(struct sock, address);
	__u8 state;

	if (!address)
		return NULL;
	state = sock->__sk_common.skc_state;
	if (state == TCP_STATE_NEW_SYN_RECV)
		return KERNEL_POINTER(struct sock, (__u64)sock->__sk_common.skc_listener);
	return state == TCP_STATE_TIME_WAIT ? NULL : sock;
}

/* The socket's file as a number; 0: it has none (any more). */
INLINE __u64 socket_file(const struct sock *sock)
{
	const struct socket *socket = sock->sk_socket;

	return socket ? KERNEL_ADDRESS(socket->file) : 0;
}

INLINE bool id_is_within(__u32 id, __u32 first, __u32 last)
{
	return id >= first && id <= last;
}

/* Is one of the groups in the range? An enum residual_result. */
GLOBAL int groups_result(__u64 address, __u32 first, __u32 last)
{
	const struct group_info *groups = KERNEL_POINTER(struct group_info, address);
	__u32 count = address ? (__u32)groups->ngroups : 0;
	__u64 group = address + bpf_core_field_offset(struct group_info, gid);
	__u32 i = 0;

	while (i < count) {
		if (id_is_within(kernel_number((const void *)group), first, last))
			return RESIDUALS_MATCH;
		group += 4;
		i++;
		LOOP_BOUND;
	}
	return i < count ? RESIDUALS_BOUND : RESIDUALS_DIFFER;
}

/* Has the file the owner that is asked for? */
INLINE int file_result(__u64 file, const struct xt_owner_match_info ARENA *info)
{
	const struct cred *cred = KERNEL_POINTER(struct file, file)->f_cred;
	int group;

	if (info->match & XT_OWNER_UID &&
	    id_is_within(cred->fsuid.val, info->uid_min, info->uid_max) ==
		    !!(info->invert & XT_OWNER_UID))
		return RESIDUALS_DIFFER;
	if (!(info->match & XT_OWNER_GID))
		return RESIDUALS_MATCH;
	group = id_is_within(cred->fsgid.val, info->gid_min, info->gid_max) ? RESIDUALS_MATCH
									    : RESIDUALS_DIFFER;
	if (group == RESIDUALS_DIFFER && info->match & XT_OWNER_SUPPL_GROUPS)
		group = groups_result(KERNEL_ADDRESS(cred->group_info), info->gid_min,
				      info->gid_max);
	if (group == RESIDUALS_BOUND)
		return group;
	return (group == RESIDUALS_MATCH) != !!(info->invert & XT_OWNER_GID) ? RESIDUALS_MATCH
									     : RESIDUALS_DIFFER;
}

/* Loads before it are made before those behind it. */
INLINE void read_barrier(void)
{
#ifdef STORES_STAY_IN_ORDER /* x86: nor are loads reordered */
	asm volatile("" ::: "memory");
#else
	__u64 word = 0, before = __sync_fetch_and_add(&word, 1);

	asm volatile("" ::"r"(before) : "memory");
#endif
}

/*
 * The kernel holds a lock of the socket meanwhile, which eBPF cannot: a socket that is closed loses
 * its file, whose memory may be another file's then. So we look once more whether it is still the
 * socket's, and if not, the socket was closed, as if before.
 */
GLOBAL int owner_result(struct bpf_nf_ctx *ctx,
			const struct xt_owner_match_info ARENA *info ARENA_ARG)
{
	const struct sock *sock = full_socket((__u64)ctx->skb->sk);
	__u8 differs = info->match ^ info->invert;
	int result;
	__u64 file;

	if (!sock || !sock->sk_socket || sock->__sk_common.skc_net.net != ctx->state->net)
		return differs ? RESIDUALS_DIFFER : RESIDUALS_MATCH;
	if (info->match & info->invert & XT_OWNER_SOCKET)
		return RESIDUALS_DIFFER;
	file = socket_file(sock);
	if (!file)
		return differs & (XT_OWNER_UID | XT_OWNER_GID) ? RESIDUALS_DIFFER : RESIDUALS_MATCH;
	result = file_result(file, info);
	read_barrier();
	if (socket_file(sock) != file)
		return differs ? RESIDUALS_DIFFER : RESIDUALS_MATCH;
	return result;
}
