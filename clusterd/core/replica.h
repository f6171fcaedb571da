/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_REPLICA_H
#define CLUSTERD_CORE_REPLICA_H

/*
 * A replica is this node's part in the replicated log: rounds, epochs, the log itself, and
 * which entries are committed. It knows nothing about what entries mean.
 *
 * Each membership change starts a round: SYNC_START, HELLO from everybody, CLOSE, log or
 * snapshot chunks from the source (highest last epoch, then last index), READY when promise
 * and log are on disk, and the epoch opens at a majority of voters READY. In an open epoch
 * APPEND gives an entry its index by delivery order; a member that is READY puts it on disk
 * and then ACKs; committed = on disk at a majority of voters, and above the epoch's base. A
 * member that is not READY neither acks nor reads the commit index.
 *
 * Sources: EVS (Moser et al. 1994) for what CPG gives; Raft (Ongaro 2014) §5.3-5.4 for the
 * log. Simulated with random faults in tests/sim.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clusterd/core/event.h"
#include "clusterd/core/update.h"
#include "clusterd/core/voters.h"

enum { REPLICA_NODE_MAX = 64 };		/* node ids are 1 … 64: sets of them are 64 bits */

struct replica;

/* What the replica asks of the state machine above it. */
struct replica_ops {
	/*
	 * Apply a committed entry; called in index order, once for each. Afterwards the
	 * position is that of the entry. What changed, and PERSIST_APPLIED, go into the
	 * update, or into that of a later step. May set update->leave: then nothing more is
	 * applied.
	 */
	void (*apply)(void *above, const Wire__Entry *entry, struct update *update);
	/*
	 * Voters as the applied state has them; none on an empty node. Apply makes a change of
	 * voters the state's, as voters.h tells, whenever its base is theirs.
	 */
	void (*voters)(void *above, struct voters *ret_voters);
	/* Position of the applied state. */
	void (*position)(void *above, uint64_t *ret_index, uint64_t *ret_epoch);
	/* Of those that the store was given, the last; entries up to it may be trimmed. */
	uint64_t (*written)(void *above);
	/* The feature level of the applied state; 0 on an empty node. */
	uint32_t (*level)(void *above);
	/* Cluster uuid; false on an empty node. */
	bool (*cluster)(void *above, uint8_t ret_uuid[16]);
	/* Uuid i of those it had before it was forced; false beyond the last. May be NULL. */
	bool (*before)(void *above, size_t i, uint8_t ret_uuid[16]);
	/*
	 * Snapshot out: a begin holds on to the state as it is. Each fill then gives a chunk the
	 * index, epoch and digest of that moment, and the records that come next, of at most
	 * `room` packed bytes, 32 more for each; there is room for any single one. The records
	 * are the chunk's, from malloc. False when nothing is left after this chunk. In between,
	 * entries may be applied.
	 */
	void (*snap_begin)(void *above);
	bool (*snap_fill)(void *above, Wire__SnapChunk *chunk, size_t room);
	/*
	 * Snapshot in: chunks are kept aside until taken whole; one with seq 0 begins anew.
	 * The end compares the digest and makes the snapshot the state: a PERSIST_PUT for
	 * every record, PERSIST_APPLIED; the PERSIST_WIPE before them is in the update
	 * already. -EBADMSG if the digest differs, or the state is not sound; then it changes
	 * nothing.
	 */
	int (*snap_chunk)(void *above, const Wire__SnapChunk *chunk);
	int (*snap_end)(void *above, uint64_t index, uint64_t epoch, uint64_t digest,
			struct update *update);
	/* Forgets both, whichever there is: the round is over. */
	void (*snap_drop)(void *above);
};

struct replica_config {
	uint32_t node;			/* 1 … REPLICA_NODE_MAX, else assert */
	uint64_t boot_id, disk_id;	/* never 0 */
	uint64_t machine_boot;		/* another one each time it is switched on; 0 = unknown */
	size_t keep;			/* newest log entries to keep; 0 = 10,000 */
	uint32_t feature_max;		/* the highest feature level that can be applied here */
	const char *version;		/* of the program, for people; not copied */
	const struct replica_ops *ops;
	void *above;
};

struct replica *replica_new(const struct replica_config *config);
void replica_free(struct replica *replica);

void replica_load_promise(struct replica *replica, uint64_t promised);
/* PERSIST_ALONE, PERSIST_TOGETHER; 0, 0: none. */
void replica_load_alone(struct replica *replica, uint64_t epoch, uint64_t voters);
void replica_load_together(struct replica *replica, uint64_t boot, uint64_t voters);
int replica_load_entry(struct replica *replica, uint64_t index, uint64_t epoch,
		       const void *command, size_t size);
/* Takes the position from the state above, which is loaded first. -EBADMSG if they do not fit. */
int replica_load_done(struct replica *replica);

/* What was promised; the last entry of the log; an entry's command, NULL if it is not held. */
uint64_t replica_promised(const struct replica *replica);
uint64_t replica_last(const struct replica *replica, uint64_t *ret_epoch);
const struct buf *replica_command(const struct replica *replica, uint64_t index,
				  uint64_t *ret_epoch);
/* Index of the oldest entry that is still in the log; the one after the last if there is none. */
uint64_t replica_first(const struct replica *replica);

void replica_view(struct replica *replica, const struct event *event, struct update *update);
void replica_frame(struct replica *replica, const struct event *event, struct update *update);
void replica_persisted(struct replica *replica, const struct event *event, struct update *update);
void replica_tick(struct replica *replica, const struct event *event, struct update *update);

/*
 * The last thing in every step, whatever the event was and once all persists are in:
 * numbers the batch (update->persist_seq) and asks for the next tick. One update a step.
 */
void replica_finish(struct replica *replica, struct update *update);

/*
 * Multicast a packed command for appending. -EAGAIN if no epoch is open here, -EBUSY if too
 * many entries wait for their commit, -EMSGSIZE if it is larger than a command may be; -ESTALE
 * for a change of voters that is not based on the present ones, or whose new ones have no
 * majority that is READY here: it might never be committed, and neither anything after it.
 * Success says nothing about the outcome: the caller waits for apply, and proposes again later.
 */
int replica_propose(struct replica *replica, const struct buf *command, uint64_t request,
		    struct update *update);

/*
 * Two voters. What is committed needs both disks, so each has everything, unless the other one
 * went on alone meanwhile; and that one does so only after this one was seen off by its power
 * device. So a voter is entitled to go on alone, once the other is seen off, if
 *
 *	- it has seen an epoch of both OPEN since its machine was switched on (together); or
 *	- it is the holder: the last entry of its log is of an epoch that it opened alone, and it
 *	  has promised no later one, so that the other cannot have been in an open epoch since.
 *
 * tests/models/solo.pml is this rule, checked. `other` was seen off, and has been no member since;
 * 0: it is not known to be off. To be said again after each event; a new round is begun if the
 * present one came to nothing without that.
 */
void replica_other_is_off(struct replica *replica, uint32_t other, struct update *update);

struct replica_standing {
	bool open, ready;		/* epoch open; this node READY in it */
	uint64_t epoch, last_index, committed, applied;
	uint32_t leader;		/* lowest READY voter of the open epoch, 0 = none */
	uint64_t members, ring;		/* sets of nodes: bit n-1 = node n */
	uint64_t epoch_nodes;		/* that take part in the open epoch, 0 = none is open */
	uint64_t ready_nodes;		/* of those, the ones that are READY */
	uint64_t left_out;		/* members who are kept out: by their version, or foreign */
	uint64_t foreign;		/* of those, the ones that belong to another cluster */
	uint16_t protocol;		/* of the frames of the open epoch, 0 = none is open */
	uint64_t refused;		/* frames that were not as they must be, ever */
	/* Of two voters the other one, if its absence alone keeps the epoch closed; 0: no. */
	uint32_t awaited;
	bool entitled;			/* to go on without it, once it is seen off */
	bool alone;			/* the open epoch is without the other of two voters */
	const char *why_not;		/* not open or not ready: a sentence; until the next step */
};
/* Of the daemon that takes part in the round for that node; 0 if none does. */
uint64_t replica_boot_id(const struct replica *replica, uint32_t node);
/* Of the disk that it has; 0 as well. */
uint64_t replica_disk_id(const struct replica *replica, uint32_t node);
/* Why a node of left_out is, and what to do, in words for people. */
void replica_say_left_out(const struct replica *replica, uint32_t node, struct buf *text);
/* The highest feature level that a node of the open epoch knows; 0: it is not of it. */
uint32_t replica_feature_max(const struct replica *replica, uint32_t node);
void replica_standing(const struct replica *replica, struct replica_standing *ret_standing);

#endif
