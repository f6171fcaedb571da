/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_BEHIND_H
#define CLUSTERD_CORE_BEHIND_H

/*
 * Records follow from entries, and those are durable before they are applied: so nobody waits for
 * a record to be on disk. What apply has changed is held here for a moment, and then written
 * together, each record once however often it was written to meanwhile. A daemon that ends before
 * has a state on its disk that is behind its log, and applies again what is missing.
 *
 * So no entry may leave the log before what it did was written: see behind_written().
 */

#include <stdint.h>

#include "clusterd/core/update.h"

enum {
	BEHIND_MS = 100,		/* from the first change until it is written */
	BEHIND_MAX = 4096,		/* changes; then it is written at once */
	BEHIND_BYTES_MAX = 1024 * 1024,
};

struct behind {
	struct update changes;		/* of records and of the position, in order; nothing else */
	size_t seen, bytes;		/* so many of them are counted in these bytes */
	uint64_t since_ms;		/* of the first; 0: there is none */
	uint64_t written;		/* where the store stands, with all it was given */
};

void behind_free(struct behind *behind);
/* The store, all of it, stands at that index: what is held is not written any more. */
void behind_stand(struct behind *behind, uint64_t index);
/*
 * Writes what is held if it is time, or if it must be now; else asks for a tick when it will be.
 * index: the state's.
 */
void behind_run(struct behind *behind, uint64_t index, uint64_t now_ms, bool now,
		struct update *update);

#endif
