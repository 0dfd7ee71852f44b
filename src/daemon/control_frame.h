/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a request header may say, before anything else of the request is looked at. */
#pragma once

#include "abi/control.h"
#include "common/message.h"

#include <stdbool.h>

/*
 * Returns 0 for a request whose payload may be read. Otherwise a negative errno with the reason in
 * @message, and in @ret_in_step whether the payload can be skipped and the next request be read;
 * if not, nothing that follows on this connection can be understood.
 */
int control_frame_check(const struct control_request *request, bool *ret_in_step,
			struct message *message);
