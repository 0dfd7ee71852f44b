/* SPDX-License-Identifier: GPL-2.0-or-later */
/* src/bpf/ipsec_policy.h outside of the kernel, on packets that are made of what matters to it. */
#pragma once

#include "abi/residual.h"

#include <stdbool.h>
#include <stdint.h>

#define TRANSFORMATIONS_MAX 6 /* XFRM_MAX_DEPTH */

/* Addresses and SPI in network byte order. */
struct transformation {
	uint32_t source[4];
	uint32_t destination[4];
	uint32_t spi;
	uint32_t reqid;
	uint8_t protocol;
	uint8_t mode;
};

/* The transformations of a packet, in the order in which they are made or have been undone. */
struct transformed_packet {
	bool has_path; /* a way in may be known, and have no transformation */
	uint32_t n_in;
	uint32_t n_out;
	struct transformation in[TRANSFORMATIONS_MAX];
	struct transformation out[TRANSFORMATIONS_MAX];
};

/* Does policy_result() say that the packet matches? */
bool policy_evaluate(const struct residual_policy *condition,
		     const struct transformed_packet *packet);
