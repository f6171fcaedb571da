/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_SIM_SWARM_H
#define TESTS_SIM_SWARM_H

/*
 * A swarm is a cluster of replicas in one process: real replicas, real frames, with a model
 * of the group, of the disks and of time. It knows the truth, which no node does, and holds
 * it against every node after every event:
 *
 *	- what was committed once stays, at its index, for ever, even if all power fails now and
 *	  just a majority of voters comes back; and a change of voters, if that is a majority of
 *	  the voters before it;
 *	- an epoch is opened by one round only, and holds all that was committed before it;
 *	- commands are applied in order, and states at the same index are the same;
 *	- a replica and the state above it agree on who the voters are;
 *	- no node is told to leave.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/idmap.h"
#include "clusterd/core/replica.h"
#include "tests/sim/disk.h"
#include "tests/sim/evs.h"
#include "tests/sim/rng.h"
#include "tests/sim/toy.h"

enum { SWARM_NODES_MAX = 16 };

struct swarm;

struct swarm_node {
	struct swarm *swarm;
	uint32_t id;
	bool up;
	uint64_t boot_id;
	uint64_t deadline_ms;		/* 0 = none */
	struct disk *disk;
	bool lost;			/* the disk is empty, and perhaps nobody knows it yet */
	struct toy *toy;
	struct replica *replica;
	uint64_t told_epoch, told_commit;	/* for the trace */
	uint64_t checked_epoch;		/* last one seen open and ready here */
};

struct swarm_truth {
	uint64_t epoch, digest, state;
};

/* A change of voters that was sent, and may have got into a log. */
struct swarm_change {
	uint64_t base;
	struct voters voters;
};

struct swarm_counts {
	uint64_t steps, views, crashes, wipes, opened, committed, changes, snapshots, cuts,
		refused;
};

struct swarm {
	struct rng rng;
	uint64_t now_ms;
	uint32_t nodes_n, voters_n;
	size_t keep;			/* of the replicas' logs */
	uint64_t behind;		/* entries that a toy applies before it writes */
	bool disks_may_vanish;		/* then fewer disks may hold what was committed */
	struct evs *evs;
	struct swarm_node nodes[SWARM_NODES_MAX];
	struct swarm_truth *truth;	/* entry 1, 2, … */
	size_t truth_n, truth_cap;
	struct voters voters;		/* the last ones that are committed */
	struct voters voters_before;	/* whom they replaced */
	struct swarm_change *changes;
	size_t changes_n, changes_cap;
	struct idmap epochs;		/* who opened which */
	uint64_t last_id;		/* for boot ids, disk ids, requests */
	struct swarm_counts counts;
	struct buf *trace;		/* told what happens, if set */
	char wrong[200];		/* the first thing found wrong; "" = nothing */
};

void swarm_init(struct swarm *swarm, uint64_t seed, uint32_t nodes, uint32_t voters);
void swarm_free(struct swarm *swarm);
struct swarm_node *swarm_node(struct swarm *swarm, uint32_t node);
uint64_t swarm_new_id(struct swarm *swarm);

/* Entry 1 on the disks of these nodes; known: with the disk ids of all voters. */
void swarm_genesis(struct swarm *swarm, uint64_t nodes, bool known);
/* Starts the daemon of a node, from its disk. */
void swarm_boot(struct swarm *swarm, uint32_t node);
/* `durable` batches still reach the disk. */
void swarm_crash(struct swarm *swarm, uint32_t node, size_t durable);
/* A node that is down gets a new, empty disk. */
void swarm_wipe(struct swarm *swarm, uint32_t node);

/* One event for a node each; false if there is nothing of the kind to do. */
bool swarm_sync(struct swarm *swarm, uint32_t node, size_t batches);
bool swarm_tick(struct swarm *swarm, uint32_t node);
/* The node is told of the ring alone: all nodes that are up. */
bool swarm_ring(struct swarm *swarm, uint32_t node);
/* A command that is not like any other; false if the replica does not take it. */
bool swarm_propose(struct swarm *swarm, uint32_t node);
/* The node's NodeReport, by which the disk of a voter becomes known that never took part. */
bool swarm_report(struct swarm *swarm, uint32_t node);
/*
 * A change to these voters (bit n - 1: node n) as far as anything is known of their disks; what is
 * here counts. False as well if it would change nothing.
 */
bool swarm_change(struct swarm *swarm, uint32_t node, uint64_t voters);

void swarm_standing(struct swarm *swarm, uint32_t node, struct replica_standing *ret_standing);
/* The next deadline of a node that is up; 0 = none. */
uint64_t swarm_deadline(const struct swarm *swarm);
/*
 * All messages, disks and deadlines, in turns, until it is until_ms or later. In a millisecond
 * each node sends a message, delivers one and syncs what it had to.
 */
void swarm_run(struct swarm *swarm, uint64_t until_ms);
/* One view of all nodes that are up. */
void swarm_gather(struct swarm *swarm);
/*
 * This node's disk may be lost too: with it, those whose new disk no majority knows are still a
 * minority of each set of voters that may have a say, and somebody else knows of the cluster.
 */
bool swarm_may_wipe(struct swarm *swarm, uint32_t id);

void swarm_fail(struct swarm *swarm, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
