/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_STORE_LOAD_H
#define CLUSTERD_SHELL_STORE_LOAD_H

/* A core begins with what a store holds. */

#include "clusterd/core/core.h"
#include "clusterd/shell/store.h"

/*
 * Before store_start; of a core that has taken no step. -EBADMSG: a checksum is wrong, or what it
 * holds does not fit together; -EPROTO: a newer version may know what to make of it; else what
 * reading it came to.
 */
int store_load(struct store *store, struct core *core);

#endif
