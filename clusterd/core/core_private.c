/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/core_private.h"

#include "base/cleanup.h"
#include "clusterd/core/feature.h"
#include "clusterd/core/record.h"
#include "wire/command.h"
#include "wire/message.h"

void core_propose(struct core *core, Wire__Command *command, struct update *update)
{
	_cleanup_(buf_free) struct buf packed = { 0 };
	_cleanup_(wire_freep) Wire__Command *lower = NULL;

	core->agenda.acts++;
	command->time_ms = core->wall_ms;
	command->up_ms = core->now_ms;
	command->node = core->node;
	command->boot_id = core->boot_id;
	if (!command->who || !*command->who)
		command->who = (char *)"clusterd";
	if (feature_needed(&command->base) > feature_level(core->state))
		lower = wire_dup(&command->base);
	if (lower)
		feature_strip(&lower->base, feature_level(core->state));
	if (wire_command_pack(lower ? lower : command, &packed, NULL) == 0)
		replica_propose(core->replica, &packed, 0, update);
}

struct ask *core_ask(struct core *core, enum agent_kind agent, uint32_t deadline_ms,
		     struct update *update)
{
	struct ask *ask = update_ask(update, agent);

	core->agenda.acts++;
	ask->id = core->next_ask++;
	ask->deadline_ms = deadline_ms;
	return ask;
}

const Wire__Node *core_self(const struct core *core)
{
	const Wire__Node *self = state_node(core->state, core->node);

	if (!self || self->boot_id != core->boot_id || self->state != WIRE__NODE__STATE__UP)
		return NULL;
	return self;
}

bool core_in_ring(const struct core *core, uint32_t node)
{
	return (core->standing.ring & vmop_bit(node)) != 0;
}

bool core_is_ready(const struct core *core, uint32_t node)
{
	return (core->standing.ready_nodes & vmop_bit(node)) != 0;
}
