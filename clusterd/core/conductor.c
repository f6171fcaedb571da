/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/conductor.h"

#include <stdlib.h>

#include "base/mem.h"
#include "clusterd/core/conduct.h"

struct conductor *conductor_new(void)
{
	return mem_new(struct conductor);
}

void conductor_free(struct conductor *conductor)
{
	if (!conductor)
		return;
	idmap_free(&conductor->vms, free);
	idmap_free(&conductor->waiting, NULL);
	free(conductor);
}

static void watch_nodes(struct core *core)
{
	for (size_t i = 0; i < state_count(core->state, WIRE__TABLE__TABLE_NODE); i++)
		conduct_watch_node(core, state_at(core->state, WIRE__TABLE__TABLE_NODE, i));
}

static void conduct_nodes(struct core *core, struct update *update)
{
	for (size_t i = 0; i < state_count(core->state, WIRE__TABLE__TABLE_NODE); i++) {
		const Wire__Node *node = state_at(core->state, WIRE__TABLE__TABLE_NODE, i);
		struct watched_node *watched = &core->conductor->nodes[node->id];

		if (core_is_ready(core, (uint32_t)node->id))
			continue;	/* it speaks for itself */
		conduct_node(core, node, watched, update);
		conduct_fence(core, node, watched, update);
	}
}

/* What was proposed in an older epoch may never have been heard. */
static void forget_proposals(struct conductor *conductor)
{
	struct watched_vm *watched;

	conductor->placed_ms = conductor->voters_ms = 0;
	for (size_t i = 0; i < sizeof(conductor->nodes) / sizeof(conductor->nodes[0]); i++)
		conductor->nodes[i].proposed_ms = 0;
	idmap_each(&conductor->vms, i, watched)
		watched->proposed_ms = 0;
}

void conductor_rest(struct core *core)
{
	core->conductor->watching = false;
	agenda_rest(core, CHORE_CONDUCT);
}

static void conduct(struct core *core, struct update *update)
{
	struct conductor *conductor = core->conductor;

	if (conductor->epoch != core->standing.epoch)
		forget_proposals(conductor);
	conductor->epoch = core->standing.epoch;
	watch_nodes(core);
	conductor->watching = true;
	conduct_vms(core, update);
	/* These come last, for VMs that are to start ask for newer proofs. */
	conduct_nodes(core, update);
	conduct_tests(core, update);
	conduct_voters(core, update);
}

void conductor_run(struct core *core, struct update *update)
{
	bool leading = core->standing.open && core->standing.ready &&
		       core->standing.leader == core->node && state_cluster(core->state);

	if (!leading) {
		conductor_rest(core);
	} else if (agenda_begin(core, CHORE_CONDUCT, update)) {
		conduct(core, update);
		agenda_end(core, CHORE_CONDUCT, update);
	}
}
