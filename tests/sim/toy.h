/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_SIM_TOY_H
#define TESTS_SIM_TOY_H

/*
 * A toy is the least state machine that can stand above a replica: the list of all commands
 * it has applied, a record each, with their digest. It takes voters from a Genesis and from changes
 * of voters, and the disk id of one that has taken part for the first time from its NodeReport; all
 * other commands mean nothing to it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "clusterd/core/replica.h"
#include "tests/sim/disk.h"

struct toy_command {
	uint64_t epoch, digest;
	struct buf packed;
};

struct toy {
	struct idmap commands;			/* of struct toy_command, by index: no gap */
	uint64_t index, epoch, digest;
	uint64_t written;			/* up to that index the store has records */
	uint64_t behind;			/* so many at once; 0: each when it is applied */
	struct voters voters;
	struct toy *incoming;			/* a snapshot, aside */
	struct {
		uint64_t next, index, epoch, digest;
	} snap;					/* that goes out: up to its index, none if 0 */

	/* Told of every command applied, if set. */
	void (*applied)(void *context, const struct toy *toy, uint64_t index, uint64_t epoch,
			uint64_t digest);
	void *context;
};

extern const struct replica_ops toy_ops;

struct toy *toy_new(void);
void toy_free(struct toy *toy);
/* What a disk holds of it. */
void toy_load(struct toy *toy, const struct disk *disk);

/* The first entry of a log: voters are 1 … n; disks may be NULL. */
void toy_genesis(uint32_t voters, const uint64_t *disks, struct buf *ret_command);
/* As if a daemon had been started with --init: entry 1 is there and applied. */
void toy_install(struct disk *disk, const struct buf *genesis);

/* Digest of a command as it is in a log. */
uint64_t toy_digest(const struct buf *command);

#endif
