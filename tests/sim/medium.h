/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_SIM_MEDIUM_H
#define TESTS_SIM_MEDIUM_H

/*
 * A medium is what keeps a machine's disk. The disk (disk.h) says what is on it, for the truth to
 * look at; a medium with the daemon's own store has to hold just that, and says so if it does not.
 *
 *	medium_model	the disk itself
 *	medium_sqlite	the store of the daemon, SQLite and all, on files that lose power
 *
 * How much of what was written is there after an end is for the world to say, so that the same seed
 * is the same run with both; how the rest was cut off is for the medium. But with a fault of its
 * own (enum medium_fault) a medium says it: then the machine has another disk beside its own, which
 * may be there instead.
 */

#include <stdbool.h>
#include <stdint.h>

#include "clusterd/core/core.h"
#include "tests/sim/disk.h"
#include "tests/sim/rng.h"
#include "tests/trace/build.h"

/* What happens at the next write; or, of reads, when a daemon begins. */
enum medium_fault {
	MEDIUM_WELL,
	MEDIUM_WRITE,			/* EIO */
	MEDIUM_FULL,
	MEDIUM_SYNC,
	MEDIUM_POWER,			/* fails in the middle, and chance says what is left */
	MEDIUM_READ,			/* EIO */
	MEDIUM_FAULTS
};

enum medium_end { MEDIUM_CLOSED, MEDIUM_KILLED, MEDIUM_DARK };

enum medium_found { MEDIUM_AS_IT_IS, MEDIUM_OTHER, MEDIUM_DAMAGED, MEDIUM_FAILED, MEDIUM_WRONG };

struct medium {
	const struct medium_kind *kind;
	uint32_t node;
	struct rng rng;			/* for what makes no difference to the world */
	enum medium_fault fault;	/* that is to come */
	char why[400];			/* of MEDIUM_WRONG */
};

struct medium_kind {
	const char *name;
	/* Before the first medium of a world. */
	void (*begin)(uint64_t seed);
	/* Empty; the id is that of the disk. */
	struct medium *(*create)(uint32_t node, uint64_t seed);
	void (*free)(struct medium *medium);
	/* What `clusterd --init` writes. False: wrong. */
	bool (*found)(struct medium *medium, uint64_t id, const struct persist *persists, size_t n);
	/*
	 * A daemon begins: which of the disks is there? other: what may be there instead, or NULL.
	 * may_lose: MEDIUM_DAMAGED may be told; then the medium is empty and has the disk's id.
	 */
	enum medium_found (*open)(struct medium *medium, const struct disk *disk,
				  const struct disk *other, bool may_lose);
	/* The first n batches of the disk's queue. rested: nothing was written for a while. */
	enum medium_found (*write)(struct medium *medium, const struct disk *disk, size_t n,
				   bool rested);
	/* The daemon ends, if there is one: so many batches are there, and the others are not. */
	bool (*end)(struct medium *medium, const struct disk *disk, size_t n, enum medium_end how);
	/* The files, and what they were when they were copied. None of them is there after wipe. */
	void (*copy)(struct medium *medium);
	void (*turn_back)(struct medium *medium);
	void (*wipe)(struct medium *medium);
	/* The daemon sets the store aside. False: wrong. */
	bool (*set_aside)(struct medium *medium);
	/* A bit turns, somewhere; no daemon runs. False: none has. */
	bool (*flip)(struct medium *medium, uint64_t draw);
};

extern const struct medium_kind medium_model, medium_sqlite;

/* All that is on the disk, into a core of that build; < 0: what core_load_done() says of it. */
int medium_load(const struct disk *disk, const struct build *build, struct core *core);

#endif
