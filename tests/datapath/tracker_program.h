/* SPDX-License-Identifier: GPL-2.0-only OR GPL-2.0-or-later */
/* What the test programs and the tests that run them agree on. */
#pragma once

#define TEST_ACCEPT  1u
#define TEST_SHUFFLE 2u /* a SYN, an answer to it or an ACK, of one of some ports */

/* Behind what test runs take for an Ethernet header. */
#define TEST_FLAGS_OFFSET  16
#define TEST_PACKET_OFFSET 24

#define TEST_DROPPED (1 << 10)

/* enum bits of bpf/tracker.h */
#define TEST_COMMIT  (1 << 8)
#define TEST_FOLLOWS (1 << 9)
