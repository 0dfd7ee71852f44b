// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/cleanup.h"
#include "rest/router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char *const known[] = {"color", "size", NULL};

static const struct rest_route routes[] = {
	{"GET", "/v1/things", NULL, known},
	{"DELETE", "/v1/things"},
	{"GET", "/v1/things/count"},
	{"PUT", "/v1/things/{thing}/parts/{part}"},
};

struct found {
	const struct rest_route *route;
	struct rest_request request;
	struct rest_reply reply;
};

static struct found find(const char *method, const char *path)
{
	struct found found = {0};

	found.route = rest_router_find(routes, ARRAY_SIZE(routes), method, path, &found.request,
				       &found.reply);
	return found;
}

static void assert_error(const struct rest_reply *reply, unsigned int status, const char *field,
			 const char *value)
{
	const json_t *error = json_object_get(reply->body, "error");

	assert_int_equal(reply->status, status);
	assert_string_equal(json_string_value(json_object_get(error, "field")), field);
	if (value)
		assert_string_equal(json_string_value(json_object_get(error, "value")), value);
	else
		assert_true(json_is_null(json_object_get(error, "value")));
	assert_true(json_string_length(json_object_get(error, "reason")) > 0);
	json_decref(reply->body);
}

static void assert_not_found(const char *path)
{
	struct found found = find("GET", path);

	assert_null(found.route);
	assert_error(&found.reply, REST_NOT_FOUND, "path", path);
}

static void test_finds_by_method_and_path(void **state)
{
	(void)state;
	assert_ptr_equal(find("GET", "/v1/things").route, &routes[0]);
	assert_ptr_equal(find("DELETE", "/v1/things").route, &routes[1]);
	assert_ptr_equal(find("GET", "/v1/things/count").route, &routes[2]);
}

static void test_answers_head_as_get(void **state)
{
	(void)state;
	assert_ptr_equal(find("HEAD", "/v1/things").route, &routes[0]);
}

static void test_gives_the_arguments_of_the_path(void **state)
{
	struct found found = find("PUT", "/v1/things/left/parts/0");

	(void)state;
	assert_ptr_equal(found.route, &routes[3]);
	assert_int_equal(found.request.arguments[0].length, 4);
	assert_memory_equal(found.request.arguments[0].text, "left", 4);
	assert_int_equal(found.request.arguments[1].length, 1);
	assert_memory_equal(found.request.arguments[1].text, "0", 1);
}

static void test_refuses_paths_that_are_not_there(void **state)
{
	(void)state;
	assert_not_found("");
	assert_not_found("/");
	assert_not_found("*");
	assert_not_found("v1/things");
	assert_not_found("/v1");
	assert_not_found("/v1/thing");
	assert_not_found("/v1/thingsandmore");
	assert_not_found("/v1/things/");
	assert_not_found("/v1//things");
	assert_not_found("/v1/things/counts");
	assert_not_found("/v1/things//parts/1");
	assert_not_found("/v1/things/left/parts/1/2");
	/* Only braces of a route are arguments. */
	assert_not_found("/v1/{}");
}

static void test_names_the_methods_that_there_are(void **state)
{
	struct found found = find("POST", "/v1/things");

	(void)state;
	assert_null(found.route);
	assert_string_equal(found.reply.allowed, "GET, DELETE");
	assert_error(&found.reply, REST_NO_METHOD, "method", "POST");
}

static void test_collects_the_query(void **state)
{
	struct rest_request request = {0};
	struct rest_reply reply = {0};

	(void)state;
	assert_true(rest_router_add_query(&routes[0], "size", "3", &request, &reply));
	assert_true(rest_router_add_query(&routes[0], "color", "", &request, &reply));
	assert_string_equal(rest_query_value(&request, "size"), "3");
	assert_string_equal(rest_query_value(&request, "color"), "");
	assert_null(rest_query_value(&request, "weight"));
	assert_int_equal(reply.status, 0);
}

static void assert_query_refused(const struct rest_route *route, const char *name,
				 const char *value)
{
	struct rest_request request = {.query = {{"size", "3"}}, .n_query = 1};
	struct rest_reply reply = {0};

	assert_false(rest_router_add_query(route, name, value, &request, &reply));
	assert_int_equal(request.n_query, 1);
	assert_error(&reply, REST_INVALID, name, value);
}

static void test_refuses_queries_that_it_does_not_understand(void **state)
{
	(void)state;
	assert_query_refused(&routes[0], "weight", "1");
	assert_query_refused(&routes[0], "", "1");
	assert_query_refused(&routes[0], "color", NULL);
	assert_query_refused(&routes[0], "size", "4");
	assert_query_refused(&routes[1], "color", "red");
}

static void test_errors_show_any_bytes(void **state)
{
	struct rest_reply reply = {0};

	(void)state;
	rest_reply_error(&reply, REST_INVALID, "size", "\xff\x01 3", "because of %s", "\xc3");
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(reply.body, "error"), "reason")),
		"because of ?");
	assert_error(&reply, REST_INVALID, "size", "?? 3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_finds_by_method_and_path),
		cmocka_unit_test(test_answers_head_as_get),
		cmocka_unit_test(test_gives_the_arguments_of_the_path),
		cmocka_unit_test(test_refuses_paths_that_are_not_there),
		cmocka_unit_test(test_names_the_methods_that_there_are),
		cmocka_unit_test(test_collects_the_query),
		cmocka_unit_test(test_refuses_queries_that_it_does_not_understand),
		cmocka_unit_test(test_errors_show_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
