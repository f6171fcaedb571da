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

#endif
