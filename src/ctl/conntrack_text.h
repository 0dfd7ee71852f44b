/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/*
 * Writes a connection, as the daemon's JSON describes it, as a line that looks like those of
 * conntrack(8). False, with nothing written, if it is no such description.
 */
bool conntrack_text_write(FILE *output, const json_t *connection);
