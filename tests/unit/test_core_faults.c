/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fault at every step: each scenario is run again and again, and something dies one step
 * later each time. Whatever it was, afterwards the guest runs exactly once (the world checks
 * after every event that it never ran twice), nothing is stuck, and nobody was fenced for
 * less than losing its node.
 */
#include <stdio.h>
#include <string.h>

#include "tests/trace/world.h"
#include "tests/unit/unit.h"

enum { STEPS_MAX = 400 };

typedef void scenario_fn(struct world *world);
typedef void fault_fn(struct world *world, unsigned node);

/* ------------------------------------------------------------------ scenarios */

static void begin(struct world *world, unsigned node, Wire__Command *command)
{
	(void)node;
	world_ask(world, 2, command);
}

static void start(struct world *world)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmWant want = WIRE__VM_WANT__INIT;

	world_want(world, "a", WIRE__VM__WANTED__STOPPED);
	world_settle(world, 5000);
	want.name = (char *)"a";
	want.wanted = WIRE__VM__WANTED__RUNNING;
	command.body_case = WIRE__COMMAND__BODY_VM_WANT;
	command.vm_want = &want;
	begin(world, 2, &command);
}

static void move(struct world *world, Wire__VmMove__How how)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmMove move = WIRE__VM_MOVE__INIT;

	move.name = (char *)"a";
	move.to = 3;
	move.how = how;
	command.body_case = WIRE__COMMAND__BODY_VM_MOVE;
	command.vm_move = &move;
	begin(world, 2, &command);
}

static void live(struct world *world)
{
	move(world, WIRE__VM_MOVE__HOW__LIVE);
}

static void quick(struct world *world)
{
	move(world, WIRE__VM_MOVE__HOW__QUICK);
}

static void crash(struct world *world)
{
	world_guest_dies(world, "a", WIRE__VM_REPORT__CAUSE__CRASHED);
}

static void pull_plug(struct world *world)
{
	unsigned node = world_runs(world, "a");

	world_kill_node(world, node);
}

/* ------------------------------------------------------------------ faults */

static void node_dies(struct world *world, unsigned node)
{
	if (!world_core(world, node))
		return;
	world_kill_node(world, node);
	world_settle(world, 60000);
	world_start_node(world, node);
}

static void daemon_dies(struct world *world, unsigned node)
{
	if (!world_core(world, node))
		return;
	world_kill_daemon(world, node);
	world_start_daemon(world, node);
}

static void agent_dies(struct world *world, unsigned node)
{
	if (world_core(world, node))
		world_kill_agent(world, node);
}

static void network_splits(struct world *world, unsigned node)
{
	world_split(world, 1u << (node - 1));
	world_settle(world, 60000);
	world_split(world, 0);
	for (unsigned n = 1; n <= 3; n++)
		if (!world_core(world, n))
			world_start_node(world, n);
}

/* ------------------------------------------------------------------ */

static bool operations_over(struct world *world)
{
	const struct state *state = core_state(world_core(world, 1));

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_OPERATION); i++) {
		const Wire__Operation *op = state_at(state, WIRE__TABLE__TABLE_OPERATION, i);

		if (op->outcome == WIRE__OPERATION__OUTCOME__RUNNING)
			return false;
	}
	return true;
}

static bool well(struct world *world)
{
	const Wire__Vm *vm = world_vm(world, "a");

	return world_runs(world, "a") && vm->phase == WIRE__VM__PHASE__RUN && vm->n_maybe == 1 &&
	       vm->owner == world_runs(world, "a") && operations_over(world);
}

static void revive(struct world *world)
{
	for (unsigned n = 1; n <= 3; n++)
		if (!world_core(world, n))
			world_start_node(world, n);
}

/* One run: the fault strikes after `steps` steps. False once the scenario is over before. */
static bool run(scenario_fn *scenario, fault_fn *fault, unsigned node, unsigned steps,
		bool fences_allowed)
{
	struct world *world = world_new(3);
	bool more = true;

	world_add_vm(world, "a", 512);
	world_settle(world, 5000);
	world_story(world);
	scenario(world);
	for (unsigned i = 0; i < steps && more; i++)
		more = world_step(world);
	fault(world, node);
	world_settle(world, 150000);
	revive(world);
	world_settle(world, 60000);
	if (!well(world)) {
		const Wire__Vm *vm = world_vm(world, "a");

		fprintf(stderr, "node %u, step %u: phase %d owner %u maybe %zu runs %u %s\n%s\n",
			node, steps, vm->phase, vm->owner, vm->n_maybe, world_runs(world, "a"),
			vm->detail, world_story(world));
		CU_FAIL("the guest does not run as it should");
		more = false;
	}
	if (!fences_allowed && strstr(world_story(world), "power of")) {
		fprintf(stderr, "node %u, step %u: fenced\n", node, steps);
		CU_FAIL("fenced for a daemon");
	}
	world_free(world);
	return more;
}

static void every_step(scenario_fn *scenario)
{
	static const struct {
		fault_fn *fault;
		bool fences;
	} faults[] = { { node_dies, true }, { daemon_dies, false }, { agent_dies, false },
		       { network_splits, true } };

	for (size_t f = 0; f < ARRAY_SIZE(faults); f++)
		for (unsigned node = 1; node <= 3; node++)
			for (unsigned steps = 0; steps < STEPS_MAX; steps++)
				if (!run(scenario, faults[f].fault, node, steps,
					 faults[f].fences || scenario == pull_plug))
					break;
	CU_PASS("every step");
}

static void test_start(void)
{
	every_step(start);
}

static void test_live(void)
{
	every_step(live);
}

static void test_quick(void)
{
	every_step(quick);
}

static void test_crash(void)
{
	every_step(crash);
}

static void test_pull_plug(void)
{
	every_step(pull_plug);
}

UNIT_MAIN("core/faults", { "start", test_start }, { "live", test_live }, { "quick", test_quick },
	  { "crash", test_crash }, { "pull_plug", test_pull_plug })
