/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands of bpf-iptablesctl: a file for each. */
#pragma once

#include "ctl/client.h"

#include <stdbool.h>

/*
 * Does what the arguments say (the first is the command's name), and prints the outcome. What has
 * gone wrong is in @message; with CTL_USAGE it may be empty, if it is printed already.
 */
typedef enum ctl_status (*ctl_run)(int count, char **arguments, struct message *message);

enum ctl_status status_run(int count, char **arguments, struct message *message);
enum ctl_status conntrack_run(int count, char **arguments, struct message *message);
enum ctl_status recent_run(int count, char **arguments, struct message *message);
enum ctl_status hook_run(int count, char **arguments, struct message *message);

/* CTL_USAGE, and the reason in @message. */
enum ctl_status ctl_usage(struct message *message, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* All of @file to the standard output. */
enum ctl_status ctl_copy_out(FILE *file, struct message *message);

/*
 * For commands whose only option is --json: reads the options, after which optind is the number of
 * the first argument, of which there may be @most. CTL_USAGE, with the reason in @message unless it
 * is printed already.
 */
enum ctl_status ctl_read_arguments(int count, char **arguments, int most, bool *ret_as_json,
				   struct message *message);

/* What --json prints. */
void ctl_print_json(const json_t *answer);
