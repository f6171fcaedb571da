/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What nodes want done, and what they say is done. */
#include "tests/sim/truth_private.h"

#include <inttypes.h>

#include "clusterd/core/core_private.h"
#include "clusterd/core/record.h"
#include "clusterd/core/round.h"

static void check_fence(struct truth *truth, const struct machine *machine, const struct ask *ask)
{
	const Wire__FenceCall *call = ask->request->fence;
	const Wire__Node *target = state_node_named(truth->state, call->node_name);

	if (call->action == WIRE__FENCE_CALL__ACTION__OFF_VERIFIED &&
	    half_is_lost(core_state(machine->core), machine->told_ring))
		world_fail(truth->world, "n%u cuts power, and half of the nodes are not there",
			   machine->id);
	for (size_t i = 0; i < state_count(truth->state, WIRE__TABLE__TABLE_OPERATION); i++) {
		const Wire__Operation *op =
			state_at(truth->state, WIRE__TABLE__TABLE_OPERATION, i);

		if ((op->kind == WIRE__OPERATION__KIND__FENCE ||
		     op->kind == WIRE__OPERATION__KIND__FENCE_TEST) &&
		    op->to == machine->id && target && op->node == target->id)
			return;
	}
	world_fail(truth->world, "n%u asks a power device, and no committed operation says so",
		   machine->id);
}

static void check_not_witness(struct truth *truth, uint32_t id, const char *vm)
{
	const Wire__Node *node = state_node(truth->state, id);

	if (node && node->witness)
		world_fail(truth->world, "n%u is a witness, and is to start %s", id, vm);
}

void truth_asked(struct truth *truth, struct machine *machine, const struct ask *ask)
{
	const Wire__DomainRef *ref = ask->request->domain;
	const Wire__Vm *vm = ref ? state_vm(truth->state, ref->vm) : NULL;
	const struct round *round = &machine->core->replica->round;

	if (machine->turned && machine->turned_epoch != round->epoch &&
	    ask->request->body_case != WIRE__AGENT_REQUEST__BODY_WATCH)
		world_fail(truth->world, "n%u acts, and its state is not that of the others",
			   machine->id);
	if (ask->agent == AGENT_FENCE && !round->open) {
		truth_check_shot(truth, machine, ask);
		return;
	}
	if (!round->open || round->phase != PHASE_READY)
		world_fail(truth->world, "n%u wants something done, and takes part in no epoch",
			   machine->id);
	/* It may look. */
	if (!state_node(core_state(machine->core), machine->id) &&
	    (ask->agent == AGENT_FENCE ||
	     ask->request->body_case != WIRE__AGENT_REQUEST__BODY_WATCH))
		world_fail(truth->world, "n%u wants something done, and is no node", machine->id);
	if (ask->agent == AGENT_FENCE) {
		check_fence(truth, machine, ask);
		return;
	}
	switch (ask->request->body_case) {
	case WIRE__AGENT_REQUEST__BODY_START:
	case WIRE__AGENT_REQUEST__BODY_RESTORE:
		check_not_witness(truth, machine->id, ref->name);
		/* fall through */
	case WIRE__AGENT_REQUEST__BODY_RESUME:
	case WIRE__AGENT_REQUEST__BODY_MIGRATE:
	case WIRE__AGENT_REQUEST__BODY_SAVE:
		if (!vm || !vm_holds(vm, machine->id))
			world_fail(truth->world, "n%u wants %s to run, save or move, and the log "
				   "does not know that it may", machine->id, ref->name);
		break;
	default:
		break;
	}
}

/* By what the node has applied. */
static bool is_ordered(const struct machine *executor, uint32_t node)
{
	const struct state *state = core_state(executor->core);

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_OPERATION); i++) {
		const Wire__Operation *op = state_at(state, WIRE__TABLE__TABLE_OPERATION, i);

		if (op->kind == WIRE__OPERATION__KIND__FENCE && op->node == node &&
		    op->to == executor->id && op->outcome == WIRE__OPERATION__OUTCOME__RUNNING)
			return true;
	}
	return false;
}

void truth_cut(struct truth *truth, const struct machine *executor, uint32_t node)
{
	struct world *world = truth->world;
	const struct machine *target = &world->machines[node];
	struct core_standing standing;

	world->counts.fences++;
	if (!executor->core || machine_frozen(executor))
		return;
	core_standing(executor->core, &standing);
	if (standing.open && !is_ordered(executor, node))
		world_fail(world, "n%u cuts the power of n%u, and as it knows nobody wants that "
			   "any more", executor->id, node);
	if (standing.ring & node_bit(node))
		world_fail(world, "n%u cuts the power of n%u, which it sees in the ring",
			   executor->id, node);
	/* What it could not have heard of by now. */
	if (target->core && truth->ready_us[node] &&
	    world->now_us > truth->ready_us[node] + LONG_US &&
	    !machine_frozen(target) && standing.open)
		world_fail(world, "n%u cuts the power of n%u, which belongs to an epoch",
			   executor->id, node);
}

void truth_acknowledged(struct truth *truth, const struct machine *machine, uint64_t request,
			const Wire__Verdict *verdict)
{
	uint64_t index = (uint64_t)(uintptr_t)idmap_get(&truth->requests, request);

	if (verdict->code != WIRE__VERDICT__CODE__OK)
		return;
	truth->world->counts.acks++;
	if (!index || index > state_index(core_state(machine->core)))
		world_fail(truth->world, "n%u says that something is done, but it is not "
			   "committed", machine->id);
	else if (truth->entries[index - 1].verdict != WIRE__VERDICT__CODE__OK)
		world_fail(truth->world, "n%u says that something is done which entry %" PRIu64
			   " was refused", machine->id, index);
}

bool truth_is_known(const struct truth *truth, uint32_t node, uint64_t request)
{
	const struct core *core = truth->world->machines[node].core;
	uint64_t index = (uint64_t)(uintptr_t)idmap_get(&truth->requests, request);

	return core && index && index <= state_index(core_state(core));
}
