/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_ELECT_H
#define CLUSTERD_CORE_ELECT_H

/*
 * Who should vote. A cluster has 1, 2, 3 or 5 voters. `cluster.voters` says 3, 5 or auto, which is
 * 5 from five nodes on; with fewer nodes there are as many as can be. They are spread over failure
 * domains, as far as nodes are there for it. Nodes that are set vote=no do not count.
 *
 * Two of them vote both if the death of each can be proven by a fence device, for then either goes
 * on alone (replica.h); else one of two, because each of two would stop the cluster when it fails.
 * From then on both vote for as long as each has a device, whatever becomes of a test of it: who
 * votes should not change while a power switch is out of order.
 *
 * One step at a time, each one change of voters (voters.h), the first that is due:
 *
 *	a voter with a new disk is one with that disk;
 *	one that is to be removed or to vote no more (vote=no), or was proven dead for long,
 *	makes room for another node;
 *	there are more or fewer, towards the number that should be;
 *	one in a crowded domain makes room for a node in another, while all are here;
 *	one that is to go while nobody takes its place is one with the new disk that it has.
 *
 * Only a node that is ready, whose log is that of the others, becomes a voter. While one of two is
 * alone, the other one's vote goes to another node, or goes because an administrator takes it away,
 * but not because of devices.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clusterd/core/state.h"

/* What a leader sees of the nodes; sets are bits, node n is bit n - 1. */
struct elect_sight {
	uint64_t ready;			/* in the open epoch, and their records are of this life */
	uint64_t dead;			/* proven dead, and for so long that nobody waits */
	uint64_t disks[65];		/* by node, of those that are ready */
	bool alone;			/* the open epoch is without the other of two voters */
};

/* How many voters there should be. */
size_t elect_wanted(const struct state *state);

/*
 * The next step and why, in words; the index is the present voters'. False: none is due, or no node
 * is there for it.
 */
bool elect_next(const struct state *state, const struct elect_sight *sight,
		struct voters *ret_voters, char *ret_why, size_t size);

#endif
