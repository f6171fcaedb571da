/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MIGRATE_VMOP_H
#define MIGRATE_VMOP_H

/*
 * The VM operation machine: which phase a VM of the cluster is in, which node may let its
 * vCPUs run there, and what follows when a node is proven not to hold it any more. Pure: it
 * sees node numbers only. Apply is its one user; the numbers are those of Vm.Phase in
 * wire/schema.proto.
 *
 *            +-----------------------------------------------------------+
 *            v                                                           |
 *   OFF --> STARTING --> RUN --> STOPPING --> OFF                        |
 *    |          |         |                                              |
 *    |          +-> OFF   +--> COPYING --> GO --> RESUMING --> RUN       |
 *    v                    |       |         |                            |
 *  FAILED                 |       +-> ABORTING --> RUN, OFF              |
 *                         |                                              |
 *                         +--> SAVING --> SAVED --> RESTORING --> CONSUMED
 *
 * OFF        nobody may run it
 * STARTING   owner creates the domain
 * RUN        owner runs it
 * STOPPING   owner shuts it down, then hard
 * COPYING    source owns and runs it (or nobody, if it handed over); destination receives, paused
 * GO         destination owns it, complete and paused; the source must hand over first
 * RESUMING   the source has handed over; the destination lets it run
 * ABORTING   source owns it (or nobody, if it is gone); destination destroys its copy
 * SAVING     source writes the memory to the volume
 * SAVED      nobody holds it; the image is the VM
 * RESTORING  destination restores, paused
 * CONSUMED   image renamed; destination may have let it run: the image is dead
 * FAILED     given up; waits for the administrator
 *
 * A source is gone in one of two ways. It handed over: by its own word the guest stood still there
 * since its memory was complete. Or it is gone without that word, dead or silent about it: then the
 * guest may have run on and written to its disks, and no copy of its memory may run any more.
 *
 * And it may turn up there again, started by somebody else, while the copy waits, runs or is being
 * destroyed: from each of these phases that leads to OFF, with both of them in maybe.
 *
 * Source: the hand-over of migrate/README.md, whose faults are those of libvirt's
 * peer-to-peer protocol (virDomainMigratePerform3 .. Finish3 .. Confirm3).
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/sm.h"

enum vmop_phase {
	VMOP_OFF, VMOP_STARTING, VMOP_RUN, VMOP_STOPPING,
	VMOP_COPYING, VMOP_GO, VMOP_RESUMING, VMOP_ABORTING,
	VMOP_SAVING, VMOP_SAVED, VMOP_RESTORING, VMOP_CONSUMED,
	VMOP_FAILED,
	VMOP_PHASES
};

extern const struct sm_state vmop_phases[VMOP_PHASES];

/* Node numbers are 1..64; 0 is nobody. maybe has bit n-1 for node n. */
struct vmop {
	enum vmop_phase phase;
	uint32_t owner, from, to;
	uint64_t maybe;
};

static inline uint64_t vmop_bit(uint32_t node)
{
	return node >= 1 && node <= 64 ? UINT64_C(1) << (node - 1) : 0;
}

/* NULL, or the invariant that does not hold, in words. */
const char *vmop_broken(const struct vmop *op);

/*
 * The one way to change phase; owner, from, to and maybe are set by the caller before. NULL, or
 * why not, in words: there is no such edge, or the invariant would not hold afterwards. Then
 * nothing is changed.
 */
const char *vmop_try(struct vmop *op, enum vmop_phase next);
/* The same where it cannot fail: asserts that. */
void vmop_move(struct vmop *op, enum vmop_phase next);

/*
 * A node is proven not to hold the VM: by its own report or by proof of death. Takes it out
 * of maybe, moves the machine on and returns what that means. handed_over is its own word that
 * it is the source of a live move and that the guest has not run there since its memory was
 * complete; a proof of death never is. The invariant holds before.
 */
enum vmop_gone {
	VMOP_GONE_NOTHING,	/* it had no part */
	VMOP_GONE_STOPPED,	/* it was running or to run there: it is off now */
	VMOP_GONE_GO_ON,	/* the source has handed over: the destination may let it run */
	VMOP_GONE_WAIT,		/* the same, but the destination has yet to say that it is ready */
	VMOP_GONE_GIVE_UP,	/* source gone without that word: the copy must not run */
	VMOP_GONE_BACK,		/* destination gone: the source runs it; new right */
	VMOP_GONE_IMAGE,	/* destination gone before the image was consumed: it is the VM */
};
enum vmop_gone vmop_node_gone(struct vmop *op, uint32_t node, bool handed_over);

/*
 * A node holds the VM that by the record did not. Puts it into maybe. True if it is the source of a
 * live move and was gone: what it has now may have written to the disks, and no copy of the memory
 * may run any more. Then nobody owns the VM; it is OFF, and each of them has to be proven gone.
 */
bool vmop_node_found(struct vmop *op, uint32_t node);

/* The node whose vCPUs may run now, 0 for none. */
uint32_t vmop_runner(const struct vmop *op);
/* Is a move under way, so that other requests must wait? */
bool vmop_moving(enum vmop_phase phase);

#endif
