/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/message.h"

/*
 * Sees that the file @path is a whole ELF library that may be executed, and the preload library of
 * this build. Returns 0, -ELIBACC or -ELIBBAD with @message.
 */
int preload_check(const char *path, struct message *message);
