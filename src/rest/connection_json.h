/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "datapath/tracker.h"

#include <jansson.h>

/* A connection, as docs/rest.md shows it; NULL for want of memory. */
json_t *connection_json(const struct tracker_listed *connection);
