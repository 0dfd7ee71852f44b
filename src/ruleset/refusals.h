/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Extensions of iptables' that are refused on purpose. */
#pragma once

#include "ruleset/extension.h"

/*
 * Why rules with this extension are refused, and what can be done instead: the end of a sentence
 * that begins "... is not supported: ". NULL: nothing is known of an extension of that name.
 */
const char *refusal_reason(enum extension_kind kind, const char *name);
