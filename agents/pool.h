/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pool: threads for work that may block, so that nothing else has to.
 *
 * Three lanes: short work (calls that return soon), starts, and long work (moves, saves, waiting
 * for a guest to shut down), so that neither a failover's starts nor a drain's moves keep the short
 * work waiting. Short work and starts together stay below libvirtd's 20 workers. Each worker has
 * its own link to libvirtd. A job that is not done when it is due is given up: whoever waits for it
 * is told, its thread is left to itself and counted as stuck until it comes back, and another takes
 * its place.
 */
#ifndef AGENTS_POOL_H
#define AGENTS_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "migrate/driver/link.h"

enum {
	POOL_SHORT_MAX = 10,
	POOL_START_MAX = 8,
	POOL_LONG_MAX = 64,
	POOL_STUCK_MAX = 8,
	POOL_QUEUE_MAX = 8192,
};
enum pool_lane { POOL_SHORT, POOL_START, POOL_LONG, POOL_LANES };

struct pool;

/* Embedded first in what the job is about. */
struct job {
	/* Set by who submits it. */
	uint64_t due_ms;                                 /* process_now_ms(); 0: never */
	void (*run)(struct job *job, struct link *link); /* in a worker */
	void (*late)(struct job *job); /* once, from pool_check(); run() may still be going on */
	void (*free)(struct job *job); /* when it was run, or never will be */
	/* The pool's. */
	struct job *next;
	bool is_late;
};

/* uri is borrowed. */
struct pool *pool_new(const char *uri);

/* Takes the job. -EBUSY: POOL_STUCK_MAX threads are stuck or the queue is full; it is not taken. */
int pool_submit(struct pool *pool, enum pool_lane lane, struct job *job);
/* The same, however many are stuck. */
int pool_submit_anyway(struct pool *pool, enum pool_lane lane, struct job *job);

/* Gives up what is due. Returns when to be called again, process_now_ms(); UINT64_MAX: no need. */
uint64_t pool_check(struct pool *pool, uint64_t now_ms);

/* Threads that are stuck. */
unsigned pool_stuck(struct pool *pool);

#endif
