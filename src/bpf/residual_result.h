/* SPDX-License-Identifier: GPL-2.0-only OR GPL-2.0-or-later */
/* What comes of a residual predicate (abi/residual.h). */
#pragma once

enum residual_result {
	RESIDUALS_MATCH,
	RESIDUALS_DIFFER,
	RESIDUALS_RULE_DIFFERS, /* and there was an effect: no alternative of the rule is tried */
	RESIDUALS_DROP,         /* hotdrop */
	RESIDUALS_BOUND,        /* the kernel's bound on loops was reached: unknown */
	/*
	 * Hotdrop by a match that says yes all the same: the rule counts, and its target is carried
	 * out, but in the end the packet is dropped.
	 */
	RESIDUALS_DOOMED,
};
