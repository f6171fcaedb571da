/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Timers: for each of some ids a time, and which comes next.
 *
 * A heap, with the place of each id in it, so that setting and removing cost no walk either.
 * Equal times come in order of their ids: the same on every node. A value type: { 0 } is empty
 * and owns nothing; timers_clear() makes it so again. What the times are counted in is the
 * caller's business; here they are called ms because they are that everywhere.
 */
#ifndef BASE_TIMERS_H
#define BASE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/idmap.h"

struct timer;

struct timers {
	struct timer **heap;		/* none is before the one at (i - 1) / 2 */
	size_t count, cap;
	struct idmap ids;		/* to struct timer, which this map owns */
};

/* From now on that is the time of id; 0: it has none. */
void timers_set(struct timers *timers, uint64_t id, uint64_t at_ms);

/* The earliest time, 0 if there is none. */
uint64_t timers_next_ms(const struct timers *timers);

/* Takes out the first of those whose time is now_ms or earlier; false if there is none. */
bool timers_take(struct timers *timers, uint64_t now_ms, uint64_t *ret_id);

void timers_clear(struct timers *timers);

#endif
