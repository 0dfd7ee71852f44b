/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * File descriptors and deadlines, and who is to be told of them. One thread; callbacks run one
 * after the other, whole. Time is CLOCK_MONOTONIC.
 */
#pragma once

#include <stdint.h>

struct event_loop;
struct event_source;

/* @events are epoll's (EPOLLIN ...), 0 when the deadline has passed. May free its own source. */
typedef void (*event_callback)(void *data, uint32_t events);

/* Errors: ENOMEM, EMFILE, ENFILE. To be freed with event_loop_free(), after all of its sources. */
int event_loop_new(struct event_loop **ret_loop);
void event_loop_free(struct event_loop *loop); /* accepts NULL */

/*
 * Watches @fd, which stays the caller's and must outlive the source. Errors: ENOMEM, ENOSPC, and
 * EPERM for a file that cannot be waited for.
 */
int event_source_new(struct event_loop *loop, int fd, uint32_t events, event_callback callback,
		     void *data, struct event_source **ret_source);
void event_source_free(struct event_source *source); /* accepts NULL */

/* Other events from now on; 0: only hang-ups and errors, which epoll always tells. */
void event_source_watch(struct event_source *source, uint32_t events);

/* Once, when event_loop_now() has reached @deadline (nanoseconds); 0 takes the deadline away. */
void event_source_set_deadline(struct event_source *source, uint64_t deadline);

/* Nanoseconds. */
uint64_t event_loop_now(void);

#define SECONDS(count) ((uint64_t)(count) * 1000000000u)

/* Runs until event_loop_stop() is called in a callback: 0; or the errno of epoll_wait(). */
int event_loop_run(struct event_loop *loop);
void event_loop_stop(struct event_loop *loop);
