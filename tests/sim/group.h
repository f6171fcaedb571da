/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_SIM_GROUP_H
#define TESTS_SIM_GROUP_H

/*
 * A group is Corosync's closed process group as a model of what it promises, and of no more:
 *
 * - A view has members and one order of messages, the same for all of them; each member
 *   delivers at its own pace, its own messages too.
 * - Members that go from one view to the next together deliver the same messages of the old
 *   one. Others may have delivered fewer or more: a node cut off may have delivered messages
 *   of its own that nobody else ever gets.
 * - A message not yet in the order when the view changes gets its place in the next one.
 * - A node that crashes stays a member until the view changes. A member may be a ghost, that
 *   never says anything.
 *
 * Nodes are 1 … n, sets of them bits (node n is bit n - 1).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "tests/sim/rng.h"

enum { GROUP_NODES_MAX = 16 };

struct group;

struct group_ops {
	void (*deliver)(void *world, uint32_t node, uint32_t sender, const struct buf *frame);
	void (*view)(void *world, uint32_t node, uint64_t members, uint64_t ring);
};

struct group *group_new(uint32_t nodes, struct rng *rng, const struct group_ops *ops, void *world);
void group_free(struct group *group);

/* A node joins, alone until the next change of views. It is told of no view yet. */
void group_start(struct group *group, uint32_t node);
/* A node is gone, with some of what it had queued sent all the same. */
void group_crash(struct group *group, uint32_t node);
bool group_up(const struct group *group, uint32_t node);

/* Queues a frame, which it takes over. */
void group_send(struct group *group, uint32_t node, struct buf *frame);
/* The oldest queued message of a node gets its place in the order; or is lost. False: none. */
bool group_place(struct group *group, uint32_t node, bool lost);
/* Delivers the next message to a node. False: there is none. */
bool group_deliver(struct group *group, uint32_t node);

/*
 * New views: of[node - 1] is the component a node finds itself in. A component that is as it
 * was may be spared. ghosts are added to the members of every view, and also to the ring
 * where in_ring is true.
 */
void group_regroup(struct group *group, const uint32_t *of, bool spare, uint64_t ghosts,
		   bool in_ring);
/* Of the node's view. */
uint64_t group_members(const struct group *group, uint32_t node);

#endif
