/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/message.h"

#include <stdint.h>

/*
 * By what the kernel tells this process's network namespace from all others, those included that
 * were and will be (SO_NETNS_COOKIE). Errors, with a reason in @message: ENOPROTOOPT (kernel before
 * 5.14), EMFILE ...
 */
int namespace_cookie_read(uint64_t *ret_cookie, struct message *message);
