// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lists the extensions that there are, a line for each revision and family, of words between tabs:
 * kind, name, family, revision, who does it, and whether programs on devices do it, too.
 */
#include "ruleset/extension.h"

#include <linux/netfilter/x_tables.h>
#include <stdio.h>
#include <string.h>

static const char *worker(const struct extension *extension)
{
	if (extension->delegates)
		return "ebpf kernel";
	if (extension->delegation)
		return "kernel";
	if (extension->state)
		return "state";
	return extension->compile ? "ebpf" : "nothing";
}

/* What is delegated, and what looks at more than a device knows, is refused there. */
static const char *on_devices(const struct extension *extension)
{
	if (extension->needs_skb)
		return "no";
	if (!extension->delegation)
		return "yes";
	return extension->delegates ? "in part" : "no";
}

static void list(const struct extension *extension, uint8_t family, const char *family_name)
{
	const char *name = extension->name;

	if (!(extension->families & FAMILY_BIT(family)))
		return;
	printf("%s\t%s\t%s\t%u\t%s\t%s\n", extension->kind == EXTENSION_MATCH ? "match" : "target",
	       strcmp(name, XT_STANDARD_TARGET) == 0 ? "standard" : name, family_name,
	       extension->revision, worker(extension), on_devices(extension));
}

int main(void)
{
	const struct extension *extension;

	for (size_t i = 0; (extension = extension_at(i)); i++) {
		list(extension, NFPROTO_IPV4, "IPv4");
		list(extension, NFPROTO_IPV6, "IPv6");
	}
	return 0;
}
