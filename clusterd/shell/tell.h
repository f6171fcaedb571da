/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_TELL_H
#define CLUSTERD_SHELL_TELL_H

/*
 * Tell says in the log and to systemd what has come of a step: each event record that was
 * committed, and each change of where this node stands.
 */

#include <stdbool.h>
#include <stdint.h>

#include "clusterd/core/core.h"

struct tell;

/* What the core holds now is known already. */
struct tell *tell_new(const struct core *core);
void tell_free(struct tell *tell);

/* After each step. Whether there are new events. */
bool tell_step(struct tell *tell, const struct core *core);

/*
 * Joining an epoch takes many short steps that nobody needs to read, so why this node waits
 * is said only when it still does after TELL_SETTLE_MS: whether somebody has to look then.
 */
enum { TELL_SETTLE_MS = 1000 };
bool tell_is_waiting(const struct tell *tell);
void tell_waiting(struct tell *tell);

#endif
