/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nodes are added, removed and given other parts while machines, daemons, disks and the network
 * fail, in any order. After every event the world holds that no VM runs twice and that states are
 * equal; in the end, when all is mended, all nodes are together again and voters have their disks.
 *
 *	test_core_storm            some seeds
 *	STORM=SEED test_core_storm one of them, and what was done
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "clusterd/core/record.h"
#include "tests/sim/rng.h"
#include "tests/trace/world_private.h"
#include "tests/unit/unit.h"

enum { NODES = 5, VMS = 4, ACTS = 120, STEPS = 60, SEEDS = 12, MEND_MS = 60000, LONG_MS = 700000 };

struct storm {
	struct world *world;
	struct rng rng;
	bool tells;
};

static unsigned below(struct storm *storm, unsigned n)
{
	return rng_below(&storm->rng, n);
}

static unsigned any_node(struct storm *storm)
{
	return 1 + below(storm, NODES);
}

static const char *name_of(const char *start, unsigned n)
{
	static char names[4][16];
	static unsigned turn;

	turn = (turn + 1) % 4;
	snprintf(names[turn], sizeof(names[turn]), "%s%u", start, n);
	return names[turn];
}

static void say(const struct storm *storm, const char *what, unsigned node, const char *more)
{
	if (storm->tells)
		printf("%8llu n%u %s%s\n", (unsigned long long)storm->world->now_ms, node, what,
		       more);
}

/* A world without a daemon that waits for something would never come to an end of time. */
static bool waits(const struct world *world)
{
	return world_next_deadline(world) != UINT64_MAX;
}

static bool is_open(struct storm *storm, unsigned node)
{
	struct core_standing standing;

	if (!world_core(storm->world, node))
		return false;
	core_standing(world_core(storm->world, node), &standing);
	return standing.open;
}

/* ---------------------------------------------------------------- what fails and comes back */

static void kill_daemon(struct storm *storm, unsigned node)
{
	if (!world_core(storm->world, node))
		return;
	say(storm, "daemon killed", node, "");
	world_kill_daemon(storm->world, node);
}

static void start_daemon(struct storm *storm, unsigned node)
{
	if (!world_has_power(storm->world, node) || storm->world->machines[node].daemon ||
	    world_core(storm->world, node))
		return;
	say(storm, "daemon started", node, "");
	world_start_daemon(storm->world, node);
}

static void cut_power(struct storm *storm, unsigned node)
{
	if (!world_has_power(storm->world, node))
		return;
	say(storm, "power cut", node, "");
	world_kill_node(storm->world, node);
}

static void switch_on(struct storm *storm, unsigned node)
{
	if (world_has_power(storm->world, node))
		return;
	say(storm, "switched on", node, "");
	world_start_node(storm->world, node);
}

static void split(struct storm *storm, unsigned node)
{
	say(storm, "network cut", node, "");
	world_split(storm->world, below(storm, 1u << NODES));
}

static void fences_fail(struct storm *storm, unsigned node)
{
	world_fence_fails(storm->world, below(storm, 2) ? "no answer" : NULL);
}

static void mend(struct storm *storm, unsigned node)
{
	say(storm, "all mended", node, "");
	world_split(storm->world, 0);
	world_fence_fails(storm->world, NULL);
	for (unsigned n = 1; n <= NODES; n++) {
		switch_on(storm, n);
		start_daemon(storm, n);
	}
}

/* All others are in the open epoch, and the voters among them have their disks. */
static bool may_lose_disk(struct storm *storm, unsigned node)
{
	for (unsigned n = 1; n <= NODES; n++) {
		struct voters voters = { 0 };

		if (n == node)
			continue;
		if (!is_open(storm, n))
			return false;
		state_voters(core_state(world_core(storm->world, n)), &voters);
		for (size_t i = 0; i < voters.n; i++)
			if (voters.nodes[i] != node &&
			    voters.disks[i] != storm->world->machines[voters.nodes[i]].disk.id)
				return false;
		if (!voters_known(&voters) || (voters.n < 3 && voters_nodes(&voters) &
							       UINT64_C(1) << (node - 1)))
			return false;
	}
	return true;
}

static void lose_disk(struct storm *storm, unsigned node)
{
	if (world_core(storm->world, node) || storm->world->machines[node].daemon ||
	    !may_lose_disk(storm, node))
		return;
	say(storm, "has a new disk", node, "");
	world_new_disk(storm->world, node);
}

/* ---------------------------------------------------------------- what administrators do */

static void ask(struct storm *storm, Wire__Command *command)
{
	unsigned node = any_node(storm);

	if (world_core(storm->world, node) && waits(storm->world))
		say(storm, "verdict: ", node, world_ask(storm->world, node, command));
}

static void set_node(struct storm *storm, unsigned node, const char *key, const char *value)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__NodeSet set = WIRE__NODE_SET__INIT;
	Wire__Param change = WIRE__PARAM__INIT, *changes[] = { &change };

	change.key = (char *)key;
	change.value = (char *)value;
	set.name = (char *)name_of("n", node);
	set.changes = changes;
	set.n_changes = 1;
	command.body_case = WIRE__COMMAND__BODY_NODE_SET;
	command.node_set = &set;
	say(storm, key, node, value);
	ask(storm, &command);
}

static void give_part(struct storm *storm, unsigned node)
{
	switch (below(storm, 4)) {
	case 0:
		set_node(storm, node, "vote", below(storm, 3) ? "yes" : "no");
		break;
	case 1:
		set_node(storm, node, "witness", below(storm, 3) ? "no" : "yes");
		break;
	case 2:
		set_node(storm, node, "domain", name_of("rack", below(storm, 3)));
		break;
	default:
		set_node(storm, node, "placement", below(storm, 2) ? "no" : "yes");
		break;
	}
}

static void remove_node(struct storm *storm, unsigned node)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceRemove fence = WIRE__FENCE_REMOVE__INIT;
	Wire__NodeRemove remove = WIRE__NODE_REMOVE__INIT;

	set_node(storm, node, "placement", "no");
	fence.name = (char *)name_of("bmc-n", node);
	command.body_case = WIRE__COMMAND__BODY_FENCE_REMOVE;
	command.fence_remove = &fence;
	ask(storm, &command);
	remove.name = (char *)name_of("n", node);
	command.body_case = WIRE__COMMAND__BODY_NODE_REMOVE;
	command.fence_remove = NULL;
	command.node_remove = &remove;
	say(storm, "is to be removed", node, "");
	ask(storm, &command);
}

static void add_node(struct storm *storm, unsigned node)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__NodeAdd add = WIRE__NODE_ADD__INIT;
	Wire__FenceAdd fences = WIRE__FENCE_ADD__INIT;
	Wire__Fence fence = WIRE__FENCE__INIT;
	Wire__FenceTarget target = WIRE__FENCE_TARGET__INIT, *targets[] = { &target };

	add.name = add.address = (char *)name_of("n", node);
	add.id = node;
	add.witness = below(storm, 6) == 0;
	add.no_vote = below(storm, 6) == 0;
	command.body_case = WIRE__COMMAND__BODY_NODE_ADD;
	command.node_add = &add;
	say(storm, "is to be added", node, "");
	ask(storm, &command);
	fence.name = (char *)name_of("bmc-n", node);
	fence.agent = (char *)"fence_test";
	fence.targets = targets;
	fence.n_targets = 1;
	target.node = node;
	fences.fence = &fence;
	command.body_case = WIRE__COMMAND__BODY_FENCE_ADD;
	command.node_add = NULL;
	command.fence_add = &fences;
	ask(storm, &command);
}

static void set_voters(struct storm *storm, unsigned node)
{
	static const char *const words[] = { "auto", "3", "5" };
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__SettingSet set = WIRE__SETTING_SET__INIT;

	set.name = (char *)"cluster.voters";
	set.value = (char *)words[below(storm, ARRAY_SIZE(words))];
	command.body_case = WIRE__COMMAND__BODY_SETTING_SET;
	command.setting_set = &set;
	ask(storm, &command);
}

static void want_vm(struct storm *storm, unsigned node)
{
	const char *vm = name_of("vm", below(storm, VMS));

	if (!waits(storm->world))
		return;
	if (below(storm, 2))
		world_move(storm->world, vm, node,
			   below(storm, 2) ? WIRE__VM_MOVE__HOW__LIVE : WIRE__VM_MOVE__HOW__QUICK);
	else
		world_want(storm->world, vm,
			   below(storm, 2) ? WIRE__VM__WANTED__RUNNING : WIRE__VM__WANTED__STOPPED);
}

/* ---------------------------------------------------------------- a storm, and its end */

static void pass(struct storm *storm)
{
	unsigned steps = below(storm, STEPS);

	if (below(storm, 3) == 0) {
		world_settle(storm->world, below(storm, 3000));
		return;
	}
	for (unsigned i = 0; i < steps; i++)
		if (!world_step(storm->world) && waits(storm->world))
			world_tick(storm->world);
}

static void blow(struct storm *storm)
{
	static void (*const acts[])(struct storm *storm, unsigned node) = {
		kill_daemon, start_daemon, start_daemon, cut_power, switch_on, switch_on, split,
		mend, mend, mend, fences_fail, lose_disk, give_part, give_part, remove_node,
		add_node, set_voters, want_vm,
	};

	for (unsigned i = 0; i < ACTS; i++) {
		acts[below(storm, ARRAY_SIZE(acts))](storm, any_node(storm));
		pass(storm);
	}
}

static void expect_well(struct storm *storm, uint64_t seed)
{
	unsigned wrong = 0;

	for (unsigned node = 1; node <= NODES; node++) {
		struct core_standing standing = { .why_not = "no daemon" };
		struct voters voters = { 0 };

		if (world_core(storm->world, node)) {
			core_standing(world_core(storm->world, node), &standing);
			state_voters(core_state(world_core(storm->world, node)), &voters);
		}
		wrong += !standing.open || standing.disputed || voters.n == 0;
		for (size_t i = 0; i < voters.n; i++)
			wrong += voters.disks[i] !=
					 storm->world->machines[voters.nodes[i]].disk.id ||
				 !state_node(core_state(world_core(storm->world, node)),
					     voters.nodes[i]);
		if (wrong)
			printf("seed %llu: n%u: %s\n", (unsigned long long)seed, node,
			       standing.why_not ? standing.why_not : "wrong voters");
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

static void storm_of(uint64_t seed, bool tells)
{
	struct storm storm = { world_new(NODES), { seed }, tells };

	for (unsigned vm = 0; vm < VMS; vm++)
		world_add_vm(storm.world, name_of("vm", vm), 64);
	world_settle(storm.world, 3000);
	blow(&storm);
	/* Whoever is fenced in between is switched on again. */
	for (unsigned i = 0; i < 3; i++) {
		mend(&storm, 0);
		world_settle(storm.world, i < 2 ? MEND_MS : LONG_MS);
	}
	expect_well(&storm, seed);
	world_free(storm.world);
}

static void test_storm(void)
{
	const char *one = getenv("STORM");
	uint64_t seed;

	if (one && text_parse_uint(one, 0, UINT64_MAX, &seed) == 0) {
		storm_of(seed, true);
		return;
	}
	for (seed = 1; seed <= SEEDS; seed++)
		storm_of(seed, false);
}

UNIT_MAIN("core/storm", { "storm", test_storm })
