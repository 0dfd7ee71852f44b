/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What differs between struct ipt_entry and struct ip6t_entry. Private to this module. struct
 * ipt_replace, the matches and the targets are the same for both.
 */
#pragma once

#include "ruleset/ruleset.h"

struct family {
	uint8_t number; /* NFPROTO_IPV4 ... */

	/* Sizes and places in the entry, bytes. The header (struct ipt_ip) is at its beginning. */
	uint16_t entry_size; /* the matches, or the target, begin here */
	uint16_t header_size;
	uint16_t target_offset;
	uint16_t next_offset;
	uint16_t comefrom;
	uint16_t counters;

	/* 0, or a negative errno with the reason in @message. */
	int (*check)(const void *header, struct message *message);

	/* Changes the header as the kernel does when it takes it; NULL: not at all. */
	void (*complete)(void *header);

	/* The target's jump is a goto. */
	bool (*is_goto)(const void *header);

	/* Fills in all but the hooks. */
	void (*describe)(const void *header, struct rule_context *ret_context);

	/* Appends the header's conditions; only for headers that passed check(). */
	void (*compile)(const void *header, struct predicate *predicate);
};

extern const struct family family_ipv4;
extern const struct family family_ipv6;

/* NULL if the family is not supported. */
const struct family *family_find(uint8_t number);
