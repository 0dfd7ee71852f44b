/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lists of addresses that -m recent keeps (net/netfilter/xt_recent.c): one for each name, for
 * both families together, from the first rule that names it until the last is gone. Programs look
 * at them and change them (bpf/residual_recent.h); so does user space, with the help of one.
 */
#pragma once

#include "common/message.h"
#include "datapath/arena_memory.h"

struct recent_lists;
struct xt_recent_mtinfo_v1;

/* @program_fd: program_recent_fd(). ENOMEM. */
int recent_lists_new(struct arena_memory *memory, int program_fd, struct recent_lists **ret_lists,
		     struct message *message);

/* The programs are gone already. Accepts NULL. */
void recent_lists_free(struct recent_lists *lists);

/*
 * The list that a rule names: stores the position by which the rule knows it. Made if it is not
 * there; one that has to remember more times of an address than before forgets all that it has, as
 * the kernel's does. To be undone with recent_lists_release(). Errors, with a reason in @message:
 * ENOMEM, E2BIG, EIO.
 */
int recent_lists_take(struct recent_lists *lists, const struct xt_recent_mtinfo_v1 *rule,
		      uint32_t *ret_position, struct message *message);

void recent_lists_release(struct recent_lists *lists, uint32_t position);

/* Name of list number @index in the order in which they were made; NULL behind the last. */
const char *recent_lists_name(const struct recent_lists *lists, uint32_t index);

/*
 * What the kernel's /proc/net/xt_recent/NAME would say, to be freed by the caller. ENOENT, ENOMEM,
 * EIO.
 */
int recent_lists_read(struct recent_lists *lists, const char *name, char **ret_text,
		      struct message *message);

/*
 * What can be written to it: "+address", "-address" or "/", and perhaps a newline. ENOENT, EINVAL,
 * EIO.
 */
int recent_lists_write(struct recent_lists *lists, const char *name, const char *command,
		       struct message *message);
