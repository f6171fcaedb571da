/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_CENSUS_H
#define CLUSTERD_CORE_CENSUS_H

/*
 * Whose copy of the state is right? All members apply the same log, so at the same index their
 * digests are equal; else a disk, a memory or this program is at fault somewhere, or a disk was
 * turned back to an older copy. The leader commits the digest of its copy (CHECK), first thing in
 * each epoch and regularly after that. In a new epoch every voter commits its own for the same
 * index; later only if somebody differs. What a majority of voters has is right: a member that
 * differs sets its store aside and starts over from the others. It is never more than a minority
 * that does so, and never on the word of the leader alone.
 *
 * Until a majority of voters has told the same as this node, and whenever copies differ and no
 * majority tells which is right, this node acts on nothing: guests run on, and nothing is
 * started, moved or fenced by what may be wrong.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clusterd/core/update.h"

struct core;

enum { CENSUS_KEPT = 4096 };		/* own digests, of the last so many entries */

/* What administrators are told of a dispute. */
#define CENSUS_DISPUTED \
	"the nodes' copies of the cluster's state differ, and too few voters are here to tell " \
	"which is right: guests run on, but nothing is started, moved or fenced until more are"

struct census {
	uint64_t own[CENSUS_KEPT];	/* by index, modulo CENSUS_KEPT; 0 = not known */
	uint64_t index;			/* which is asked about; 0 = none yet */
	uint64_t index_epoch;		/* epoch of the CHECK that asked about it first */
	uint64_t agreed;		/* last epoch in which a majority told what is here */
	uint64_t asked_ms, asked_index, asked_epoch;	/* leader: its last CHECK */
	uint64_t told;			/* nodes that have told theirs */
	uint64_t entries;		/* CHECKs about it */
	uint64_t digests[65];		/* by node, of those */
	uint64_t proposed_ms, epoch;	/* when and in which epoch this node told it last */
	bool disputed;			/* copies differ, and no majority tells which is right */
	uint64_t outvoted, outvoted_epoch;	/* nodes that differed last, and when */
	uint64_t noted;			/* epoch in which an event was asked for; 0 = in none */
};

/* The state is at an index, with this digest; `anew`: what was known before no longer holds. */
void census_note(struct census *census, uint64_t index, uint64_t digest, bool anew);
/* A committed CHECK, in this entry; one about no index below it is ignored. */
void census_hear(struct census *census, const Wire__Command *command, uint64_t index,
		 uint64_t epoch);
/* Asks, tells, judges, and leaves when outvoted. Once a step. */
void census_run(struct core *core, struct update *update);
/* May this node act on its copy of the state? Without an open epoch: on what it had. */
bool census_trusted(const struct core *core);

#endif
