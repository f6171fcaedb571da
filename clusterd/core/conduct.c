/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/conduct.h"

#include "clusterd/core/record.h"

enum { REPEAT_MS = 1000 };
/* A machine can be switched on a moment after its device said that it is off. */
enum { PROOF_MS = 10000 };

bool conduct_proposed_lately(struct core *core, uint64_t *proposed_ms, struct update *update)
{
	if (*proposed_ms && core->now_ms < *proposed_ms + REPEAT_MS) {
		update_wake(update, *proposed_ms + REPEAT_MS);
		return true;
	}
	*proposed_ms = core->now_ms;
	return false;
}

bool conduct_lasted(struct core *core, uint64_t since_ms, uint64_t wait_ms, struct update *update)
{
	if (core->now_ms >= since_ms + wait_ms)
		return true;
	update_wake(update, since_ms + wait_ms);
	return false;
}

bool conduct_acts(const struct core *core, uint32_t node)
{
	const Wire__Node *record = state_node(core->state, node);

	return core_is_ready(core, node) && record && record->state == WIRE__NODE__STATE__UP;
}

struct look_sight conduct_sight(const struct core *core)
{
	struct look_sight sight = { .ready = core->standing.ready_nodes,
				    .ring = core->standing.ring };

	for (size_t i = 0; i < state_count(core->state, WIRE__TABLE__TABLE_NODE); i++) {
		const Wire__Node *node = state_at(core->state, WIRE__TABLE__TABLE_NODE, i);

		if (replica_boot_id(core->replica, (uint32_t)node->id) == node->boot_id)
			sight.said |= sight.ready & vmop_bit((uint32_t)node->id);
	}
	return sight;
}

struct look_sight conduct_strict_sight(const struct core *core, struct update *update)
{
	struct look_sight sight = conduct_sight(core);

	for (uint32_t id = 1; id <= 64; id++) {
		const struct watched_node *watched = &core->conductor->nodes[id];

		if (!watched->proven_ms || core->now_ms >= watched->proven_ms + PROOF_MS)
			sight.too_old |= vmop_bit(id);
		else
			update_wake(update, watched->proven_ms + PROOF_MS);
	}
	return sight;
}

void conduct_verdict(struct core *core, const Wire__Node *node, struct watched_node *watched,
		     Wire__Node__State state, const char *reason, const char *held_back,
		     const char *left_out, struct update *update)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__NodeVerdict verdict = WIRE__NODE_VERDICT__INIT;

	if (conduct_proposed_lately(core, &watched->proposed_ms, update))
		return;
	verdict.node = (uint32_t)node->id;
	verdict.incarnation = node->incarnation;
	verdict.state = state;
	verdict.reason = (char *)reason;
	verdict.held_back = (char *)held_back;
	verdict.left_out = (char *)left_out;
	command.body_case = WIRE__COMMAND__BODY_NODE_VERDICT;
	command.node_verdict = &verdict;
	core_propose(core, &command, update);
}
