/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Worlds in which anything happens at any time, for what the scripted ones do not come to. Each
 * core has its eager twin beside it (tests/trace/twin.h), and the world ends the test when these
 * differ in anything.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "tests/sim/rng.h"
#include "tests/trace/world.h"
#include "tests/unit/unit.h"

enum { NODES = 5, VMS = 24, TURNS = 150 };

struct chaos {
	struct world *world;
	struct rng rng;
	unsigned vms;			/* added so far */
};

static bool often(struct chaos *chaos, uint32_t one_in)
{
	return rng_below(&chaos->rng, one_in) != 0;
}

/* One that is here; there is always one. */
static unsigned some_node(struct chaos *chaos)
{
	for (;;) {
		unsigned node = rng_below(&chaos->rng, NODES) + 1;

		if (world_core(chaos->world, node))
			return node;
	}
}

static const char *some_vm(struct chaos *chaos)
{
	static char name[16];

	snprintf(name, sizeof(name), "v%u", rng_below(&chaos->rng, chaos->vms));
	return name;
}

/* ------------------------------------------------------------------ administrators */

static void add_vm(struct chaos *chaos)
{
	char name[16];

	if (chaos->vms == VMS)
		return;
	snprintf(name, sizeof(name), "v%u", chaos->vms++);
	world_add_vm(chaos->world, name, 200 + 100 * rng_below(&chaos->rng, 8));
}

static void want(struct chaos *chaos)
{
	static const Wire__Vm__Wanted wanted[] = {
		WIRE__VM__WANTED__RUNNING, WIRE__VM__WANTED__RUNNING, WIRE__VM__WANTED__STOPPED,
		WIRE__VM__WANTED__PAUSED,
	};

	world_want(chaos->world, some_vm(chaos), wanted[rng_below(&chaos->rng, 4)]);
}

static void move(struct chaos *chaos)
{
	world_move(chaos->world, some_vm(chaos), rng_below(&chaos->rng, NODES + 1),
		   often(chaos, 3) ? WIRE__VM_MOVE__HOW__LIVE : WIRE__VM_MOVE__HOW__QUICK);
}

static void set_vm(struct chaos *chaos)
{
	static const char *const sets[][2] = {
		{ "managed", "no" }, { "managed", "yes" }, { "managed", "yes" },
		{ "priority", "high" }, { "priority", "low" }, { "ha", "no" }, { "ha", "yes" },
	};
	size_t i = rng_below(&chaos->rng, ARRAY_SIZE(sets));

	world_set(chaos->world, some_vm(chaos), sets[i][0], sets[i][1]);
}

static void set_setting(struct chaos *chaos)
{
	static const char *const sets[][2] = {
		{ "vm.starts_per_node", "1" },	  { "vm.starts_per_node", "3" },
		{ "restart.tries_total", "2" },	  { "restart.tries_total", "6" },
		{ "restart.settle_s", "10" },	  { "fence.budget", "0" },
		{ "fence.budget", "1" },	  { "fence.budget", "6" },
		{ "fence.budget_window_s", "20" }, { "daemon.grace_ms", "500" },
		{ "node.freeze_s", "10" },	  { "node.join_grace_s", "5" },
	};
	size_t i = rng_below(&chaos->rng, ARRAY_SIZE(sets));
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__SettingSet set = WIRE__SETTING_SET__INIT;

	set.name = (char *)sets[i][0];
	set.value = (char *)sets[i][1];
	command.body_case = WIRE__COMMAND__BODY_SETTING_SET;
	command.setting_set = &set;
	world_ask(chaos->world, some_node(chaos), &command);
}

static void set_node(struct chaos *chaos)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__NodeSet set = WIRE__NODE_SET__INIT;
	Wire__Param change = WIRE__PARAM__INIT, *changes = &change;
	char name[16];

	snprintf(name, sizeof(name), "n%u", rng_below(&chaos->rng, NODES) + 1);
	change.key = (char *)"placement";
	change.value = (char *)(often(chaos, 3) ? "yes" : "no");
	set.name = name;
	set.changes = &changes;
	set.n_changes = 1;
	command.body_case = WIRE__COMMAND__BODY_NODE_SET;
	command.node_set = &set;
	world_ask(chaos->world, some_node(chaos), &command);
}

static void test_fence(struct chaos *chaos)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceTest test = WIRE__FENCE_TEST__INIT;
	char name[16];

	snprintf(name, sizeof(name), "bmc-n%u", rng_below(&chaos->rng, NODES) + 1);
	test.name = name;
	command.body_case = WIRE__COMMAND__BODY_FENCE_TEST;
	command.fence_test = &test;
	world_ask(chaos->world, some_node(chaos), &command);
}

static void remove_vm(struct chaos *chaos)
{
	world_remove_vm(chaos->world, some_vm(chaos));
}

/* ------------------------------------------------------------------ faults */

static unsigned here(struct chaos *chaos)
{
	unsigned n = 0;

	for (unsigned node = 1; node <= NODES; node++)
		n += world_core(chaos->world, node) != NULL;
	return n;
}

static void kill_something(struct chaos *chaos)
{
	unsigned node = some_node(chaos);

	if (here(chaos) <= 2)
		return;
	switch (rng_below(&chaos->rng, 3)) {
	case 0:
		world_kill_node(chaos->world, node);
		break;
	case 1:
		world_kill_daemon(chaos->world, node);
		break;
	default:
		world_stop_daemon(chaos->world, node);
		break;
	}
}

static void bring_back(struct chaos *chaos)
{
	for (unsigned node = 1; node <= NODES; node++)
		if (!world_core(chaos->world, node) && often(chaos, 4)) {
			if (world_has_power(chaos->world, node))
				world_start_daemon(chaos->world, node);
			else
				world_start_node(chaos->world, node);
		}
}

static void kill_agent(struct chaos *chaos)
{
	world_kill_agent(chaos->world, some_node(chaos));
}

static void split(struct chaos *chaos)
{
	world_split(chaos->world, often(chaos, 3) ? 0 : rng_below(&chaos->rng, 1 << NODES));
}

static void break_hosts(struct chaos *chaos)
{
	unsigned node = rng_below(&chaos->rng, NODES) + 1;
	const char *why = often(chaos, 3) ? NULL : "broken";

	switch (rng_below(&chaos->rng, 6)) {
	case 0:
		world_fail_starts(chaos->world, node, why);
		break;
	case 1:
		world_fail_moves(chaos->world, why);
		break;
	case 2:
		world_fail_saves(chaos->world, why);
		break;
	case 3:
		world_fail_restores(chaos->world, node, why);
		break;
	case 4:
		world_fail_drops(chaos->world, node, why);
		break;
	default:
		world_fence_fails(chaos->world, why);
		break;
	}
}

static void end_guest(struct chaos *chaos)
{
	const char *vm = some_vm(chaos);

	if (world_runs(chaos->world, vm))
		world_guest_dies(chaos->world, vm, WIRE__VM_REPORT__CAUSE__CRASHED);
}

/* ------------------------------------------------------------------ */

static void happen(struct chaos *chaos)
{
	static void (*const acts[])(struct chaos *chaos) = {
		add_vm,	   add_vm,	  add_vm,     want,	  want,	      want,
		move,	   move,	  move,	      set_vm,	  set_vm,     set_setting,
		set_node,  test_fence,	  remove_vm,  kill_something, bring_back, bring_back,
		kill_agent, split,	  split,      break_hosts, break_hosts, end_guest,
	};

	acts[rng_below(&chaos->rng, ARRAY_SIZE(acts))](chaos);
	/* Sometimes the next thing happens in the middle of this one. */
	if (often(chaos, 3))
		world_settle(chaos->world, rng_below(&chaos->rng, 15000));
	else
		for (uint32_t left = rng_below(&chaos->rng, 20); left > 0; left--)
			world_step(chaos->world);
	world_story(chaos->world);
}

static void run(uint64_t seed)
{
	struct chaos chaos = { .world = world_new(NODES), .rng = { seed } };

	fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
	for (unsigned n = 0; n < VMS / 2; n++)
		add_vm(&chaos);
	for (unsigned turn = 0; turn < TURNS; turn++)
		happen(&chaos);
	world_split(chaos.world, 0);
	bring_back(&chaos);
	world_settle(chaos.world, 60000);
	world_free(chaos.world);
}

static void test_anything_happens(void)
{
	const char *seed = getenv("AGENDA_SEED");

	if (seed)
		run(strtoull(seed, NULL, 0));
	for (uint64_t n = 1; !seed && n <= 20; n++)
		run(n);
}

UNIT_MAIN("core/agenda", { "anything happens", test_anything_happens })
