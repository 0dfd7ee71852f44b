/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All that can be asked for. */
#pragma once

#include "rest/handler.h"

extern const struct rest_route rest_routes[];
extern const size_t rest_n_routes;
