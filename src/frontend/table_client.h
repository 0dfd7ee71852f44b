/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The preload library's connection to the daemon: the launcher's, or else opened when the first
 * question comes up; one per process, and never opened again once it broke, so that no command is
 * half done by one daemon and half by the next.
 */
#pragma once

#include "frontend/control_client.h"

/* The only table that is the daemon's; all others are the kernel's. */
#define TABLE_FILTER "filter"

/*
 * Asks the daemon, without a word to the user. Returns as control_client_open() and
 * control_client_call().
 */
int table_client_ask(const struct control_call *call, struct message *message);

/* As table_client_ask(), and prints the reason of a failure on standard error. */
int table_client_call(const struct control_call *call);

/*
 * Prints a reason, in the name of the family's command, unless it is empty or was the last one
 * printed: iptables asks twice for a table that it did not get.
 */
void table_client_report(uint8_t family, const struct message *message);
