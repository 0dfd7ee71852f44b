/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets that are kept between two hooks for longer than it takes to work off a queue: those that
 * wait for the address of a neighbour, between LOCAL_OUT and the device, and those that another
 * program has to decide about (NFQUEUE). Of the calling thread's network namespace.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Does any neighbour's address have to be found out still? Also true if the kernel does not say. */
bool held_packets_for_neighbours(void);

/* In nanoseconds: as long as packets wait for a neighbour at most, then they are dropped. */
uint64_t held_packets_neighbour_time(void);

/* Does any program have packets to decide about? */
bool held_packets_in_queues(void);

/* In nanoseconds: as long as fragments wait for the rest of their datagram. */
uint64_t held_packets_fragment_time(void);
