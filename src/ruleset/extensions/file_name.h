/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of what the kernel shows as files in /proc. */
#pragma once

#include "common/message.h"

#include <stddef.h>

/*
 * x_tables.c xt_check_proc_name(): @name is in an array of @size bytes. @what has it, for the
 * message. EINVAL, ENAMETOOLONG.
 */
int check_file_name(const char *name, size_t size, const char *what, struct message *message);
