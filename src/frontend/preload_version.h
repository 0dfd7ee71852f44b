/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the launcher looks for in the preload library before it relies on it: an ELF note with the
 * version. PROJECT_VERSION comes from the build.
 */
#pragma once

#include <elf.h>

#define PRELOAD_LIBRARY_NAME "libbpfiptables-preload.so"

/* Both must come from the same build of the project. */
#define PRELOAD_VERSION "bpf-iptables " PROJECT_VERSION

#define PRELOAD_NOTE_OWNER "bpf-iptables"
#define PRELOAD_NOTE_TYPE  1

/* Owner and contents of a note are padded to four bytes. */
struct preload_note {
	Elf64_Nhdr header;
	_Alignas(4) char owner[sizeof(PRELOAD_NOTE_OWNER)];
	_Alignas(4) char version[sizeof(PRELOAD_VERSION)];
};
