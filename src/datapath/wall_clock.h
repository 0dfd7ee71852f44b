/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the clocks that rules are for differ from the one that eBPF can ask (struct arena_clock). */
#pragma once

#include "abi/arena.h"

struct arena_clock wall_clock_read(void);
