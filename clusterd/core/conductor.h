/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_CONDUCTOR_H
#define CLUSTERD_CORE_CONDUCTOR_H

/*
 * The conductor is what the leader runs: it compares the committed state with what is wanted
 * and what membership shows, and proposes the commands that are missing. It holds no state
 * that matters: a new leader carries on from the records. What it remembers are its own
 * clock readings and what it proposed lately. It keeps the readings while no epoch is open or
 * another node leads, for as long as what they are about is the same: else a node that comes and
 * goes would make every wait begin anew, for ever.
 */

#include "clusterd/core/core.h"

struct conductor;

struct conductor *conductor_new(void);
void conductor_free(struct conductor *conductor);

/* Called after every step on every node; acts only on the leader of an open epoch. */
void conductor_run(struct core *core, struct update *update);
/* A step without it: of what happened meanwhile it does not know when. */
void conductor_rest(struct core *core);

/*
 * How long a VM that has failed so often rests before it is tried again: not at all at first,
 * then longer.
 */
uint64_t conductor_pause_ms(uint32_t tries);

#endif
