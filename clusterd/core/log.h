/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_LOG_H
#define CLUSTERD_CORE_LOG_H

/*
 * An rlog is the part of the replicated log that this node holds: consecutive entries, each
 * with the batch of persists that brings it to disk. It stands on an entry it holds no more
 * (`below`, what a snapshot or a trim left), which is index 0 in a new one. Every change is
 * written into an update as well, so that the disk follows in the same order.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "clusterd/core/update.h"

enum {
	RLOG_KEEP = 10000,			/* entries */
	RLOG_KEEP_BYTES = 16 * 1024 * 1024,
};

struct rlog_entry {
	uint64_t epoch;
	uint64_t batch;				/* 0: was on disk when the node started */
	struct buf command;
};

struct rlog {
	struct rlog_entry *entries;		/* in use: head … head + n - 1 */
	size_t head, n, cap;
	size_t bytes;				/* of commands */
	size_t keep;				/* entries a trim leaves */
	uint64_t below, below_epoch;		/* epoch 0: not known */
};

void rlog_init(struct rlog *log, size_t keep);
void rlog_free(struct rlog *log);

/* Where an empty log stands; for loading. */
void rlog_stand(struct rlog *log, uint64_t below, uint64_t epoch);
/* An entry that is on disk already. */
void rlog_load(struct rlog *log, uint64_t epoch, const void *command, size_t size);

uint64_t rlog_first(const struct rlog *log);	/* last + 1 if it holds nothing */
uint64_t rlog_last(const struct rlog *log);
/* 0 if the entry is not known. */
uint64_t rlog_epoch(const struct rlog *log, uint64_t index);
/* NULL if it is not held; good until the log changes. */
const struct rlog_entry *rlog_at(const struct rlog *log, uint64_t index);

/* The batch is the one the update will become, and never falls. */
void rlog_append(struct rlog *log, uint64_t epoch, const void *command, size_t size,
		 uint64_t batch, struct update *update);
/* Removes what is above an index, which may not be lower than where the log stands. */
void rlog_cut(struct rlog *log, uint64_t above, struct update *update);
/*
 * Removes the oldest entries beyond what is kept, none above `applied`. Not for each single
 * one: it waits until there is an eighth too much.
 */
void rlog_trim(struct rlog *log, uint64_t applied, struct update *update);
/*
 * A snapshot at this entry took the place of the state, and PERSIST_WIPE took the log from
 * the disk. Entries above it stay, and are written again, if they continue this very entry:
 * this node may have acknowledged them. Otherwise the log is empty and stands on it.
 */
void rlog_restart(struct rlog *log, uint64_t index, uint64_t epoch, uint64_t batch,
		  struct update *update);

/* The last entry that is on disk when all batches up to this one are. */
uint64_t rlog_durable(const struct rlog *log, uint64_t batch);

#endif
