// SPDX-License-Identifier: GPL-2.0-or-later
#include "rest/routes.h"

#include "common/cleanup.h"
#include "rest/status.h"

const struct rest_route rest_routes[] = {
	{"GET", "/v1/status", rest_status_get},
};

const size_t rest_n_routes = ARRAY_SIZE(rest_routes);
