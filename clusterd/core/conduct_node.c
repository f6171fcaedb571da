/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/conduct.h"

#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "clusterd/core/record.h"

/* The longest that a node whose power was cut is still taken for a member of the ring. */
enum { GHOST_MS = 60000 };

void conduct_watch_node(struct core *core, const Wire__Node *node)
{
	struct watched_node *watched = &core->conductor->nodes[node->id];
	bool in_ring = core_in_ring(core, (uint32_t)node->id);
	bool ready = core_is_ready(core, (uint32_t)node->id);

	if (watched->state != node->state || watched->state_ms != node->since_ms) {
		watched->attempts = watched->retry_ms = 0;
		watched->was_out = false;
	}
	watched->was_out |= !in_ring;
	/* How old a proof is that came while this node did not lead, nobody knows. */
	if (watched->proven != node->proven)
		watched->proven_ms =
			core->conductor->watching && watched->since_ms ? core->now_ms : 0;
	watched->proven = node->proven;
	if (!watched->since_ms || watched->state != node->state ||
	    watched->state_ms != node->since_ms || watched->in_ring != in_ring ||
	    watched->ready != ready) {
		watched->state = node->state;
		watched->state_ms = node->since_ms;
		watched->in_ring = in_ring;
		watched->ready = ready;
		watched->since_ms = core->now_ms;
		watched->proposed_ms = 0;
	}
	if (watched->incarnation != node->incarnation) {
		watched->incarnation = node->incarnation;
		watched->attempts = 0;
		watched->retry_ms = 0;
	}
}

static void propose_verdict(struct core *core, const Wire__Node *node, struct watched_node *watched,
			    Wire__Node__State state, const char *reason, struct update *update)
{
	conduct_verdict(core, node, watched, state, reason, "", "", update);
}

/*
 * When power comes back everywhere, nodes are not equally fast. One that this leader has not
 * seen yet is given time to boot: cutting its power in the middle would help nobody.
 */
static bool joined_or_late(struct core *core, uint32_t node, struct update *update)
{
	return (core->seen_ring & vmop_bit(node)) ||
	       conduct_lasted(core, core->grace_ms, 0, update);
}

/* It came into the ring after its power was cut, and is not only on its way out of it. */
static bool is_on_again(struct core *core, const struct watched_node *watched,
			struct update *update)
{
	return watched->was_out || conduct_lasted(core, watched->since_ms, GHOST_MS, update);
}

static bool is_left_out(const struct core *core, const Wire__Node *node)
{
	return (core->standing.left_out & vmop_bit((uint32_t)node->id)) != 0;
}

static bool is_foreign(const struct core *core, const Wire__Node *node)
{
	return (core->standing.foreign & vmop_bit((uint32_t)node->id)) != 0;
}

/* A daemon that runs and cannot take part is on record with the reason, as long as it is so. */
static void note_left_out(struct core *core, const Wire__Node *node, struct watched_node *watched,
			  struct update *update)
{
	_cleanup_(buf_free) struct buf why = { 0 };

	if (node->state == WIRE__NODE__STATE__UP)
		return;
	if (is_left_out(core, node))
		replica_say_left_out(core->replica, (uint32_t)node->id, &why);
	if (strcmp(node->left_out, buf_str(&why)) != 0)
		conduct_verdict(core, node, watched, node->state, node->reason, node->held_back,
				buf_str(&why), update);
}

/*
 * Suspected is a node that left the totem ring, and that only now, in an open epoch without
 * it. One in the ring whose daemon is gone is daemon-down; one that left cleanly is left
 * alone while its freeze lasts.
 */
void conduct_node(struct core *core, const Wire__Node *node, struct watched_node *watched,
		  struct update *update)
{
	uint64_t grace_ms = state_setting_number(core->state, SET_DAEMON_GRACE_MS);
	bool in_ring = watched->in_ring;

	switch (node->state) {
	case WIRE__NODE__STATE__UP:
		if (!in_ring && joined_or_late(core, (uint32_t)node->id, update))
			propose_verdict(core, node, watched, WIRE__NODE__STATE__LOST,
					"it left the totem ring", update);
		else if (!in_ring)
			break;
		else if (conduct_lasted(core, watched->since_ms, grace_ms, update))
			propose_verdict(core, node, watched, WIRE__NODE__STATE__DAEMON_DOWN,
					is_foreign(core, node)
						? "corosync answers, clusterd is of another cluster"
					: is_left_out(core, node)
						? "corosync answers, clusterd is of another version"
						: "corosync answers, clusterd does not", update);
		break;
	case WIRE__NODE__STATE__DAEMON_DOWN:
		if (!in_ring)
			propose_verdict(core, node, watched, WIRE__NODE__STATE__LOST,
					"it left the totem ring", update);
		break;
	case WIRE__NODE__STATE__LEFT:
		if (!conduct_lasted(core, watched->since_ms, node->freeze_ms, update))
			break;
		propose_verdict(core, node, watched,
				in_ring ? WIRE__NODE__STATE__DAEMON_DOWN : WIRE__NODE__STATE__LOST,
				"it left cleanly and did not come back in time", update);
		break;
	case WIRE__NODE__STATE__LOST:
		if (in_ring)
			propose_verdict(core, node, watched, WIRE__NODE__STATE__DAEMON_DOWN,
					"back in the totem ring", update);
		break;
	case WIRE__NODE__STATE__OFF:
		if (in_ring && is_on_again(core, watched, update) &&
		    conduct_lasted(core, watched->since_ms, grace_ms, update))
			propose_verdict(core, node, watched, WIRE__NODE__STATE__DAEMON_DOWN,
					"it was switched on again, clusterd does not run there",
					update);
		break;
	default:
		break;
	}
	note_left_out(core, node, watched, update);
}
