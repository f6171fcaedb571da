/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_SIM_ORACLE_H
#define TESTS_SIM_ORACLE_H

/*
 * The oracle knows what the nodes of a swarm cannot: the truth, which is what any of them has
 * applied first. It looks into disks and replicas and fails the swarm when something is wrong.
 */

#include "tests/sim/swarm.h"

/* The next entry of the truth. */
void oracle_learn(struct swarm *swarm, struct swarm_truth truth);
/* A node has applied an entry; context is the node. */
void oracle_applied(void *context, const struct toy *toy, uint64_t index, uint64_t epoch,
		    uint64_t digest);
/* Something was synced to a node's disk. */
void oracle_synced(struct swarm_node *node);
/* After every event of a node. */
void oracle_check(struct swarm *swarm, struct swarm_node *node);

#endif
