/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_SYNC_H
#define CLUSTERD_CORE_SYNC_H

/*
 * A sync brings the logs of those behind to the source's, by one stream of chunks for all of
 * them: a snapshot of the source's state if somebody lags behind its oldest log entry, and
 * then log entries up to the base of the round. What a member already has is compared, what
 * contradicts the source is cut, from there on and not before: an entry that is the source's
 * may have been acknowledged by this member, and must at no moment be missing from its disk.
 *
 * Neither side does more than a chunk at a time: the source packs the next one when one of those
 * it has sent comes back, though its state goes on changing as soon as the epoch is open; who
 * receives puts each aside, ready to become the state and the batch for the disk.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct replica;
struct update;
struct delivery;

struct sync {
	/* the source's side */
	bool sending;
	bool snapping;				/* chunks of the state at CLOSE are left */
	uint32_t next_snap;
	uint64_t next;				/* entry to send; above the base: all sent */
	uint32_t next_seq;
	size_t in_flight;			/* own chunks not yet delivered back */

	/* the side of those behind */
	bool want_snap;				/* log chunks make sense only after it */
	bool lost;				/* a chunk did not fit: only a new round helps */
	uint32_t log_seq, snap_seq;
	uint64_t snap_index, snap_epoch, snap_digest;
};

/* The round was closed, with this node in it. */
void sync_begin(struct replica *replica, struct update *update);
/* Forgets everything about the sync of the last round. */
void sync_end(struct replica *replica);
/* Entries from this one on may still have to be sent. */
uint64_t sync_needs(const struct replica *replica);

void sync_take_log(struct replica *replica, const struct delivery *delivery);
void sync_take_snap(struct replica *replica, const struct delivery *delivery);

#endif
