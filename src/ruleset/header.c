// SPDX-License-Identifier: GPL-2.0-or-later
#include "ruleset/header.h"

#include <endian.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>

int header_check_flags(unsigned int flags, unsigned int known_flags, unsigned int inversions,
		       unsigned int known_inversions, struct message *message)
{
	if (flags & ~known_flags)
		return message_error(message, EINVAL, "unknown flags 0x%x", flags & ~known_flags);
	if (inversions & ~known_inversions)
		return message_error(message, EINVAL, "unknown inversion flags 0x%x",
				     inversions & ~known_inversions);
	return 0;
}

/* iptables writes as many 0xff as it wants bytes to be compared: anything else is no prefix. */
static int check_interface_mask(const unsigned char *mask, const char *which,
				struct message *message)
{
	static const unsigned char none[IFNAMSIZ];
	size_t length = 0;

	if (memcmp(mask, none, sizeof(none)) == 0)
		return 0;
	while (length < IFNAMSIZ && mask[length] == 0xff)
		length++;
	for (size_t i = length; i < IFNAMSIZ; i++) {
		if (mask[i])
			return message_error(message, EINVAL,
					     "the %s interface's mask is not a prefix: byte %zu is "
					     "0x%02x",
					     which, i, mask[i]);
	}
	return 0;
}

int header_check_interfaces(const unsigned char *input_mask, const unsigned char *output_mask,
			    struct message *message)
{
	int r = check_interface_mask(input_mask, "input", message);

	return r < 0 ? r : check_interface_mask(output_mask, "output", message);
}

/* The 16 bytes of an interface name or its mask as FIELD_IN_INTERFACE has them. */
static struct value interface_value(const void *bytes)
{
	uint64_t words[2];

	_Static_assert(sizeof(words) == IFNAMSIZ, "a name is two words");
	memcpy(words, bytes, sizeof(words));
	return (struct value){be64toh(words[0]), be64toh(words[1])};
}

/* Unlike an IPv4 address, a name may have bits outside of its mask: the + of "eth+" is one. */
void header_compile_interface(struct predicate *predicate, enum field field, const char *name,
			      const unsigned char *mask, bool invert)
{
	struct value value = interface_value(name);
	struct value bits = interface_value(mask);

	value.high &= bits.high;
	value.low &= bits.low;
	predicate_require_masked(predicate, field, value, bits, invert);
}
