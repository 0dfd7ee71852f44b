/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the launcher looks for in the preload library before it relies on it. PROJECT_VERSION comes
 * from the build.
 */
#pragma once

#define PRELOAD_LIBRARY_NAME   "libbpfiptables-preload.so"
#define PRELOAD_VERSION_SYMBOL "bpf_iptables_preload_version"

/* The value of the symbol, an array of char: both must come from the same build of the project. */
#define PRELOAD_VERSION "bpf-iptables " PROJECT_VERSION
