// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The same random packets for the tracker and for the kernel's own connection tracking: labels,
 * states, timeouts and all that is known of windows are equal. The seed is printed;
 * BPF_IPTABLES_SEED gives one, BPF_IPTABLES_FLOWS how many flows of each kind.
 */
#include "tracker_fixture.h"

#include "bpf/tracker_tcp.h"
#include "bpf/tracker_tuple.h"
#include "common/cleanup.h"
#include "kernel_tracker.h"
#include "tracker_program.skel.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define PACKETS     40u   /* of a flow */
#define FIRST_OTHER 30000 /* far from the ports of TCP flows */

static uint64_t random_state;
static unsigned int n_flows = 400;
static long tick_rate;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((random_state >> 33) * limit >> 31);
}

#define PICK(array) ((array)[random_below(ARRAY_SIZE(array))])

/* enum ip_conntrack_info, as bpf/conntrack.h reads it */
static int kernel_label(const struct observation *observation)
{
	if (!observation->has_connection)
		return observation->info == 7 ? UNTRACKED : INVALID;
	if (observation->info < 3)
		return ESTABLISHED + (int)observation->info;
	return (int)(ESTABLISHED + observation->info - 3) | REPLY;
}

static bool find(struct tracker_fixture *fixture, const struct tracker_packet *packet,
		 struct tracker_entry *ret_entry)
{
	struct tracker_key key;

	return tracker_key_of(&key, packet->family, packet->protocol, &packet->source,
			      &packet->destination, &packet->transport) >= 0 &&
	       !bpf_map_lookup_elem(fixture->tracker.table, &key, ret_entry) &&
	       ret_entry->connection.deadline;
}

static void print_packet(const struct tracker_packet *packet)
{
	print_message(
		"%u->%u protocol %u shape %u length %u ports/icmp %08x",
		((const uint8_t *)&packet->source)[packet->family == ARENA_IPV4 ? 3 : 15],
		((const uint8_t *)&packet->destination)[packet->family == ARENA_IPV4 ? 3 : 15],
		packet->protocol, packet->shape, packet->length, ntohl(packet->transport.word));
	if (packet->protocol == IPPROTO_TCP)
		print_message(" flags %#x sequence %u acknowledgement %u window %u options %u",
			      packet->tcp.flags, packet->tcp.sequence, packet->tcp.acknowledgement,
			      packet->tcp.window, packet->n_options);
	print_message("\n");
}

static bool sides_equal(const struct kernel_tcp_side *kernel, const struct tracker_tcp_side *ours)
{
	return kernel->end == ours->end && kernel->maximum_end == ours->maximum_end &&
	       kernel->maximum_window == ours->maximum_window &&
	       kernel->acknowledged == ours->acknowledged && kernel->scale == ours->scale &&
	       kernel->flags == ours->flags;
}

static const char *tcp_difference(const struct kernel_tcp *kernel, const struct tracker_tcp *ours)
{
	if (kernel->state != ours->state)
		return "state";
	if (!sides_equal(&kernel->side[0], &ours->side[0]))
		return "original side";
	if (!sides_equal(&kernel->side[1], &ours->side[1]))
		return "reply side";
	if (kernel->last_direction != ours->last_direction || kernel->last_kind != ours->last_kind)
		return "last packet";
	if (kernel->repetitions != ours->repetitions)
		return "repetitions";
	if (kernel->last_sequence != ours->last_sequence ||
	    kernel->last_acknowledgement != ours->last_acknowledgement ||
	    kernel->last_end != ours->last_end || kernel->last_window != ours->last_window ||
	    kernel->last_scale != ours->last_scale || kernel->last_flags != ours->last_flags)
		return "last numbers";
	return NULL;
}

static const char *difference(const struct observation *kernel, const struct tracker_entry *entry)
{
	const struct tracker_connection *ours = &entry->connection;
	uint32_t both = TRACKER_SEEN_REPLY | TRACKER_ASSURED;
	int64_t seconds, expected = kernel->timeout / tick_rate;
	struct timespec now;

	if ((kernel->status & both) != (ours->status & both))
		return "status";
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	seconds = (int64_t)ours->deadline / 1000000000 - now.tv_sec;
	/* Up to Linux 6.12 a reset that may be forged leaves 300 seconds, not 10. */
	if (ours->key.protocol == IPPROTO_TCP && kernel->tcp.last_kind == TCP_KIND_RST &&
	    kernel->tcp.state == TRACKER_TCP_ESTABLISHED && expected > 290 && seconds <= 10)
		seconds = expected;
	if (seconds < expected - 2 || seconds > expected + 2) {
		print_message("timeouts: kernel %lld, we %lld\n", (long long)expected,
			      (long long)seconds);
		return "timeout";
	}
	if (ours->key.protocol == IPPROTO_TCP)
		return tcp_difference(&kernel->tcp, &ours->tcp);
	return NULL;
}

struct history {
	struct tracker_packet packets[PACKETS];
	unsigned int count;
};

static void check(struct tracker_fixture *fixture, struct history *history,
		  const struct tracker_packet *packet, bool accept)
{
	struct observation kernel = kernel_tracker_run(packet, accept);
	int expected = kernel_label(&kernel), got = tracker_run(fixture, packet, accept);
	struct tracker_entry entry;
	const char *differs = NULL;

	history->packets[history->count++] = *packet;
	if (got != expected)
		differs = "label";
	else if (kernel.has_connection && (got & 3) != NEW && (got & 3) != RELATED &&
		 find(fixture, packet, &entry))
		differs = difference(&kernel, &entry);
	if (!differs)
		return;
	for (unsigned int i = 0; i < history->count; i++)
		print_packet(&history->packets[i]);
	if (find(fixture, packet, &entry))
		print_message("we: state %u status %u, kernel: state %u status %llu\n",
			      entry.connection.tcp.state, entry.connection.status, kernel.tcp.state,
			      (unsigned long long)kernel.status);
	fail_msg("%s differs: label expected %#x, got %#x", differs, (unsigned int)expected,
		 (unsigned int)got);
}

static uint8_t *put_option(uint8_t *at, uint8_t kind, uint8_t size)
{
	at[0] = kind;
	at[1] = size;
	for (uint8_t i = 2; i < size; i++)
		at[i] = (uint8_t)random_below(256);
	return at + size;
}

/* Whole options, of which some may be malformed. */
static void add_options(struct tracker_packet *packet)
{
	uint8_t *begin = packet->tcp.options, *at = begin;

	while (random_below(3) && at - begin < 28) {
		switch (random_below(7)) {
		case 0:
			at = put_option(at, 2, 4);
			break;
		case 1:
		case 2:
			at = put_option(at, 3, 3);
			if (random_below(2))
				at[-1] &= 7;
			break;
		case 3:
		case 4:
			at = put_option(at, 4, 2);
			break;
		case 5:
			*at++ = random_below(8) ? 1 : 0;
			break;
		default:
			at = put_option(at, (uint8_t)random_below(30), (uint8_t)random_below(6));
			at += at < begin + 2;
		}
	}
	packet->n_options = (uint8_t)((at - begin + 3) / 4 * 4);
	while (at < begin + packet->n_options)
		*at++ = 1;
}

static void add_sacks(struct tracker_packet *packet)
{
	uint8_t *at = packet->tcp.options;
	uint32_t blocks = 1 + random_below(3);

	*at++ = 1;
	*at++ = 1;
	*at++ = 5;
	*at++ = (uint8_t)(2 + 8 * blocks);
	for (uint32_t i = 0; i < 2 * blocks; i++) {
		uint32_t edge = htonl(packet->tcp.acknowledgement + random_below(4000) - 1000);

		memcpy(at, &edge, sizeof(edge));
		at += sizeof(edge);
	}
	packet->n_options = (uint8_t)(at - packet->tcp.options);
}

static void add_timestamp(struct tracker_packet *packet)
{
	static const uint8_t start[] = {1, 1, 8, 10};

	memcpy(packet->tcp.options, start, sizeof(start));
	packet->tcp.header_size = 32;
	packet->length += 12;
}

struct tcp_flow {
	int family;
	uint16_t port;
	uint32_t next[2]; /* sequence numbers */
	unsigned int step;
};

static uint32_t near(uint32_t number)
{
	static const int32_t distances[] = {1,     -1,     1000,  -1000,  40000, -40000,
					    65535, -65535, 65999, -65999, 66001, -66001};

	if (random_below(4))
		return number;
	return random_below(12) ? number + (uint32_t)PICK(distances) : random_below(UINT32_MAX);
}

/* Mostly what a TCP would do, sometimes what none does. */
static unsigned int pick_flags(struct tcp_flow *flow, unsigned int *direction)
{
	static const unsigned int likely[] = {ACK,       ACK, ACK,       ACK | PSH,
					      ACK | PSH, SYN, SYN | ACK, FIN | ACK,
					      FIN | ACK, RST, RST | ACK};
	static const unsigned int opening[] = {SYN, SYN | ACK, ACK};

	if (flow->step < 3 && random_below(6)) {
		*direction = flow->step == 1;
		return opening[flow->step++];
	}
	*direction = random_below(2);
	return random_below(40) ? PICK(likely) : random_below(256);
}

static struct tracker_packet random_tcp(struct tcp_flow *flow)
{
	static const uint16_t windows[] = {0, 1, 500, 8192, 32768, 65535, 65535};
	static const uint32_t lengths[] = {0, 0, 0, 1, 100, 1448};
	unsigned int direction;
	unsigned int flags = pick_flags(flow, &direction);
	uint32_t sequence = near(flow->next[direction]);
	uint32_t length = flags & (SYN | RST) ? 0 : PICK(lengths);
	struct tracker_packet packet;

	packet = test_tcp(flow->family, 1 + direction, direction ? 80 : flow->port, 2 - direction,
			  direction ? flow->port : 80, flags, sequence,
			  flags & ACK || !random_below(4) ? near(flow->next[!direction]) : 0,
			  length);
	packet.tcp.window = PICK(windows);
	if (!random_below(15))
		packet.tcp.sequence = 0;
	if (!random_below(15))
		packet.tcp.acknowledgement = 0;
	if (flags & SYN || !random_below(6))
		add_options(&packet);
	else if (!random_below(4))
		add_sacks(&packet);
	packet.tcp.header_size = (uint8_t)(20 + packet.n_options);
	packet.length += packet.n_options;
	if (!packet.n_options && !(flags & SYN) && random_below(2))
		add_timestamp(&packet);
	if (sequence == flow->next[direction])
		flow->next[direction] += length + !!(flags & SYN) + !!(flags & FIN);
	return packet;
}

static void test_tcp_packets(void **state)
{
	struct tracker_fixture *fixture = *state;

	for (unsigned int i = 0; i < n_flows; i++) {
		struct tcp_flow flow = {
			.family = random_below(2) ? ARENA_IPV4 : ARENA_IPV6,
			.port = (uint16_t)(1024 + i % 60000),
			.next = {random_below(UINT32_MAX), random_below(UINT32_MAX)},
			.step = random_below(4) ? 0 : 3,
		};
		struct history history = {};

		while (history.count < PACKETS) {
			struct tracker_packet packet = random_tcp(&flow);

			check(fixture, &history, &packet, random_below(12) > 0);
			/* Many come again. */
			while (!random_below(4) && history.count < PACKETS)
				check(fixture, &history, &packet, true);
		}
	}
}

static struct tracker_packet random_other(int family, uint16_t id)
{
	static const uint8_t queries[] = {8, 0, 13, 14, 15, 16, 17, 18};
	static const uint8_t queries6[] = {128, 129, 139, 140};
	static const uint8_t protocols[] = {IPPROTO_ESP, IPPROTO_IPIP, 200};
	static const uint8_t shapes[] = {SHAPE_WHOLE, SHAPE_8_BYTES, SHAPE_4_BYTES, SHAPE_TINY};
	static const uint32_t sizes[] = {20, 8, 4, 0};
	unsigned int source = 1 + random_below(2), destination = 3 - source;
	struct tracker_packet packet;

	switch (random_below(4)) {
	case 0:
		packet = test_udp(family, source, source == 1 ? id : 53, destination,
				  source == 1 ? 53 : id);
		if (!random_below(6))
			packet.udp.length = (uint16_t)random_below(30);
		break;
	case 1:
		packet = test_icmp(family, source, destination,
				   family == ARENA_IPV4 ? PICK(queries) : PICK(queries6),
				   !random_below(8), id);
		if (!random_below(4))
			packet.transport.icmp.type = (uint8_t)random_below(256);
		break;
	case 2:
		/* Everything of a protocol is one connection: other hosts each time. */
		packet = test_packet(family, PICK(protocols), (source << 16) + id,
				     (destination << 16) + id);
		break;
	default:
		packet = test_tcp(family, source, source == 1 ? id : 80, destination,
				  source == 1 ? 80 : id, random_below(3) ? SYN : ACK, 1, 1, 0);
	}
	if (!random_below(4)) {
		uint32_t shape = random_below(ARRAY_SIZE(shapes));

		packet.shape = shapes[shape];
		packet.length = sizes[shape];
	}
	return packet;
}

static struct tracker_packet random_error(const struct tracker_packet *quoted)
{
	static const uint8_t types[] = {3, 4, 5, 11, 12};
	static const uint8_t types6[] = {1, 2, 3, 4, 100};
	struct tracker_packet packet =
		test_error(quoted, 9, quoted->family == ARENA_IPV4 ? PICK(types) : PICK(types6));

	if (!random_below(8))
		packet.destination = test_address(quoted->family, 5);
	/* Without ports there is nothing that could be cut short. */
	if (!random_below(8) &&
	    (protocol_has_ports(quoted->protocol) || quoted->protocol == packet.protocol))
		packet.quoted.present = false;
	if (!random_below(8))
		packet.quoted.destination = test_address(quoted->family, 6);
	return packet;
}

static void test_other_packets(void **state)
{
	struct tracker_fixture *fixture = *state;

	for (unsigned int i = 0; i < n_flows; i++) {
		int family = random_below(2) ? ARENA_IPV4 : ARENA_IPV6;
		uint16_t id = (uint16_t)(1024 + (FIRST_OTHER + i) % 60000);
		struct tracker_packet last = random_other(family, id);
		struct history history = {};

		while (history.count < PACKETS) {
			struct tracker_packet packet = random_other(family, id);

			if (!random_below(4))
				packet = random_error(&last);
			else
				last = packet;
			check(fixture, &history, &packet, random_below(12) > 0);
		}
	}
}

/* Of a new namespace: nobody has set any. */
static unsigned int kernel_timeout(const char *name)
{
	_cleanup_free_ char *path = NULL;
	unsigned int seconds = 0;
	FILE *file;

	assert_true(asprintf(&path, "/proc/sys/net/netfilter/nf_conntrack_%s", name) > 0);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%u", &seconds) != 1) /* NOLINT(cert-err34-c): of the kernel */
		fail_msg("cannot read %s", path);
	fclose(file);
	return seconds;
}

static void test_timeouts(void **state)
{
	static const struct {
		const char *name;
		unsigned int index;
	} timeouts[] = {
		{"tcp_timeout_syn_sent", TRACKER_TCP_SYN_SENT},
		{"tcp_timeout_syn_sent", TRACKER_TCP_SYN_SENT2}, /* it has no name of its own */
		{"tcp_timeout_syn_recv", TRACKER_TCP_SYN_RECV},
		{"tcp_timeout_established", TRACKER_TCP_ESTABLISHED},
		{"tcp_timeout_fin_wait", TRACKER_TCP_FIN_WAIT},
		{"tcp_timeout_close_wait", TRACKER_TCP_CLOSE_WAIT},
		{"tcp_timeout_last_ack", TRACKER_TCP_LAST_ACK},
		{"tcp_timeout_time_wait", TRACKER_TCP_TIME_WAIT},
		{"tcp_timeout_close", TRACKER_TCP_CLOSE},
		{"tcp_timeout_max_retrans", TRACKER_TIMEOUT_TCP_REPEATED},
		{"tcp_timeout_unacknowledged", TRACKER_TIMEOUT_TCP_UNACKNOWLEDGED},
		{"udp_timeout", TRACKER_TIMEOUT_UDP},
		{"udp_timeout_stream", TRACKER_TIMEOUT_UDP_STREAM},
		{"icmp_timeout", TRACKER_TIMEOUT_ICMP},
		{"icmpv6_timeout", TRACKER_TIMEOUT_ICMP},
		{"generic_timeout", TRACKER_TIMEOUT_GENERIC},
	};
	struct tracker_fixture *fixture = *state;
	const struct tracker_settings *ours = &fixture->tracker.shared->settings;

	for (size_t i = 0; i < ARRAY_SIZE(timeouts); i++) {
		unsigned int expected = kernel_timeout(timeouts[i].name);

		if (ours->timeout[timeouts[i].index] != expected)
			fail_msg("%s: expected %u seconds, got %u", timeouts[i].name, expected,
				 ours->timeout[timeouts[i].index]);
	}
	assert_int_equal(ours->tcp_maximum_repetitions, kernel_timeout("tcp_max_retrans"));
	assert_int_equal(ours->tcp_loose, kernel_timeout("tcp_loose"));
}

static int set_up(void **state)
{
	const char *seed = getenv("BPF_IPTABLES_SEED"), *flows = getenv("BPF_IPTABLES_FLOWS");
	struct timespec resolution;

	random_state = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL);
	print_message("seed %llu\n", (unsigned long long)random_state);
	if (flows)
		n_flows = (unsigned int)strtoul(flows, NULL, 0);
	clock_getres(CLOCK_MONOTONIC_COARSE, &resolution);
	tick_rate = (1000000000 + resolution.tv_nsec / 2) / resolution.tv_nsec;
	kernel_tracker_open();
	/* The kernel's table is not full either. */
	return tracker_fixture_set_up_with(state, 1 << 17, 1 << 17);
}

static int tear_down(void **state)
{
	kernel_tracker_close();
	return tracker_fixture_tear_down(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timeouts),
		cmocka_unit_test(test_tcp_packets),
		cmocka_unit_test(test_other_packets),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
