/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_SIM_DISK_H
#define TESTS_SIM_DISK_H

/*
 * A disk is a node's store as a model: batches of persists wait in a queue until they are
 * synced, in order and each as a whole. A crash loses what was not synced.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/idmap.h"
#include "clusterd/core/update.h"

enum { DISK_TABLES = 16 };

struct disk_entry {
	uint64_t index, epoch;
	struct buf command;
};

struct disk_batch {
	uint64_t seq;
	struct persist *persists;
	size_t n;
};

struct disk {
	uint64_t id;
	uint64_t promised, applied, applied_epoch;
	uint64_t alone, alone_voters, together, together_voters;
	struct idmap log;			/* of struct disk_entry, by index */
	struct idmap records[DISK_TABLES];	/* of struct buf, by id */
	struct disk_batch *queue;
	size_t queued, queue_cap;
	bool removed;				/* a cut or a wipe was synced; for who looks */
	const char *wrong;			/* what no store would have been asked for */
};

struct disk *disk_new(uint64_t id);
void disk_free(struct disk *disk);
/* What is synced. */
struct disk *disk_copy(const struct disk *disk);
/* What would be synced if the n oldest batches were. */
struct disk *disk_copy_with(const struct disk *disk, size_t n);

/* Queues the persists of an update and takes their data. */
void disk_submit(struct disk *disk, struct update *update);
/* Syncs the n oldest batches. Returns the number of the last, 0 if there was none. */
uint64_t disk_sync(struct disk *disk, size_t n);
/* Forgets what was not synced. */
void disk_crash(struct disk *disk);

uint64_t disk_last(const struct disk *disk);
uint64_t disk_last_epoch(const struct disk *disk);
/* The epoch of an entry that is in the log; 0 if it is not. */
uint64_t disk_epoch(const struct disk *disk, uint64_t index);

#endif
