/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_SOUND_H
#define CLUSTERD_CORE_SOUND_H

/*
 * A state is sound if its records are such as apply leaves them: apply counts on that, and what
 * is not so would stop the daemon at the next change, each time it is started anew. Asked of
 * what comes from a store or from another node, each record of which passed wire_check().
 */

#include "clusterd/core/state.h"

/* NULL, or what is not as it must be (static). */
const char *state_unsound(const struct state *state);

#endif
