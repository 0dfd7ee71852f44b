/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What struct ipt_ip and struct ip6t_ip6 have in common. Private to this module. */
#pragma once

#include "common/message.h"
#include "ruleset/predicate.h"

/* EINVAL, with a reason in @message, for flags that are not among the known ones. */
int header_check_flags(unsigned int flags, unsigned int known_flags, unsigned int inversions,
		       unsigned int known_inversions, struct message *message);

/* The masks have IFNAMSIZ bytes. EINVAL, with a reason in @message. */
int header_check_interfaces(const unsigned char *input_mask, const unsigned char *output_mask,
			    struct message *message);

/* @field: FIELD_IN_INTERFACE or FIELD_OUT_INTERFACE. Name and mask have IFNAMSIZ bytes. */
void header_compile_interface(struct predicate *predicate, enum field field, const char *name,
			      const unsigned char *mask, bool invert);
