// SPDX-License-Identifier: GPL-2.0-or-later
/* Which connections a query means, and what they look like in JSON. */
#include "abi/arena.h"
#include "common/cleanup.h"
#include "rest/connection_filter.h"
#include "rest/connection_json.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct tracker_address address(int domain, const char *text)
{
	struct tracker_address address = {{0}};

	assert_int_equal(inet_pton(domain, text, &address), 1);
	return address;
}

static struct tracker_listed tcp(void)
{
	return (struct tracker_listed){
		.source = address(AF_INET, "10.1.2.3"),
		.destination = address(AF_INET, "192.0.2.1"),
		.transport.port = {htons(1234), htons(80)},
		.family = ARENA_IPV4,
		.protocol = IPPROTO_TCP,
		.status = TRACKER_SEEN_REPLY | TRACKER_ASSURED | TRACKER_CONFIRMED,
		.tcp_state = TRACKER_TCP_ESTABLISHED,
		.settled = true,
		.seconds = 431999,
	};
}

static struct tracker_listed udp6(void)
{
	return (struct tracker_listed){
		.source = address(AF_INET6, "2001:db8::1"),
		.destination = address(AF_INET6, "2001:db8::2"),
		.transport.port = {htons(1234), htons(53)},
		.family = ARENA_IPV6,
		.protocol = IPPROTO_UDP,
		.status = TRACKER_CONFIRMED,
		.seconds = 29,
	};
}

static struct tracker_listed ping(int domain)
{
	return (struct tracker_listed){
		.source = address(domain, domain == AF_INET ? "10.1.2.3" : "2001:db8::1"),
		.destination = address(domain, domain == AF_INET ? "192.0.2.1" : "2001:db8::2"),
		.transport.icmp = {htons(1234), domain == AF_INET ? 8 : 128, 0},
		.family = domain == AF_INET ? ARENA_IPV4 : ARENA_IPV6,
		.protocol = domain == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6,
		.status = TRACKER_SEEN_REPLY | TRACKER_CONFIRMED,
		.seconds = 29,
	};
}

/* Does "name=value" match? */
static bool matches(const char *name, const char *value, struct tracker_listed connection)
{
	const struct rest_request request = {.query = {{name, value}}, .n_query = 1};
	struct connection_filter filter;
	struct rest_reply reply = {0};

	assert_true(connection_filter_read(&request, &filter, &reply));
	return connection_filter_matches(&filter, &connection);
}

static void test_no_filter_matches_all(void **state)
{
	const struct rest_request request = {0};
	const struct tracker_listed all[] = {tcp(), udp6(), ping(AF_INET), ping(AF_INET6)};
	struct connection_filter filter;
	struct rest_reply reply = {0};

	(void)state;
	assert_true(connection_filter_read(&request, &filter, &reply));
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		assert_true(connection_filter_matches(&filter, &all[i]));
}

static void test_family_and_protocol(void **state)
{
	(void)state;
	assert_true(matches("family", "ipv4", tcp()));
	assert_false(matches("family", "ipv6", tcp()));
	assert_true(matches("family", "ipv6", udp6()));
	assert_true(matches("protocol", "tcp", tcp()));
	assert_true(matches("protocol", "TCP", tcp()));
	assert_true(matches("protocol", "6", tcp()));
	assert_false(matches("protocol", "udp", tcp()));
	assert_true(matches("protocol", "icmpv6", ping(AF_INET6)));
	assert_false(matches("protocol", "icmp", ping(AF_INET6)));
	assert_false(matches("protocol", "0", tcp()));
}

static void test_addresses(void **state)
{
	(void)state;
	assert_true(matches("source", "10.1.2.3", tcp()));
	assert_false(matches("source", "10.1.2.2", tcp()));
	assert_false(matches("source", "192.0.2.1", tcp()));
	assert_true(matches("destination", "192.0.2.1", tcp()));
	assert_true(matches("source", "10.0.0.0/8", tcp()));
	assert_true(matches("source", "10.1.2.2/31", tcp()));
	assert_false(matches("source", "10.1.2.4/31", tcp()));
	assert_true(matches("source", "10.200.0.0/8", tcp()));
	assert_true(matches("source", "0.0.0.0/0", tcp()));
	assert_true(matches("source", "2001:db8::1", udp6()));
	assert_true(matches("source", "2001:db8::/127", udp6()));
	assert_false(matches("source", "2001:db8::2/127", udp6()));
	assert_true(matches("destination", "::/0", udp6()));
	/* The same bytes, another family. */
	assert_false(matches("source", "::/0", tcp()));
	assert_false(matches("source", "0.0.0.0/0", udp6()));
	assert_false(matches("source", "a01:203::", tcp()));
}

static void test_ports(void **state)
{
	(void)state;
	assert_true(matches("sport", "1234", tcp()));
	assert_false(matches("dport", "1234", tcp()));
	assert_true(matches("dport", "80", tcp()));
	assert_false(matches("sport", "0", tcp()));
	/* What lies there is no port. */
	assert_false(matches("sport", "1234", ping(AF_INET)));
}

static void test_states(void **state)
{
	struct tracker_listed other = udp6();

	(void)state;
	assert_true(matches("state", "ESTABLISHED", tcp()));
	assert_false(matches("state", "SYN_SENT", tcp()));
	assert_false(matches("state", "NONE", udp6()));
	other.tcp_state = TRACKER_TCP_ESTABLISHED;
	assert_false(matches("state", "ESTABLISHED", other));
	assert_true(matches("state", "ASSURED", tcp()));
	assert_false(matches("state", "ASSURED", udp6()));
	assert_true(matches("state", "UNREPLIED", udp6()));
	assert_false(matches("state", "UNREPLIED", ping(AF_INET)));
}

static void test_all_parameters_have_to_match(void **state)
{
	struct rest_request request = {.query = {{"sport", "1234"}, {"dport", "80"}}, .n_query = 2};
	const struct tracker_listed one = tcp(), other = udp6();
	struct connection_filter filter;
	struct rest_reply reply = {0};

	(void)state;
	assert_true(connection_filter_read(&request, &filter, &reply));
	assert_true(connection_filter_matches(&filter, &one));
	assert_false(connection_filter_matches(&filter, &other));
}

static void test_refuses_what_it_does_not_understand(void **state)
{
	static const struct rest_parameter wrong[] = {
		{"family", "ipv5"},
		{"family", ""},
		{"protocol", "tcpx"},
		{"protocol", "256"},
		{"protocol", "-1"},
		{"protocol", ""},
		{"source", ""},
		{"source", "10.1.2"},
		{"source", "10.1.2.3/33"},
		{"source", "10.1.2.3/"},
		{"source", "10.1.2.3/-1"},
		{"source", "10.1.2.3/8/8"},
		{"source", "example.org"},
		{"destination", "2001:db8::1/129"},
		{"destination", "10.1.2.3 "},
		{"destination", "2001:db8::1%eth0"},
		{"sport", "65536"},
		{"sport", "99999999999999999999"},
		{"sport", "+1"},
		{"dport", "http"},
		{"dport", ""},
		{"dport", "1 "},
		{"state", "established"},
		{"state", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		const struct rest_request request = {.query = {wrong[i]}, .n_query = 1};
		struct connection_filter filter;
		struct rest_reply reply = {0};
		const json_t *error;

		if (connection_filter_read(&request, &filter, &reply))
			fail_msg("%s=%s is not refused", wrong[i].name, wrong[i].value);
		error = json_object_get(reply.body, "error");
		assert_int_equal(reply.status, REST_INVALID);
		assert_string_equal(json_string_value(json_object_get(error, "field")),
				    wrong[i].name);
		assert_string_equal(json_string_value(json_object_get(error, "value")),
				    wrong[i].value);
		json_decref(reply.body);
	}
}

static void assert_json(struct tracker_listed connection, const char *expected)
{
	json_t *json = connection_json(&connection);
	_cleanup_free_ char *text = json_dumps(json, JSON_COMPACT);

	assert_string_equal(text, expected);
	json_decref(json);
}

static void test_json(void **state)
{
	struct tracker_listed other = udp6();

	(void)state;
	assert_json(tcp(), "{\"family\":\"ipv4\",\"protocol\":\"tcp\",\"protocol_number\":6,"
			   "\"timeout\":431999,\"state\":\"ESTABLISHED\",\"replied\":true,"
			   "\"assured\":true,\"settled\":true,"
			   "\"original\":{\"source\":\"10.1.2.3\",\"destination\":\"192.0.2.1\","
			   "\"sport\":1234,\"dport\":80},"
			   "\"reply\":{\"source\":\"192.0.2.1\",\"destination\":\"10.1.2.3\","
			   "\"sport\":80,\"dport\":1234}}");
	assert_json(ping(AF_INET),
		    "{\"family\":\"ipv4\",\"protocol\":\"icmp\",\"protocol_number\":1,"
		    "\"timeout\":29,\"state\":null,\"replied\":true,\"assured\":false,"
		    "\"settled\":false,"
		    "\"original\":{\"source\":\"10.1.2.3\",\"destination\":\"192.0.2.1\","
		    "\"type\":8,\"code\":0,\"id\":1234},"
		    "\"reply\":{\"source\":\"192.0.2.1\",\"destination\":\"10.1.2.3\","
		    "\"type\":0,\"code\":0,\"id\":1234}}");
	/* A protocol without a name, and without ports. */
	other.protocol = 99;
	assert_json(other,
		    "{\"family\":\"ipv6\",\"protocol\":null,\"protocol_number\":99,\"timeout\":29,"
		    "\"state\":null,\"replied\":false,\"assured\":false,\"settled\":false,"
		    "\"original\":{\"source\":\"2001:db8::1\",\"destination\":\"2001:db8::2\"},"
		    "\"reply\":{\"source\":\"2001:db8::2\",\"destination\":\"2001:db8::1\"}}");
}

static void test_replies_to_queries(void **state)
{
	static const struct {
		int domain;
		uint8_t request;
		int reply;
	} queries[] = {
		{AF_INET, 8, 0},   {AF_INET, 13, 14},    {AF_INET, 15, 16},
		{AF_INET, 17, 18}, {AF_INET6, 128, 129}, {AF_INET6, 139, 140},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(queries); i++) {
		struct tracker_listed query = ping(queries[i].domain);
		json_t *json;

		query.transport.icmp.type = queries[i].request;
		json = connection_json(&query);
		assert_int_equal(
			json_integer_value(json_object_get(json_object_get(json, "reply"), "type")),
			queries[i].reply);
		json_decref(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_filter_matches_all),
		cmocka_unit_test(test_family_and_protocol),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_all_parameters_have_to_match),
		cmocka_unit_test(test_refuses_what_it_does_not_understand),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_replies_to_queries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
