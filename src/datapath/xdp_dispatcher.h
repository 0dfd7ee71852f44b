/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libxdp's dispatcher: an XDP program that calls those of several users of a device one after the
 * other (xdp-tools, lib/libxdp/protocol.org). What joins or leaves it replaces it by another.
 *
 * Ours does not join: the dispatcher and all that is in it can be taken off the device by anybody,
 * with no bpf link to prevent it, and what it calls says nothing about a packet that would still be
 * known when the kernel has it. So nobody could tell which packets have been judged. At TC, behind
 * the dispatcher, all are that it leaves to the kernel, whatever others do to it (docs/hooks.md).
 */
#pragma once

#include <stdint.h>

/* Is the program @id a dispatcher? Returns 1 or 0, or -ENOENT if there is no such program. */
int xdp_dispatcher_is(uint32_t id);
