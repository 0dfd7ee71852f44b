/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the daemon cannot work without, found out by trying it, so that what is missing is named
 * before anything has been changed.
 */
#pragma once

#include "common/message.h"

/*
 * Errors, with a reason in @message: EPERM (not root, or a capability is missing), otherwise the
 * kernel's errno for the feature that it lacks.
 */
int kernel_features_check(struct message *message);
