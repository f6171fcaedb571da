/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_SIM_EVS_H
#define TESTS_SIM_EVS_H

/*
 * An evs is Corosync's closed process group as a model of what it promises (extended virtual
 * synchrony, Moser et al. 1994), and of no more:
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
#include "wire/frame.h"

enum { EVS_NODES_MAX = 64 };

struct evs;

/* One for all who get it, decoded once. Who needs it for longer than a call takes a reference. */
struct evs_message {
	uint32_t refs, sender;
	struct buf frame;
	struct frame_header header;
	ProtobufCMessage *body;		/* NULL: of a protocol that this version does not speak */
	struct frame_header other_header;
	ProtobufCMessage *other;	/* as another version reads it, once one has */
};

struct evs_message *evs_message_ref(struct evs_message *message);
void evs_message_unref(struct evs_message *message);

struct evs_ops {
	void (*deliver)(void *context, uint32_t node, struct evs_message *message);
	void (*view)(void *context, uint32_t node, uint64_t members, uint64_t ring);
};

struct evs *evs_new(uint32_t nodes, struct rng *rng, const struct evs_ops *ops, void *context);
void evs_free(struct evs *evs);

/* A node joins, alone until the next change of views. It is told of no view yet. */
void evs_start(struct evs *evs, uint32_t node);
/* A node is gone, with some of what it had queued sent all the same. */
void evs_crash(struct evs *evs, uint32_t node);
bool evs_up(const struct evs *evs, uint32_t node);

/* Queues a frame, which it takes over; asserts that some version can decode it. */
void evs_send(struct evs *evs, uint32_t node, struct buf *frame);
size_t evs_queued(const struct evs *evs, uint32_t node);
/* The oldest queued message of a node gets its place in the order; or is lost. False: none. */
bool evs_place(struct evs *evs, uint32_t node, bool lost);
/* Delivers the next message to a node. False: there is none. */
bool evs_deliver(struct evs *evs, uint32_t node);

/*
 * New views: of[node - 1] is the component a node finds itself in. A component that is as it
 * was may be spared. ghosts are added to the members of every view. The ring has the members
 * that are there, and those of the nodes in ring_too that are in the same component.
 */
void evs_regroup(struct evs *evs, const uint32_t *of, bool spare, uint64_t ghosts,
		 uint64_t ring_too);
/* Of the node's view. */
uint64_t evs_members(const struct evs *evs, uint32_t node);

#endif
