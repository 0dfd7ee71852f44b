// SPDX-License-Identifier: GPL-2.0-or-later
#include "frontend/kernel_guard.h"

#include <asm/unistd.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>

#include "common/cleanup.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "offsets of argument halves");

/* An argument is 64 bits wide; the kernel takes level and option from the lower 32. */
#define ARGUMENT_LOW(number)  ((__u32)offsetof(struct seccomp_data, args[number]))
#define ARGUMENT_HIGH(number) (ARGUMENT_LOW(number) + 4)

#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
#define ALLOW        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define DENY         BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

/* Each does the next @count instructions if its condition on the loaded value holds, else skips
 * them. */
#define IF_EQUAL(value, count)     BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (count))
#define IF_NOT_EQUAL(value, count) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (count), 0)
#define IF_AT_LEAST(value, count)  BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (value), 0, (count))
#define IF_BELOW(value, count)     BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (value), (count), 0)

/*
 * Programs of another architecture that this kernel also runs have other system call numbers; no
 * part of iptables is one, so their calls that could reach x_tables are denied as a whole:
 * socketcall, getsockopt, setsockopt of i386 (arch/x86/entry/syscalls/syscall_32.tbl) and of 32-bit
 * Arm (arch/arm64/tools/syscall_32.tbl). The x32 calls are those of x86-64 with bit 30 set.
 */
#if defined(__x86_64__)
#define NATIVE_ARCHITECTURE  AUDIT_ARCH_X86_64
#define FOREIGN_ARCHITECTURE AUDIT_ARCH_I386
#define FOREIGN_SOCKETCALL   102
#define FOREIGN_GETSOCKOPT   365
#define FOREIGN_SETSOCKOPT   366
#define NATIVE_CALLS_LIMIT   0x40000000
#elif defined(__aarch64__)
#define NATIVE_ARCHITECTURE  AUDIT_ARCH_AARCH64
#define FOREIGN_ARCHITECTURE AUDIT_ARCH_ARM
#define FOREIGN_SOCKETCALL   102
#define FOREIGN_GETSOCKOPT   295
#define FOREIGN_SETSOCKOPT   294
#define NATIVE_CALLS_LIMIT   0x40000000
#else
#error "the system call guard does not know this architecture"
#endif

// clang-format off: the indentation shows what each condition governs
static const struct sock_filter guard[] = {
	LOAD(offsetof(struct seccomp_data, arch)),
	IF_EQUAL(FOREIGN_ARCHITECTURE, 8),
		LOAD(offsetof(struct seccomp_data, nr)),
		IF_EQUAL(FOREIGN_SOCKETCALL, 1),
			DENY,
		IF_EQUAL(FOREIGN_GETSOCKOPT, 1),
			DENY,
		IF_EQUAL(FOREIGN_SETSOCKOPT, 1),
			DENY,
		ALLOW,
	IF_NOT_EQUAL(NATIVE_ARCHITECTURE, 1),
		DENY,

	LOAD(offsetof(struct seccomp_data, nr)),
	IF_AT_LEAST(NATIVE_CALLS_LIMIT, 1),
		DENY,
	/* It can set socket options too, and nobody here has a use for it. */
	IF_EQUAL(__NR_io_uring_setup, 1),
		DENY,
	IF_NOT_EQUAL(__NR_getsockopt, 2),
		IF_NOT_EQUAL(__NR_setsockopt, 1),
			ALLOW,

	/* From here on as kernel_guard_covers(). */
	LOAD(ARGUMENT_LOW(1)),
	IF_NOT_EQUAL(SOL_IP, 7),
		IF_NOT_EQUAL(SOL_IPV6, 1),
			ALLOW,
		LOAD(ARGUMENT_LOW(2)),
		IF_EQUAL(IPV6_RECVTCLASS, 1),
			ALLOW,
		IF_EQUAL(IPV6_TCLASS, 1),
			ALLOW,
	LOAD(ARGUMENT_LOW(2)),
	IF_BELOW(IPT_BASE_CTL, 1),
		ALLOW,
	IF_AT_LEAST(IP6T_SO_GET_REVISION_TARGET + 1, 1),
		ALLOW,

	LOAD(ARGUMENT_HIGH(5)),
	IF_NOT_EQUAL(KERNEL_GUARD_MARKER >> 32, 1),
		DENY,
	LOAD(ARGUMENT_LOW(5)),
	IF_NOT_EQUAL(KERNEL_GUARD_MARKER & 0xffffffff, 1),
		DENY,
	ALLOW,
};
// clang-format on

int kernel_guard_install(struct message *message)
{
	struct sock_fprog program = {
		.len = ARRAY_SIZE(guard),
		.filter = (struct sock_filter *)guard,
	};

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0)
		return 0;
	if (errno == EACCES && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0)
		return 0;
	return message_error(message, errno,
			     "cannot lock the kernel's own tables away from iptables (seccomp): %s",
			     strerror(errno));
}
