/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every extension there is: one line for each revision, here and in ruleset/extension.c. */
#pragma once

#include "ruleset/extension.h"

extern const struct extension extension_standard;
extern const struct extension extension_error;

extern const struct extension extension_audit;
extern const struct extension extension_log;
extern const struct extension extension_nflog;
extern const struct extension extension_nfqueue_0;
extern const struct extension extension_nfqueue_1;
extern const struct extension extension_nfqueue_2;
extern const struct extension extension_nfqueue_3;
extern const struct extension extension_reject;
extern const struct extension extension_reject6;
extern const struct extension extension_set;

extern const struct extension extension_comment;
extern const struct extension extension_conntrack_1;
extern const struct extension extension_conntrack_2;
extern const struct extension extension_conntrack_3;
extern const struct extension extension_dst;
extern const struct extension extension_eui64;
extern const struct extension extension_frag;
extern const struct extension extension_hbh;
extern const struct extension extension_hl;
extern const struct extension extension_icmp;
extern const struct extension extension_icmp6;
extern const struct extension extension_ipv6header;
extern const struct extension extension_mh;
extern const struct extension extension_multiport;
extern const struct extension extension_rt;
extern const struct extension extension_state;
extern const struct extension extension_tcp;
extern const struct extension extension_ttl;
extern const struct extension extension_udp;
extern const struct extension extension_mark_2;
extern const struct extension extension_connmark_target_1;
extern const struct extension extension_connmark_target_2;
extern const struct extension extension_hmark;
extern const struct extension extension_classify;
extern const struct extension extension_idletimer_0;
extern const struct extension extension_idletimer_1;
extern const struct extension extension_rateest_target;
extern const struct extension extension_tee;
extern const struct extension extension_set_target_3;
extern const struct extension extension_bpf;
extern const struct extension extension_rateest;
extern const struct extension extension_socket_3;

extern const struct extension extension_ah;
extern const struct extension extension_ah6;
extern const struct extension extension_dccp;
extern const struct extension extension_dscp;
extern const struct extension extension_ecn;
extern const struct extension extension_esp;
extern const struct extension extension_ipcomp;
extern const struct extension extension_iprange;
extern const struct extension extension_length;
extern const struct extension extension_mac;
extern const struct extension extension_pkttype;
extern const struct extension extension_sctp;
extern const struct extension extension_srh;
extern const struct extension extension_string;
extern const struct extension extension_tcpmss;
extern const struct extension extension_time;
extern const struct extension extension_tos;
extern const struct extension extension_u32;

extern const struct extension extension_limit;
extern const struct extension extension_quota;
extern const struct extension extension_recent;
extern const struct extension extension_hashlimit;
extern const struct extension extension_statistic;
extern const struct extension extension_addrtype_0;
extern const struct extension extension_addrtype_1;
extern const struct extension extension_cgroup_0;
extern const struct extension extension_cgroup_1;
extern const struct extension extension_cgroup_2;
extern const struct extension extension_connbytes;
extern const struct extension extension_connlabel;
extern const struct extension extension_connmark;
extern const struct extension extension_cpu;
extern const struct extension extension_devgroup;
extern const struct extension extension_helper;
extern const struct extension extension_mark;
extern const struct extension extension_owner;
extern const struct extension extension_physdev;
extern const struct extension extension_policy;
extern const struct extension extension_realm;
