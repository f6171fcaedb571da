/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_TRACE_DISK_H
#define TESTS_TRACE_DISK_H

/*
 * A disk is what one node of a world has on stable storage: its promise, its log and its
 * records. What is written is there at once; when the core is told so, the world decides.
 */

#include <stdint.h>

#include "base/buf.h"
#include "base/idmap.h"
#include "tests/trace/build.h"

enum { DISK_TABLES = 16 };

struct disk {
	uint64_t promised, index, epoch, id;
	uint64_t alone, alone_voters, together, together_voters;
	struct idmap entries;              /* by index: struct persist */
	struct idmap records[DISK_TABLES]; /* by table, by id: struct buf */
};

/* Carries out one write of an update; copies what it keeps. */
void disk_write(struct disk *disk, const struct persist *p);
/* Loads all that is on it into a new core, which must take it. */
void disk_load(const struct disk *disk, const struct build *build, struct core *core);
/* Everything on it, and the same id. */
struct disk disk_copy(const struct disk *disk);
/* Empties log and records; the promise and the id stay, as at PERSIST_WIPE. */
void disk_wipe(struct disk *disk);

/* The promise and what belongs to it, too: of another disk that takes its place. */
void disk_forget(struct disk *disk);

#endif
