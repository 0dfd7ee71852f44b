/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libxtables starts modprobe for ip_tables whenever the kernel does not have it yet, before it asks
 * anything. The filter table needs no such module: the library holds that modprobe back until the
 * kernel is asked for something that is its own (another table, or an extension that only it can
 * know) and says that it has no ip_tables.
 */
#pragma once

#include <stdbool.h>

/*
 * To be called when the kernel answered ENOPROTOOPT. From then on modprobe may be started; if one
 * was held back it is run now. Returns true if it has run successfully, so that asking again makes
 * sense.
 */
bool module_loading_needed(void);
