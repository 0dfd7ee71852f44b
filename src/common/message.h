/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reason of a failure, in words for the user. It is written once, where the cause is known, and
 * travels beside the negative errno to whoever asked.
 */
#pragma once

#define MESSAGE_SIZE 512

struct message {
	char text[MESSAGE_SIZE];
};

/*
 * Writes the reason into @message (which may be NULL; a text that is already there is replaced,
 * a text that is too long is cut) and returns -@error, so that a caller can
 * `return message_error(message, EINVAL, "...")`.
 */
int message_error(struct message *message, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Puts "where: " (a printf format) in front of the text that is there; does nothing when there is
 * none. Used on the way up, by the level that knows the chain and the rule number.
 */
void message_prefix(struct message *message, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
