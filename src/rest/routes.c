// SPDX-License-Identifier: GPL-2.0-or-later
#include "rest/routes.h"

#include "common/cleanup.h"
#include "rest/connection_filter.h"
#include "rest/connections.h"
#include "rest/hook.h"
#include "rest/recent.h"
#include "rest/status.h"

const struct rest_route rest_routes[] = {
	{"GET", "/v1/connections", rest_connections_list, .query = connection_filter_names},
	{"DELETE", "/v1/connections", rest_connections_delete, .query = connection_filter_names},
	{"GET", "/v1/connections/count", rest_connections_count, .query = connection_filter_names},
	{"GET", "/v1/hook", rest_hook_get},
	{"PUT", "/v1/hook", rest_hook_put, .body_limit = REST_HOOK_BODY},
	{"GET", "/v1/recent", rest_recent_get, .query = rest_recent_names},
	{"PUT", "/v1/recent", rest_recent_put, .body_limit = REST_RECENT_BODY},
	{"GET", "/v1/status", rest_status_get},
};

const size_t rest_n_routes = ARRAY_SIZE(rest_routes);
