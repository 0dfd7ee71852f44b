/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a hook does with packets of which nothing is known but the state of their connection: most
 * stateful rulesets accept those of established connections first.
 */
#pragma once

#include "abi/image.h"
#include "compiler/layout.h"
#include "compiler/lower.h"

#include <stdbool.h>

/*
 * For each value of FIELD_CONNTRACK what is done with all packets that have it, in short (as
 * image.shorts), or IMAGE_RULE_LONG if that depends on more. @rules are the image's, given by
 * @place_of_bit (NULL: in their order) and @shorts; @policy is the policy in short. Returns false
 * if it depends on more for all values.
 */
bool states_decide(const struct lowered *lowered, const struct layout *layout,
		   const uint32_t *place_of_bit, const uint32_t *shorts, uint32_t policy,
		   uint32_t ret_by_state[static CONNTRACK_VALUES]);
