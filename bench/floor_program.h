/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs of floor.bpf.c. Errors are told on stderr. */
#pragma once

/* Loads the one with this verdict; returns a file descriptor, which is never closed, or -errno. */
int floor_program_load(int verdict);

/* Attaches it to a hook of IPv4 in the caller's namespace, as long as the caller lives. */
int floor_program_attach(int fd, unsigned int hook);
