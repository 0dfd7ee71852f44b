// SPDX-License-Identifier: GPL-2.0-or-later
#include "ruleset/family.h"

const struct family *family_find(uint8_t number)
{
	switch (number) {
	case NFPROTO_IPV4:
		return &family_ipv4;
	case NFPROTO_IPV6:
		return &family_ipv6;
	default:
		return NULL;
	}
}
