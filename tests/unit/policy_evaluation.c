// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy_evaluation.h"

#include "bpf/ipsec_policy.h"

#include <stdlib.h>
#include <string.h>

/* struct sec_path with all its room, where struct skb_ext says that it is. */
struct extensions {
	struct skb_ext header;
	_Alignas(8) struct {
		int len;
		struct xfrm_state *xvec[TRANSFORMATIONS_MAX];
	} path;
};

_Static_assert(offsetof(struct sec_path, xvec) == 8, "the same layout");

static void make_state(const struct transformation *from, struct xfrm_state *to)
{
	memcpy(&to->props.saddr, from->source, sizeof(from->source));
	memcpy(&to->id.daddr, from->destination, sizeof(from->destination));
	to->id.spi = from->spi;
	to->id.proto = from->protocol;
	to->props.reqid = from->reqid;
	to->props.mode = from->mode;
}

bool policy_evaluate(const struct residual_policy *condition,
		     const struct transformed_packet *packet)
{
	struct xfrm_state in[TRANSFORMATIONS_MAX] = {0}, out[TRANSFORMATIONS_MAX] = {0};
	struct xfrm_dst routes[TRANSFORMATIONS_MAX + 1] = {0};
	struct extensions extensions = {0};
	struct sk_buff skb = {
		._skb_refdst = (unsigned long)routes | 1,
		.active_extensions = packet->has_path ? 1 << SKB_EXT_SEC_PATH : 0,
		.extensions = &extensions.header,
	};
	struct bpf_nf_ctx context = {&skb};
	int result;

	extensions.header.offset[SKB_EXT_SEC_PATH] = offsetof(struct extensions, path) / 8;
	extensions.path.len = (int)packet->n_in;
	for (uint32_t i = 0; i < packet->n_in; i++) {
		make_state(&packet->in[i], &in[i]);
		extensions.path.xvec[i] = &in[i];
	}
	for (uint32_t i = 0; i < packet->n_out; i++) {
		make_state(&packet->out[i], &out[i]);
		routes[i].u.dst.xfrm = &out[i];
		routes[i].child = &routes[i + 1].u.dst;
	}
	result = policy_result(&context, condition);
	if (result != RESIDUALS_MATCH && result != RESIDUALS_DIFFER)
		abort();
	return result == RESIDUALS_MATCH;
}
