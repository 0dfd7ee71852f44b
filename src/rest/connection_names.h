/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What protocols and states are called: as conntrack(8) does. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* NULL for a protocol that has no name here. */
const char *connection_protocol_name(uint8_t protocol);
/* A name, or a number from 0 to 255; -1 if @text is neither. */
int connection_protocol_number(const char *text);
bool connection_protocol_has_ports(uint8_t protocol);
bool connection_protocol_is_query(uint8_t protocol);

const char *connection_tcp_state_name(uint8_t state); /* never NULL */
/* enum tracker_tcp_state, or -1. */
int connection_tcp_state_number(const char *name);
