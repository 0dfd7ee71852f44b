// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The tables of bpf/tracker_tcp.h and bpf/tracker_tuple.h, against the kernel's, written down
 * once more in another order. What they are used for is tested beside the kernel's own connection
 * tracking (tests/datapath/tracker_kernel_test.c).
 */
#include "bpf/tracker_tcp.h"
#include "bpf/tracker_tuple.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/*
 * tcp_conntracks[] of nf_conntrack_proto_tcp.c by state: what SYN, SYN/ACK, FIN, ACK, RST and a
 * packet without any of them do in the original direction, then in the other. "--" is sIV, "ig"
 * sIG.
 */
static const struct {
	const char *original, *reply;
} transitions[TRACKER_TCP_STATES] = {
	[TRACKER_TCP_NONE] = {"SS -- -- ES -- --", "-- -- -- -- -- --"},
	[TRACKER_TCP_SYN_SENT] = {"SS -- -- -- CL --", "S2 SR -- ig CL --"},
	[TRACKER_TCP_SYN_RECV] = {"ig SR FW ES CL --", "-- ig FW SR CL --"},
	[TRACKER_TCP_ESTABLISHED] = {"ig -- FW ES CL --", "-- ig FW ES CL --"},
	[TRACKER_TCP_FIN_WAIT] = {"ig -- LA CW CL --", "-- ig LA CW CL --"},
	[TRACKER_TCP_CLOSE_WAIT] = {"ig -- LA CW CL --", "-- ig LA CW CL --"},
	[TRACKER_TCP_LAST_ACK] = {"ig -- LA TW CL --", "-- ig LA TW CL --"},
	[TRACKER_TCP_TIME_WAIT] = {"SS -- TW TW CL --", "SS ig TW TW CL --"},
	[TRACKER_TCP_CLOSE] = {"SS -- CL CL CL --", "-- ig CL CL CL --"},
	[TRACKER_TCP_SYN_SENT2] = {"S2 SR -- -- CL --", "S2 SR -- ig CL --"},
};

static const char *const names[16] = {
	"NO", "SS", "SR", "ES", "FW", "CW", "LA", "TW", "CL", "S2", "?", "?", "?", "?", "ig", "--",
};

static void check_transitions(unsigned int direction, unsigned int state, const char *expected)
{
	char got[TCP_KINDS * 3 + 1] = "";

	for (unsigned int kind = 0; kind < TCP_KINDS; kind++)
		sprintf(got + strlen(got), "%s%s", kind ? " " : "",
			names[tcp_next_state(direction, kind, state)]);
	if (strcmp(got, expected) != 0)
		fail_msg("direction %u, state %s: expected %s, got %s", direction, names[state],
			 expected, got);
}

static void test_transitions(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < TRACKER_TCP_STATES; i++) {
		check_transitions(0, i, transitions[i].original);
		check_transitions(1, i, transitions[i].reply);
	}
}

static bool flags_are_in_list(unsigned int flags)
{
	static const char *const valid[] = {"S", "SU", "SA", "R", "RA", "FA", "FAU", "A", "AU"};
	char text[8];

	snprintf(text, sizeof(text), "%s%s%s%s%s", flags & TCP_FLAG_FIN ? "F" : "",
		 flags & TCP_FLAG_SYN ? "S" : "", flags & TCP_FLAG_RST ? "R" : "",
		 flags & TCP_FLAG_ACK ? "A" : "", flags & TCP_FLAG_URG ? "U" : "");
	for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++)
		if (!strcmp(text, valid[i]))
			return true;
	return false;
}

static void test_flags(void **state)
{
	(void)state;
	for (unsigned int flags = 0; flags < 256; flags++) {
		if (tcp_flags_are_valid(flags) != flags_are_in_list(flags))
			fail_msg("flags %#x", flags);
		if (!tcp_flags_are_valid(flags))
			continue;
		assert_int_equal(tcp_kind_of(flags), flags & TCP_FLAG_RST      ? TCP_KIND_RST
						     : flags & TCP_FLAG_FIN    ? TCP_KIND_FIN
						     : !(flags & TCP_FLAG_SYN) ? TCP_KIND_ACK
						     : flags & TCP_FLAG_ACK    ? TCP_KIND_SYN_ACK
									       : TCP_KIND_SYN);
	}
}

static int key_of(struct tracker_key *key, unsigned int protocol, uint64_t source,
		  unsigned int source_port, uint64_t destination, unsigned int destination_port)
{
	struct tracker_address from = {{source, ~source}}, to = {{destination, ~destination}};
	union tracker_transport transport = {
		.port = {(__be16)source_port, (__be16)destination_port}};

	memset(key, 0xff, sizeof(*key));
	return tracker_key_of(key, ARENA_IPV6, protocol, &from, &to, &transport);
}

/* Both directions have one key, different connections have not. */
static void test_keys(void **state)
{
	static const uint64_t addresses[] = {0, 1, UINT64_MAX};
	static const unsigned int ports[] = {0, 1, 0xffff};

	(void)state;
	for (unsigned int i = 0; i < 81; i++) {
		uint64_t source = addresses[i % 3], destination = addresses[i / 3 % 3];
		unsigned int from = ports[i / 9 % 3], to = ports[i / 27];
		bool same = source == destination && from == to;
		struct tracker_key forth, back, other;
		int way = key_of(&forth, PROTOCOL_TCP, source, from, destination, to);
		int reverse = key_of(&back, PROTOCOL_TCP, destination, to, source, from);

		assert_memory_equal(&forth, &back, sizeof(forth));
		assert_true(tracker_keys_equal(&forth, &back));
		assert_int_equal(way + reverse,
				 same ? 2 * TRACKER_SELF : TRACKER_FORTH + TRACKER_BACK);
		key_of(&other, PROTOCOL_UDP, source, from, destination, to);
		assert_false(tracker_keys_equal(&forth, &other));
		if (source == destination || from == to)
			continue;
		key_of(&other, PROTOCOL_TCP, source, to, destination, from);
		assert_false(tracker_keys_equal(&forth, &other));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transitions),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
