/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests to the daemon of this network namespace. */
#pragma once

#include "common/message.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* Exit statuses; bpf-iptablesctl(8) tells them. */
enum ctl_status {
	CTL_DONE,
	CTL_FAILED,    /* the daemon, or something on the way to it, says no */
	CTL_USAGE,     /* the command line is wrong */
	CTL_NO_DAEMON, /* none serves this namespace */
};

#define CTL_PARAMETERS 16

struct ctl_parameter {
	const char *name;
	const char *value;
};

struct ctl_request {
	const char *method;
	const char *path;
	struct ctl_parameter query[CTL_PARAMETERS];
	size_t n_query;
	const json_t *body; /* NULL: none */
};

/*
 * Asks, and waits for the whole answer: when this returns CTL_DONE, @ret_answer is at its
 * beginning, to be closed. All other results come with their reason in @message.
 */
enum ctl_status ctl_ask(const struct ctl_request *request, FILE **ret_answer,
			struct message *message);

/* The same for an answer that is one small value, which the caller owns. */
enum ctl_status ctl_ask_json(const struct ctl_request *request, json_t **ret_answer,
			     struct message *message);
