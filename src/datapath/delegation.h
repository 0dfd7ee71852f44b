/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What eBPF cannot do for a packet, the kernel's own targets do, right behind the hook, and what it
 * cannot know its matches find out, right in front of it, both from nftables chains of ours:
 * docs/delegation.md. eBPF knows each of these actions and conditions by a number, and finds it in
 * the packet's docket (abi/arena.h).
 */
#pragma once

#include "common/message.h"
#include "datapath/arena_memory.h"
#include "ruleset/ruleset.h"

struct delegation;

/* Nothing is loaded, and no table made, before a ruleset needs it. ENOMEM. */
int delegation_new(struct arena_memory *memory, int arena_fd, struct delegation **ret_delegation,
		   struct message *message);

/* The programs that delegate are gone already. Accepts NULL. */
void delegation_free(struct delegation *delegation);

/* Where the hooks of @family (NFPROTO_IPV4 ...) are; to be said before anything is delegated. */
void delegation_set_priority(struct delegation *delegation, uint8_t family, int priority);

/*
 * Gives each delegate of @ruleset its numbers, and puts into the chains what is not there yet. To
 * be undone with delegation_release(). On failure nothing has changed; errors, with a reason in
 * @message: ENOMEM, E2BIG, EPERM (another process owns a table of that name), EOPNOTSUPP (the
 * kernel lacks nftables or the target), or what the kernel says to the target.
 */
int delegation_take(struct delegation *delegation, struct ruleset *ruleset,
		    struct message *message);

/* No packet is judged by @ruleset any more. */
void delegation_release(struct delegation *delegation, const struct ruleset *ruleset);

/* Takes out of the chains of @family what no ruleset delegates any more. */
void delegation_settle(struct delegation *delegation, uint8_t family);
