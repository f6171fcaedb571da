/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/conduct.h"

#include "clusterd/core/elect.h"
#include "clusterd/core/record.h"

static struct elect_sight see(struct core *core, struct update *update)
{
	uint64_t patience_ms = state_setting_number(core->state, SET_VOTERS_REPLACE_S) * 1000;
	struct elect_sight sight = {
		.ready = conduct_sight(core).said,
		.alone = core->standing.alone,
	};

	for (uint32_t id = 1; id <= 64; id++)
		if (sight.ready & vmop_bit(id))
			sight.disks[id] = replica_disk_id(core->replica, id);
	for (size_t i = 0; i < state_count(core->state, WIRE__TABLE__TABLE_NODE); i++) {
		const Wire__Node *node = state_at(core->state, WIRE__TABLE__TABLE_NODE, i);
		uint32_t id = (uint32_t)node->id;

		if (node->state == WIRE__NODE__STATE__OFF && state_voter(core->state, id) &&
		    conduct_lasted(core, core->conductor->nodes[id].since_ms, patience_ms, update))
			sight.dead |= vmop_bit(id);
	}
	return sight;
}

void conduct_voters(struct core *core, struct update *update)
{
	struct elect_sight sight = see(core, update);
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VotersSet set = WIRE__VOTERS_SET__INIT;
	struct voters next;
	char why[200];

	if (!elect_next(core->state, &sight, &next, why, sizeof(why)) ||
	    conduct_proposed_lately(core, &core->conductor->voters_ms, update))
		return;
	set.after = next.index;
	set.n_voters = set.n_disks = next.n;
	set.voters = next.nodes;
	set.disks = next.disks;
	set.reason = why;
	command.body_case = WIRE__COMMAND__BODY_VOTERS_SET;
	command.voters_set = &set;
	core_propose(core, &command, update);
}
