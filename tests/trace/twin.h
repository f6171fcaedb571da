/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_TRACE_TWIN_H
#define TESTS_TRACE_TWIN_H

/*
 * A twin of a core is another one that is told the same and is eager: at each step it looks at
 * everything again, whether anything has changed or not. Both must want the same done after every
 * event, to the last byte and to the millisecond: that nothing which is left out would have led to
 * anything is held by every test that has twins in it.
 */

#include "clusterd/core/core.h"

/* core_step() of the build that both are of. */
typedef void twin_step(struct core *core, const struct event *event, struct update *update);

/*
 * Lets the twin take the event that led to that update. NULL if it wants the same, else what it
 * does not; good until the next call.
 */
const char *twin_differs(struct core *twin, twin_step *step, const struct event *event,
			 const struct update *update);

#endif
