/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tracker in test programs of both types, and packets for it. */
#pragma once

#include "abi/arena.h"
#include "abi/packet.h"
#include "abi/tracker.h"
#include "datapath/tracker.h"
#include "tracker_program.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#define FIN 0x01u
#define SYN 0x02u
#define RST 0x04u
#define PSH 0x08u
#define ACK 0x10u
#define URG 0x20u

#define NEW         CONNTRACK_NEW
#define ESTABLISHED CONNTRACK_ESTABLISHED
#define RELATED     CONNTRACK_RELATED
#define INVALID     CONNTRACK_INVALID
#define UNTRACKED   CONNTRACK_UNTRACKED
#define REPLY       CONNTRACK_REPLY

struct tracker_fixture {
	struct tracker_program *skeleton;
	struct tracker tracker;
	unsigned int runs;
};

/* Few enough that tests can fill them. */
#define TEST_SETTLED   256u
#define TEST_HALF_OPEN 128u

int tracker_fixture_set_up(void **state);
int tracker_fixture_set_up_with(void **state, uint32_t settled, uint32_t half_open);
int tracker_fixture_tear_down(void **state);
/* Between tests: no connections, defaults everywhere. */
int tracker_fixture_reset(void **state);

/* Waits until a count is what it has to become. */
void tracker_await(const volatile __u64 *count, uint64_t expected);

/* Waits until the kernel has removed all connections; they must be past their time. */
void tracker_await_empty(const struct tracker_fixture *fixture);

/*
 * What the tracker says of the packet, without TEST_COMMIT; TEST_DROPPED if there was no room.
 * The two hooks take turns. @accept: do the rules accept it?
 */
int tracker_run(struct tracker_fixture *fixture, const struct tracker_packet *packet, bool accept);
/* Of the last time; @flags are TEST_ACCEPT and TEST_SHUFFLE. */
int tracker_run_repeatedly(struct tracker_fixture *fixture, const struct tracker_packet *packet,
			   uint32_t flags, unsigned int times);
/* The same at XDP, many times; nanoseconds for each. */
unsigned int tracker_run_often(struct tracker_fixture *fixture, const struct tracker_packet *packet,
			       bool nothing);

/* @seconds pass. */
void tracker_wait(struct tracker_fixture *fixture, double seconds);

/* How many connections are alive; if there is but one, @ret_listed (may be NULL) becomes it. */
unsigned int tracker_alive(struct tracker_fixture *fixture, struct tracker_listed *ret_listed);

struct tracker_address test_address(int family, unsigned int number);

/* A packet of 20 bytes or more from host @source to host @destination. */
struct tracker_packet test_packet(int family, uint8_t protocol, unsigned int source,
				  unsigned int destination);
struct tracker_packet test_udp(int family, unsigned int source, uint16_t source_port,
			       unsigned int destination, uint16_t destination_port);
struct tracker_packet test_tcp(int family, unsigned int source, uint16_t source_port,
			       unsigned int destination, uint16_t destination_port,
			       unsigned int flags, uint32_t sequence, uint32_t acknowledgement,
			       uint32_t length);
struct tracker_packet test_icmp(int family, unsigned int source, unsigned int destination,
				uint8_t type, uint8_t code, uint16_t id);
/* An ICMP error from @source that quotes the packet, and goes to whom had sent that. */
struct tracker_packet test_error(const struct tracker_packet *quoted, unsigned int source,
				 uint8_t type);
