// SPDX-License-Identifier: GPL-2.0-or-later
#include "ruleset/extension.h"

#include "common/cleanup.h"
#include "ruleset/extensions/extensions.h"

#include <errno.h>
#include <string.h>

static const struct extension *const extensions[] = {
	&extension_standard,
	&extension_error,
	&extension_tcp,
	&extension_conntrack_3,
	&extension_comment,
	&extension_multiport,
	&extension_udp,
	&extension_icmp,
	&extension_icmp6,
	&extension_state,
	&extension_conntrack_1,
	&extension_conntrack_2,
	&extension_ttl,
	&extension_hl,
	&extension_ipv6header,
	&extension_frag,
	&extension_rt,
	&extension_hbh,
	&extension_dst,
	&extension_mh,
	&extension_eui64,
	&extension_log,
	&extension_reject,
	&extension_reject6,
	&extension_nflog,
	&extension_audit,
	&extension_nfqueue_3,
	&extension_nfqueue_2,
	&extension_nfqueue_1,
	&extension_nfqueue_0,
	&extension_set,
	&extension_mark_2,
	&extension_connmark_target_1,
	&extension_connmark_target_2,
	&extension_hmark,
	&extension_classify,
	&extension_idletimer_0,
	&extension_idletimer_1,
	&extension_rateest_target,
	&extension_tee,
	&extension_set_target_3,
	&extension_bpf,
	&extension_rateest,
	&extension_socket_3,
	&extension_ah,
	&extension_ah6,
	&extension_dccp,
	&extension_dscp,
	&extension_ecn,
	&extension_esp,
	&extension_ipcomp,
	&extension_iprange,
	&extension_length,
	&extension_mac,
	&extension_pkttype,
	&extension_sctp,
	&extension_srh,
	&extension_string,
	&extension_tcpmss,
	&extension_time,
	&extension_tos,
	&extension_u32,
	&extension_limit,
	&extension_quota,
	&extension_statistic,
	&extension_recent,
	&extension_hashlimit,
	&extension_addrtype_0,
	&extension_addrtype_1,
	&extension_connbytes,
	&extension_connlabel,
	&extension_connmark,
	&extension_cpu,
	&extension_devgroup,
	&extension_helper,
	&extension_mark,
	&extension_owner,
	&extension_physdev,
	&extension_policy,
	&extension_realm,
	&extension_cgroup_0,
	&extension_cgroup_1,
	&extension_cgroup_2,
};

static bool is_named(const struct extension *extension, enum extension_kind kind, const char *name,
		     uint8_t family)
{
	return extension->kind == kind && extension->families & FAMILY_BIT(family) &&
	       extension->name[0] == name[0] && strcmp(extension->name, name) == 0;
}

const struct extension *extension_find(enum extension_kind kind, const char *name, uint8_t revision,
				       uint8_t family)
{
	for (size_t i = 0; i < ARRAY_SIZE(extensions); i++) {
		if (extensions[i]->revision == revision &&
		    is_named(extensions[i], kind, name, family))
			return extensions[i];
	}
	return NULL;
}

bool extension_known(enum extension_kind kind, const char *name, uint8_t family)
{
	for (size_t i = 0; i < ARRAY_SIZE(extensions); i++) {
		if (is_named(extensions[i], kind, name, family))
			return true;
	}
	return false;
}

const struct extension *extension_at(size_t index)
{
	return index < ARRAY_SIZE(extensions) ? extensions[index] : NULL;
}

int extension_check_inversion(unsigned int flags, unsigned int known, struct message *message)
{
	unsigned int unknown = flags & ~known;

	if (unknown)
		return message_error(message, EINVAL, "unknown inversion flags 0x%x", unknown);
	return 0;
}
