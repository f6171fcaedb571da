/* SPDX-License-Identifier: GPL-2.0-or-later */
/* After the faults: everything is mended, and the cluster comes together and to rest. */
#include "tests/sim/world_private.h"

#include <inttypes.h>
#include <string.h>

#include "clusterd/core/core_private.h"
#include "clusterd/core/elect.h"
#include "clusterd/core/record.h"
#include "clusterd/core/round.h"

enum {
	GATHER_S = 120,		/* until all are ready again, and alike */
	RESTORE_S = 3600,	/* until every guest is where it is to be */
	REST_S = 300,		/* then nothing more may happen for so long */
};

static void mend(struct world *world)
{
	world->storm_n = 0;
	world->lose = 0;
	world_split(world, 0, 0);
	net_changed(world, 1000000);
	for (uint32_t id = 1; id <= world->nodes; id++) {
		struct machine *machine = &world->machines[id];

		machine->ghost = false;
		machine->lag_until_us = machine->slow_us = 0;
		if (machine_frozen(machine)) {
			machine->frozen_us = machine->suspended_us = world->now_us;
			world_thaw(machine);
		}
		machine->ringless_us = 0;
		bmc_set(world->bmc, id, BMC_WORKS, 0);
		bmc_miswire(world->bmc, id, id, 0);
		machine->turn_draw = machine->spoil_draw = 0;
		host_refuse(machine->host, 0, 0);
		host_agent_hang(machine->host, 0);
		if (!machine->spare)
			machine_power_on(machine, 1000);
		/* A daemon that is to come in an hour comes now. */
		if (machine->power && !machine->core)
			world_due(world, DUE_DAEMON, id, 1000000, machine->daemon_life, 0);
	}
}

/* Whose version is too old takes no part, and says so; then it gets another one. */
static void renew_version(struct machine *machine)
{
	struct core_standing standing;

	if (!machine_is_too_old(machine) || machine->version != machine->runs)
		return;
	if (machine->core) {
		core_standing(machine->core, &standing);
		if (!standing.why_not || !strstr(standing.why_not, "feature level"))
			return;
	}
	machine_install(machine, machine->world->config.next, 1000);
}

/* A node whose record came while everything was mended, or that has the store of another. */
static void tend_nodes(struct world *world, const struct state *state)
{
	for (uint32_t id = 1; id <= world->nodes; id++) {
		struct machine *machine = &world->machines[id];

		if (!state_node(state, id))
			continue;
		if (state_node_gone(state, id, machine->disk->id))
			machine_replace_disk(machine);
		machine->spare = false;
		if (!machine->power)
			machine_power_on(machine, 1000);
		renew_version(machine);
	}
}

/* All nodes, that is; what other machines do is of no interest. */
static bool together(struct world *world)
{
	const struct state *state = truth_state(world->truth);
	struct core_standing first = { 0 }, other;

	tend_nodes(world, state);
	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_NODE); i++) {
		const Wire__Node *node = state_at(state, WIRE__TABLE__TABLE_NODE, i);
		const struct machine *machine = &world->machines[node->id];

		if (!machine->core || !machine->agent || machine_is_too_old(machine))
			return false;
		core_standing(machine->core, &other);
		if (i == 0)
			first = other;
		if (!other.open || other.epoch != first.epoch || other.index != first.index ||
		    !other.agent_ok || other.disputed || other.outside)
			return false;
	}
	return true;
}

/*
 * A state has turned while others had theirs from another node, and were not compared since: these
 * do not count, and of the others no majority has the right one. Only a person can tell then.
 */
static bool nobody_can_tell(const struct world *world)
{
	struct voters voters;
	size_t right = 0;
	bool turned = false;

	state_voters(truth_state(world->truth), &voters);
	for (size_t i = 0; i < voters.n; i++) {
		const struct machine *machine = &world->machines[voters.nodes[i]];

		turned |= machine->turned;
		right += machine->core && !machine->turned && !machine->core->census.copied;
	}
	return turned && right < voters_majority(&voters);
}

static void say_who_is_missing(struct world *world)
{
	const struct state *state = truth_state(world->truth);

	for (uint32_t id = 1; id <= world->nodes; id++) {
		const struct machine *machine = &world->machines[id];
		struct core_standing standing;

		if (!state_node(state, id))
			continue;
		if (!machine->core || !machine->agent) {
			world_fail(world, "never together again: n%u has no daemon or no agent",
				   id);
			return;
		}
		core_standing(machine->core, &standing);
		if (!standing.open || standing.disputed || !standing.agent_ok || standing.outside)
			world_fail(world, "never together again: n%u: %s", id,
				   standing.why_not ? standing.why_not
				   : standing.disputed ? standing.disputed
				   : standing.outside ? standing.outside : "no agent");
	}
	world_fail(world, "never together again: the nodes differ");
}

/* As many as there should be, and none that is not wanted; a node may have been added since. */
static bool voters_follow(struct world *world)
{
	const struct state *state = truth_state(world->truth);
	struct voters voters;
	size_t able = 0;

	if (!together(world))
		return false;
	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_NODE); i++) {
		const Wire__Node *node = state_at(state, WIRE__TABLE__TABLE_NODE, i);

		able += !node->no_vote;
	}
	state_voters(state, &voters);
	for (size_t i = 0; i < voters.n && able; i++) {
		const Wire__Node *node = state_node(state, voters.nodes[i]);

		if (!node || node->no_vote ||
		    voters.disks[i] != world->machines[voters.nodes[i]].disk->id)
			return false;
	}
	return !able || voters.n == elect_wanted(state);
}

static void say_what_is_missing(struct world *world)
{
	const struct state *state = truth_state(world->truth);

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_VM); i++) {
		const Wire__Vm *vm = state_at(state, WIRE__TABLE__TABLE_VM, i);

		world_tell(world, "%s: phase %d, wanted %d, owner n%u, seen %d, %s", vm->name,
			   vm->phase, vm->wanted, vm->owner, vm->seen, vm->detail);
		if (vm->phase != WIRE__VM__PHASE__RUN && vm->wanted != WIRE__VM__WANTED__STOPPED)
			world_fail(world, "%s is not up again: phase %d, owner n%u, %s", vm->name,
				   vm->phase, vm->owner, vm->detail);
	}
	world_fail(world, "not everything is as it is wanted");
}

static bool reached(struct world *world, bool (*goal)(struct world *world), uint64_t seconds)
{
	uint64_t end_us = world->now_us + seconds * 1000000;

	while (!world->wrong[0] && world->now_us < end_us) {
		world_until(world, world->now_us + 500000);
		if (world->hopeless || (!world->wrong[0] && goal(world)))
			return true;
	}
	return false;
}

/* Copies of the state are compared when there is something new in them. */
static void compare_once_more(struct world *world)
{
	for (uint32_t id = 1; id <= world->nodes; id++)
		if (world->machines[id].turned) {
			admin_touch(world);
			return;
		}
}

static void check_turned(struct world *world)
{
	const struct state *state = truth_state(world->truth);

	for (uint32_t id = 1; id <= world->nodes && !world->hopeless; id++)
		if (world->machines[id].turned && state_node(state, id))
			world_fail(world, "n%u: its state is not that of the others, and nobody "
				   "has found that", id);
}

void world_heal(struct world *world)
{
	uint64_t commits;

	if (world->wrong[0] || world->hopeless)
		return;
	world_tell(world, "everything is mended");
	world->healed = true;
	mend(world);
	if (!reached(world, together, GATHER_S)) {
		if (!nobody_can_tell(world))
			say_who_is_missing(world);
		return;
	}
	admin_give_up(world);
	if (!reached(world, admin_restore, RESTORE_S)) {
		say_what_is_missing(world);
		return;
	}
	if (!reached(world, voters_follow, GATHER_S)) {
		world_fail(world, "those who vote are not those who should");
		return;
	}
	compare_once_more(world);
	commits = world->counts.commits;
	world_until(world, world->now_us + REST_S * UINT64_C(1000000));
	/* A CHECK a minute or so; a report of facts; no more. */
	if (world->counts.commits > commits + 40 + 4 * world->nodes)
		world_fail(world, "the cluster does not come to rest: %" PRIu64 " commands in %d s",
			   world->counts.commits - commits, REST_S);
	truth_all(world->truth);
	truth_check_strays(world->truth);
	check_turned(world);
	if (!world->wrong[0] && !reached(world, together, GATHER_S))
		say_who_is_missing(world);
}
