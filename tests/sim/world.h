/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

/*
 * A world is a whole cluster in one process: real cores, and around them machines with power,
 * clocks and disks, a network, hypervisors, power devices and administrators. All of it comes from
 * one seed and one list of faults, so that the same two give the same run, event by event. The
 * world knows the truth, which no node does, and holds it against every node after every event
 * (truth.h).
 *
 * What is real: core_step() and everything behind it, the frame codec, the schema, the hook's
 * question. What is a model:
 *
 *	evs	Corosync's group
 *	net	who reaches whom, and who notices when
 *	disk	the store
 *	host	libvirt, QEMU and the vm agent
 *	bmc	power devices
 *	admin	administrators
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "tests/sim/fault.h"

enum {
	WORLD_NODES = 64,
	WORLD_VMS = 64,
	WORLD_SPARES = 2,		/* machines that are no nodes at first, at most */
};

struct medium_kind;
struct version;
struct world;

struct world_config {
	uint64_t seed;
	uint32_t nodes;			/* at the beginning: 1 … WORLD_NODES */
	bool eager;			/* cores look at everything at each step (core.h) */
	const struct medium_kind *medium;	/* what disks are kept in (medium.h) */
	const struct version *next;	/* nodes may have this one; NULL: there is but one */
	struct buf *story;		/* what happens is written there; NULL: it is not */
};

struct world_counts {
	uint64_t events, faults, commits, epochs, views, crashes, fences;
	uint64_t starts, moves, saves, acks, elections;
	uint64_t lies;			/* nodes that were proven off and ran on */
	uint64_t turns;			/* bits of memory and of snapshots */
	uint64_t alone;			/* epochs that one of two voters opened without the other */
};

struct world *world_new(const struct world_config *config);
void world_free(struct world *world);

/* Everything that is due, until so many events have happened to cores, or something is wrong. */
void world_run(struct world *world, uint64_t events, const struct fault_source *faults);
/*
 * Faults are over: everything is switched on and connected, and the cluster has to come together
 * within a bound and do what it is there for.
 */
void world_heal(struct world *world);

/* What is wrong, in a sentence; NULL if nothing is. */
const char *world_wrong(const struct world *world);
/* Of all that has happened: equal for equal runs. */
uint64_t world_digest(const struct world *world);
const struct world_counts *world_counts(const struct world *world);
uint64_t world_now_ms(const struct world *world);

#endif
