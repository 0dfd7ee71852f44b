/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections that one tracker goes on with where another has tracked them: the kernel's, of this
 * process's network namespace, and that of the hooks on devices. What is ESTABLISHED to the one is
 * so to the other. Left out are connections whose addresses the kernel translates, and those in
 * conntrack zones: the hooks on devices know neither. Windows of TCP are not handed over.
 */
#pragma once

#include "common/message.h"
#include "datapath/tracker.h"

#include <stdbool.h>

/*
 * What @tracker has already stays as it is. Errors, with a reason in @message: -ENOSPC (@tracker
 * has no room), -ENOMEM, and what the kernel says.
 */
int conntrack_transfer_from_kernel(const struct tracker *tracker, struct message *message);

/*
 * What the kernel has already is brought up to date if @update; otherwise it stays as it is. Errors
 * likewise: what the kernel says if it does not take a connection.
 */
int conntrack_transfer_to_kernel(const struct tracker *tracker, bool update,
				 struct message *message);
