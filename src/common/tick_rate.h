/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's HZ. */
#pragma once

#include <stdint.h>

/* Jiffies per second; 0 if they cannot be found out. */
uint32_t tick_rate(void);
