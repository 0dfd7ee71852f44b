// SPDX-License-Identifier: GPL-2.0-or-later
#include "ruleset/family.h"

const struct family *family_find(uint8_t number)
{
	return number == NFPROTO_IPV4 ? &family_ipv4 : NULL;
}
