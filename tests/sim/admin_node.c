/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Administrators who add nodes and remove them, and say which ones may vote. */
#include <stdio.h>

#include "base/cleanup.h"
#include "clusterd/core/record.h"
#include "clusterd/core/round.h"
#include "tests/sim/admin_private.h"
#include "wire/message.h"

enum {
	STEP_US = 3000000,		/* so often somebody looks how far a removal is */
	/* What becomes of the machine of a node that was removed. */
	REMOVAL_RENEWS = 1,		/* it gets an empty disk and is added again */
	REMOVAL_SWITCHES_OFF = 2,	/* else it runs on, or goes */
};

/* ---------------------------------------------------------------- adding */

static Wire__Command *add_node(uint32_t id, uint64_t draw)
{
	Wire__NodeAdd *add = wire_new(&wire__node_add__descriptor);
	char name[16], domain[16];

	snprintf(name, sizeof(name), "n%u", id);
	snprintf(domain, sizeof(domain), "room%u", (unsigned)(draw >> 8 & 1));
	wire_set(&add->name, name);
	wire_set(&add->address, name);
	if (draw & 1)
		wire_set(&add->domain, domain);
	add->witness = (draw >> 1 & 7) == 0;
	add->no_vote = (draw >> 4 & 7) == 0;
	add->id = id;
	return COMMAND(NODE_ADD, add);
}

void admin_add_node(struct world *world, uint32_t id, uint64_t draw)
{
	struct machine *machine = &world->machines[id];
	const struct state *state = truth_state(world->truth);

	if (!state || state_node(state, id))
		return;
	/* Mostly it is known that a store of one that was removed is of no use. */
	if (state_node_gone(state, id, machine->disk->id) && (draw >> 16 & 3) &&
	    truth_voters_stand(world->truth))
		machine_replace_disk(machine);
	machine->spare = false;
	machine_power_on(machine, draw >> 20 & 4095);
	admin_command(world, 0, add_node(id, draw), false);
	admin_command(world, 0, admin_add_fence(id), false);
}

/* ---------------------------------------------------------------- removing */

void admin_remove_node(struct world *world, uint32_t id, uint64_t patience_ms, uint64_t how)
{
	struct admin *admin = world->admin;

	if (!(admin->going & node_bit(id)))
		world_due(world, DUE_REMOVAL, 0, 1, 0, id);
	admin->going |= node_bit(id);
	admin->removals[id] = (struct removal){ world->now_us + patience_ms * 1000 + STEP_US, how };
}

static void is_gone(struct world *world, uint32_t id)
{
	struct machine *machine = &world->machines[id];
	uint64_t how = world->admin->removals[id].how;

	if (how & REMOVAL_RENEWS) {
		machine_replace_disk(machine);
		machine_power_on(machine, 1000);
		admin_add_node(world, id, rng_next(&world->rng));
	} else if (how & REMOVAL_SWITCHES_OFF) {
		machine_power_off(machine);
	}
}

/* The guest that binds it, and what frees it of that; NULL: it has to be waited for. */
static Wire__Command *unbind(const Wire__Vm *vm, uint32_t node, bool *ret_bound)
{
	bool named = false;

	for (size_t i = 0; i < vm->n_possible_owners; i++)
		named |= vm->possible_owners[i] == node;
	*ret_bound = true;
	if (vm_holds(vm, node))
		return vm->phase == WIRE__VM__PHASE__RUN ? admin_move(vm->name, 0, node % 2) : NULL;
	if (vm->unmanaged)
		return admin_set_vm(vm->name, "managed", "yes");
	if (named)
		return admin_set_vm(vm->name, "owners", "");
	if (vm->no_ha && vm->last_node == node)
		return admin_set_vm(vm->name, "ha", "yes");
	*ret_bound = false;
	return NULL;
}

/* What has to be done first; NULL: nothing can be, at the moment. */
static Wire__Command *next_step(const struct state *state, const Wire__Node *node)
{
	uint32_t id = (uint32_t)node->id;
	Wire__NodeRemove *remove;
	char name[24];

	if (node->leaving[0])
		return NULL;
	if (!node->drained)
		return admin_set_node(id, "placement", "no");
	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_VM); i++) {
		bool bound;
		Wire__Command *command =
			unbind(state_at(state, WIRE__TABLE__TABLE_VM, i), id, &bound);

		if (bound)
			return command;
	}
	snprintf(name, sizeof(name), "bmc-n%u", id);
	if (state_fence_named(state, name))
		return admin_fence(id, false);
	remove = wire_new(&wire__node_remove__descriptor);
	wire_set(&remove->name, node->name);
	return COMMAND(NODE_REMOVE, remove);
}

void admin_removal_due(struct world *world, uint32_t id)
{
	const struct state *state = truth_state(world->truth);
	const Wire__Node *node = state_node(state, id);
	struct admin *admin = world->admin;
	Wire__Command *command;

	if (!(admin->going & node_bit(id)))
		return;
	/* Whoever looks at the others' list of nodes sees it there for as long. */
	if (!node && !truth_voters_stand(world->truth)) {
		world_due(world, DUE_REMOVAL, 0, STEP_US, 0, id);
		return;
	}
	if (!node || world->now_us >= admin->removals[id].until_us) {
		admin->going &= ~node_bit(id);
		if (!node)
			is_gone(world, id);
		return;
	}
	command = next_step(state, node);
	if (command)
		admin_command(world, 0, command, false);
	world_due(world, DUE_REMOVAL, 0, STEP_US, 0, id);
}

/* ---------------------------------------------------------------- who votes */

void admin_change_node(struct world *world, uint32_t id, uint64_t draw)
{
	static const char *const pairs[][2] = {
		{ "vote", "no" }, { "vote", "no" }, { "vote", "yes" }, { "vote", "yes" },
		{ "witness", "yes" }, { "witness", "yes" }, { "witness", "no" },
		{ "domain", "room0" }, { "domain", "room1" }, { "domain", "" },
	};
	static const char *const numbers[] = { "3", "5", "auto" };
	struct rng rng = { draw };
	uint32_t i = rng_below(&rng, ARRAY_SIZE(pairs) + 2);

	if (i < ARRAY_SIZE(pairs))
		admin_command(world, 0, admin_set_node(id, pairs[i][0], pairs[i][1]), false);
	else if (i == ARRAY_SIZE(pairs))
		admin_command(world, 0, admin_set("cluster.voters", numbers[rng_below(&rng, 3)]),
			      false);
	else
		admin_command(world, 0, admin_set("voters.replace_s",
						  rng_below(&rng, 3) ? "10" : "600"), false);
}

/* ---------------------------------------------------------------- after all faults */

static Wire__Command *remedy(const struct state *state, const Wire__Node *node)
{
	uint32_t id = (uint32_t)node->id;
	char name[24];

	snprintf(name, sizeof(name), "bmc-n%u", id);
	if (!state_fence_named(state, name))
		return admin_add_fence(id);
	if (node->witness)
		return admin_set_node(id, "witness", "no");
	if (node->drained)
		return admin_set_node(id, "placement", "yes");
	return NULL;
}

bool admin_restore_nodes(struct world *world, const struct state *state)
{
	bool well = true;

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_NODE); i++) {
		Wire__Command *command =
			remedy(state, state_at(state, WIRE__TABLE__TABLE_NODE, i));

		if (command)
			admin_command(world, 0, command, true);
		well &= !command;
	}
	return well;
}
