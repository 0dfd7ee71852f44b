/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The program of floor.bpf.c. Errors are told on stderr. */
#pragma once

/* Loads it; returns a file descriptor, which is never closed, or -errno. */
int floor_program_load(void);

/* Attaches it to IPv4's LOCAL_IN of the caller's namespace, as long as the caller lives. */
int floor_program_attach(int fd);
