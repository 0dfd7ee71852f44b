// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The targets that are built into ip_tables.c (ipt_builtin_tg): the standard target, which holds a
 * verdict or a jump, and ERROR, which holds a chain's name. The table's decoder reads them itself.
 */
#include "ruleset/extensions/extensions.h"

#include <linux/netfilter/x_tables.h>

const struct extension extension_standard = {
	.kind = EXTENSION_TARGET,
	.name = XT_STANDARD_TARGET,
	.families = FAMILIES_ALL,
	.size = sizeof(int),
};

const struct extension extension_error = {
	.kind = EXTENSION_TARGET,
	.name = XT_ERROR_TARGET,
	.families = FAMILIES_ALL,
	.size = XT_FUNCTION_MAXNAMELEN,
};
