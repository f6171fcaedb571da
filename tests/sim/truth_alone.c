/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two voters, of which one goes on alone: by what is known here of boots and epochs, and not by
 * what the node has noted of them.
 */
#include "tests/sim/truth_private.h"

#include <inttypes.h>

#include "clusterd/core/core_private.h"
#include "clusterd/core/round.h"

static bool is_ready(const struct machine *machine)
{
	return machine->core && machine->core->replica->round.open &&
	       machine->core->replica->round.phase == PHASE_READY;
}

/* Whatever was committed, its log has it. */
static bool has_all(const struct truth *truth, const struct machine *machine)
{
	const struct rlog *log = &machine->core->replica->log;

	return rlog_last(log) >= truth->n &&
	       (rlog_first(log) > truth->n ||
		rlog_epoch(log, truth->n) == truth->entries[truth->n - 1].epoch);
}

/* Has it seen both in this boot; or was the last epoch of all its own, and without the other? */
static bool may_go_alone(const struct truth *truth, const struct machine *machine,
			 const struct voters *voters)
{
	return (truth->together[machine->id] == machine->boots &&
		truth->together_voters[machine->id] == voters->index) ||
	       (truth->alone[machine->id] && truth->alone[machine->id] == truth->last_epoch);
}

static void note(struct truth *truth, const struct machine *machine)
{
	const struct round *round = &machine->core->replica->round;
	const struct electorate *electorate = &round->electorate;
	uint64_t voters = voters_nodes(&electorate->voters[0]);

	if (alone_in(round) && (electorate->counted[0] & node_bit(machine->id)))
		truth->alone[machine->id] = round->epoch;
	else if (electorate->n == 1 && electorate->voters[0].n == 2 &&
		 (voters & node_bit(machine->id)) && (round->ready & voters) == voters) {
		truth->together[machine->id] = machine->boots;
		truth->met[machine->id] =
			truth->world->machines[voters_other(&electorate->voters[0],
							    machine->id)].boots;
		truth->together_voters[machine->id] = electorate->voters[0].index;
	}
}

void truth_check_alone(struct truth *truth, const struct machine *machine)
{
	const struct replica *replica = machine->core->replica;
	const struct round *round = &replica->round;
	uint32_t other;

	if (alone_entitled(replica) && !has_all(truth, machine))
		world_fail(truth->world, "n%u may go on alone by what it has noted, and lacks "
			   "entry %zu", machine->id, truth->n);
	if (!is_ready(machine))
		return;
	other = voters_other(&round->electorate.voters[0], machine->id);
	if (other && alone_in(round) && truth->alone[machine->id] != round->epoch) {
		truth->world->counts.alone++;
		if (!has_all(truth, machine))
			world_fail(truth->world, "n%u goes on alone without entry %zu",
				   machine->id, truth->n);
		if (truth->world->machines[other].power &&
		    truth->world->machines[other].boots == truth->met[machine->id])
			world_fail(truth->world, "n%u goes on alone, and n%u was not off since it "
				   "was together with it", machine->id, other);
		if (is_ready(&truth->world->machines[other]))
			world_fail(truth->world, "n%u goes on alone, and n%u is in an open epoch",
				   machine->id, other);
	}
	note(truth, machine);
}

void truth_check_shot(struct truth *truth, const struct machine *machine, const struct ask *ask)
{
	struct world *world = truth->world;
	const Wire__Node *target = state_node_named(truth->state, ask->request->fence->node_name);
	const struct replica *replica = machine->core->replica;
	struct voters voters;

	machine->core->replica->config.ops->voters(machine->core, &voters);
	if (!target || voters_other(&voters, machine->id) != target->id)
		world_fail(world, "n%u asks a power device in no epoch, and not as one of two "
			   "voters", machine->id);
	else if ((replica->ring | replica->members) & node_bit((uint32_t)target->id))
		world_fail(world, "n%u asks for the power of n%" PRIu64 ", which it sees",
			   machine->id, target->id);
	else if (!may_go_alone(truth, machine, &voters))
		world_fail(world, "n%u asks for the power of n%" PRIu64 " and may not go on alone",
			   machine->id, target->id);
}
