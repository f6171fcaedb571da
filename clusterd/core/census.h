/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_CENSUS_H
#define CLUSTERD_CORE_CENSUS_H

/*
 * Whose copy of the state is right? All members apply the same log, so at the same index their
 * digests are equal; else a disk, a memory or this program is at fault somewhere, or a disk was
 * turned back to an older copy. The leader commits the digest of its copy (CHECK), first thing in
 * each epoch and regularly after that. In a new epoch every voter commits its own for the same
 * index; later only if somebody differs, or was not there then and says that it waits for it. What
 * a majority of voters has is right: a member that differs sets its store aside and starts over
 * from the others. It is never more than a minority that does so, and never on the word of the
 * leader alone.
 *
 * Nor on that of a copy. A voter that took another node's snapshot has what that node has, right
 * or wrong, and says nothing about it: its digest counts only if all voters of the epoch, and all
 * whose copies were known to differ, have told the same. Once copies were found equal in an epoch,
 * it is a voter like all others. Whoever applied the entries to a state of its own is one anyway.
 *
 * What a node is outlives its daemon, and no mark is needed for it. A snapshot takes the place of
 * the log as well; so in a log that does not go back to the beginning must be a CHECK, about what
 * is in it, with which this very disk spoke for itself. Voters see to it that there always is one.
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
	"the nodes' copies of the cluster's state differ, and no majority of voters tells which " \
	"is right (those that took theirs from another node do not count): guests run on, but " \
	"nothing is started, moved or fenced until one does; if none will, choose the node whose " \
	"copy is right and force a new cluster there (clusterd --force-new-cluster)"

struct census {
	uint64_t own[CENSUS_KEPT];	/* by index, modulo CENSUS_KEPT; 0 = not known */
	uint64_t index;			/* which is asked about; 0 = none yet */
	uint64_t index_epoch;		/* epoch of the CHECK that asked about it first */
	uint64_t agreed;		/* last epoch in which a majority told what is here */
	uint64_t asked_ms, asked_index, asked_epoch;	/* leader: its last CHECK */
	uint64_t told;			/* nodes that have told theirs */
	uint64_t waiting;		/* of those, the ones that wait for a majority */
	uint64_t independent;		/* of those, the ones that copied no other node's state */
	uint64_t entries;		/* CHECKs about it */
	uint64_t digests[65];		/* by node, of those */
	uint64_t proposed_ms, epoch;	/* when and in which epoch this node told it last */
	uint64_t disputed;		/* whose copies differ, while no majority tells the right */
	uint64_t outvoted, outvoted_epoch;	/* nodes that differed last, and when */
	uint64_t noted;			/* epoch in which an event was asked for; 0 = in none */
	uint64_t copied;		/* a snapshot at this index, not agreed on yet; 0 = none */
	uint64_t vouched;		/* what this disk spoke for itself about last; 0 = never */
};

/* What the store holds is loaded, the log with it. */
void census_load_done(struct core *core);
/* An entry was applied: the state is at an index, with this digest. */
void census_note(struct census *census, uint64_t index, uint64_t digest);
/* The state was another node's; nothing that was known before holds. */
void census_copied(struct census *census, uint64_t index, uint64_t digest);
/* A committed CHECK, in this entry; one about no index below it is ignored. */
void census_hear(struct core *core, const Wire__Command *command, uint64_t index, uint64_t epoch);
/* Asks, tells, judges, and leaves when outvoted. Once a step. */
void census_run(struct core *core, struct update *update);
/* May this node act on its copy of the state? Without an open epoch: on what it had. */
bool census_trusted(const struct core *core);

#endif
