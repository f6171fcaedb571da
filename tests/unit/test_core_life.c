/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stories of a whole cluster, told by what happens to guests and power. */
#include <stdio.h>
#include <string.h>

#include "tests/trace/world.h"
#include "tests/unit/story.h"
#include "tests/unit/unit.h"

static void test_start_stop(void)
{
	struct world *world = world_new(3);

	CU_ASSERT_STRING_EQUAL(world_add_vm(world, "web1", 512), "");
	world_settle(world, 2000);
	STORY(world, "n1: web1 starts\n");
	CU_ASSERT_EQUAL(world_runs(world, "web1"), 1);
	world_want(world, "web1", WIRE__VM__WANTED__PAUSED);
	world_settle(world, 2000);
	STORY(world, "n1: web1 paused\n");
	world_want(world, "web1", WIRE__VM__WANTED__RUNNING);
	world_settle(world, 2000);
	STORY(world, "n1: web1 runs\n");
	world_want(world, "web1", WIRE__VM__WANTED__STOPPED);
	world_settle(world, 2000);
	STORY(world, "n1: web1 shut down\n");
	CU_ASSERT_EQUAL(world_vm(world, "web1")->phase, WIRE__VM__PHASE__OFF);
	CU_ASSERT_EQUAL(world_vm(world, "web1")->n_maybe, 0);
	world_settle(world, 200000);
	STORY(world, "");
	world_free(world);
}

static void test_live(void)
{
	struct world *world = world_new(3);

	world_add_vm(world, "web1", 512);
	world_settle(world, 2000);
	world_story(world);
	CU_ASSERT_STRING_EQUAL(world_move(world, "web1", 2, WIRE__VM_MOVE__HOW__LIVE), "");
	world_settle(world, 2000);
	STORY(world, "n1: web1 copies to n2\nn1: web1 handed over\nn2: web1 runs\n");
	CU_ASSERT_EQUAL(world_vm(world, "web1")->owner, 2);
	CU_ASSERT_EQUAL(world_vm(world, "web1")->n_maybe, 1);
	world_fail_moves(world, "no route");
	world_move(world, "web1", 3, WIRE__VM_MOVE__HOW__LIVE);
	world_settle(world, 5000);
	STORY(world, "");
	CU_ASSERT_EQUAL(world_runs(world, "web1"), 2);
	CU_ASSERT_EQUAL(world_vm(world, "web1")->phase, WIRE__VM__PHASE__RUN);
	/* What passes within a second is not worth a failure. */
	world_move(world, "web1", 3, WIRE__VM_MOVE__HOW__LIVE);
	world_settle(world, 200);
	world_fail_moves(world, NULL);
	world_settle(world, 5000);
	STORY(world, "n2: web1 copies to n3\nn2: web1 handed over\nn3: web1 runs\n");
	world_free(world);
}

/* Whoever waits for a start that cannot be is told why, and the VM stays wanted. */
static void test_no_room(void)
{
	struct world *world = world_new(3);
	const Wire__Operation *op;

	world_add_vm(world, "big", 90000);
	world_settle(world, 5000);
	STORY(world, "");
	op = state_at(core_state(world_core(world, 1)), WIRE__TABLE__TABLE_OPERATION, 0);
	CU_ASSERT_EQUAL(op->outcome, WIRE__OPERATION__OUTCOME__FAILED);
	CU_ASSERT_PTR_NOT_NULL(strstr(op->text, "no node can take big"));
	CU_ASSERT_EQUAL(world_vm(world, "big")->wanted, WIRE__VM__WANTED__RUNNING);
	world_free(world);
}

static void test_paused_move(void)
{
	struct world *world = world_new(3);

	world_add_vm(world, "a", 512);
	world_settle(world, 5000);
	world_want(world, "a", WIRE__VM__WANTED__PAUSED);
	world_settle(world, 2000);
	world_story(world);
	world_move(world, "a", 2, WIRE__VM_MOVE__HOW__LIVE);
	world_settle(world, 5000);
	STORY(world, "n1: a copies to n2\nn1: a handed over\n");
	CU_ASSERT_EQUAL(world_vm(world, "a")->phase, WIRE__VM__PHASE__RUN);
	CU_ASSERT_EQUAL(world_vm(world, "a")->seen, WIRE__VM__SEEN__SUSPENDED);
	CU_ASSERT_EQUAL(world_vm(world, "a")->op, 0);
	world_want(world, "a", WIRE__VM__WANTED__RUNNING);
	world_settle(world, 5000);
	STORY(world, "n2: a runs\n");
	world_free(world);
}

static void test_quick(void)
{
	struct world *world = world_new(3);

	world_add_vm(world, "db", 512);
	world_settle(world, 2000);
	world_story(world);
	world_move(world, "db", 3, WIRE__VM_MOVE__HOW__QUICK);
	world_settle(world, 2000);
	STORY(world, "n1: db saved\nn3: db restored\nn3: db runs\n");
	CU_ASSERT_STRING_EQUAL(world_vm(world, "db")->image, "");
	world_fail_saves(world, "disk full");
	world_move(world, "db", 1, WIRE__VM_MOVE__HOW__QUICK);
	world_settle(world, 2000);
	STORY(world, "");
	CU_ASSERT_EQUAL(world_runs(world, "db"), 3);
	world_fail_saves(world, NULL);
	world_fail_restores(world, 1, "broken");
	world_move(world, "db", 1, WIRE__VM_MOVE__HOW__QUICK);
	world_settle(world, 5000);
	STORY(world, "n3: db saved\nn3: db restored\nn3: db runs\n");
	world_free(world);
}

static void test_node_dies(void)
{
	struct world *world = world_new(3);

	world_add_vm(world, "a", 512);
	world_add_vm(world, "b", 512);
	world_add_vm(world, "c", 512);
	world_settle(world, 2000);
	STORY(world, "n1: a starts\nn2: b starts\nn3: c starts\n");
	world_kill_node(world, 1);
	world_settle(world, 5000);
	STORY(world, "power of n1 off, by n2\nn2: a starts\n");
	world_start_node(world, 1);
	world_settle(world, 60000);
	STORY(world, "");
	world_kill_node(world, 2);
	world_fence_fails(world, "no route to host");
	world_settle(world, 60000);
	STORY(world, "");
	world_fence_fails(world, NULL);
	world_settle(world, 60000);
	CU_ASSERT_PTR_NOT_NULL(strstr(world_story(world), "power of n2 off, by"));
	CU_ASSERT_NOT_EQUAL(world_runs(world, "a"), 0);
	CU_ASSERT_NOT_EQUAL(world_runs(world, "b"), 0);
	world_free(world);
}

static const Wire__NodeFacts *facts_of(struct world *world, unsigned node)
{
	return state_node(core_state(world_core(world, 1)), node)->facts;
}

/* Whoever sees that a node that has booted takes guests may send one there at once. */
static void test_booted_node(void)
{
	struct world *world = world_new(3);
	bool ok = false;

	world_add_vm(world, "a", 512);
	world_settle(world, 2000);
	world_kill_node(world, 2);
	world_settle(world, 10000);
	world_start_node(world, 2);
	for (unsigned turns = 0; turns < 1000 && !ok; turns++) {
		if (!world_step(world))
			world_settle(world, 10);
		ok = state_node(core_state(world_core(world, 1)), 2)->state ==
			     WIRE__NODE__STATE__UP &&
		     facts_of(world, 2)->agent_ok;
	}
	CU_ASSERT(ok);
	CU_ASSERT_EQUAL(facts_of(world, 2)->n_volumes, 1);
	CU_ASSERT_STRING_EQUAL(world_move(world, "a", 2, WIRE__VM_MOVE__HOW__LIVE), "");
	world_settle(world, 5000);
	CU_ASSERT_EQUAL(world_runs(world, "a"), 2);
	world_free(world);
}

static void test_split(void)
{
	struct world *world = world_new(3);

	world_add_vm(world, "a", 512);
	world_settle(world, 2000);
	world_story(world);
	world_split(world, 1);
	world_settle(world, 20000);
	STORY(world, "power of n1 off, by n2\nn2: a starts\n");
	world_free(world);
}

/* Power is back everywhere, one node boots slowly: it is waited for, not cut off again. */
static void test_cold_start(void)
{
	struct world *world = world_new(3);

	world_add_vm(world, "a", 512);
	world_add_vm(world, "b", 512);
	world_add_vm(world, "c", 512);
	world_settle(world, 2000);
	world_story(world);
	for (unsigned n = 3; n >= 1; n--)
		world_kill_node(world, n);
	world_start_node(world, 1);
	world_start_node(world, 2);
	world_settle(world, 30000);
	STORY(world, "n1: a starts\nn2: b starts\n");
	world_start_node(world, 3);
	world_settle(world, 5000);
	STORY(world, "n3: c starts\n");
	for (unsigned n = 3; n >= 1; n--)
		world_kill_node(world, n);
	world_start_node(world, 1);
	world_start_node(world, 2);
	world_settle(world, 200000);
	CU_ASSERT_PTR_NOT_NULL(strstr(world_story(world), "power of n3 off"));
	CU_ASSERT_NOT_EQUAL(world_runs(world, "c"), 0);
	world_free(world);
}

/* All alone for a while; two meet first: the third is waited for, and nobody is fenced. */
static void test_partition_heals(void)
{
	struct world *world = world_new(3);

	world_add_vm(world, "a", 512);
	world_settle(world, 5000);
	world_story(world);
	world_scatter(world);
	world_settle(world, 22000);
	world_split(world, 1);
	world_settle(world, 8000);
	STORY(world, "");
	world_split(world, 0);
	world_settle(world, 60000);
	STORY(world, "");
	CU_ASSERT_EQUAL(world_runs(world, "a"), 1);
	world_free(world);
}

static void test_daemon_dies(void)
{
	struct world *world = world_new(3);

	world_add_vm(world, "a", 512);
	world_settle(world, 2000);
	world_story(world);
	world_kill_daemon(world, 1);
	world_settle(world, 60000);
	STORY(world, "");
	world_start_daemon(world, 1);
	world_settle(world, 5000);
	STORY(world, "");
	CU_ASSERT_EQUAL(world_runs(world, "a"), 1);
	world_stop_daemon(world, 1);
	world_settle(world, 60000);
	STORY(world, "n1: daemon ends: left cleanly\n");
	world_start_daemon(world, 1);
	world_settle(world, 5000);
	STORY(world, "");
	world_kill_agent(world, 1);
	world_settle(world, 5000);
	STORY(world, "");
	CU_ASSERT_EQUAL(world_runs(world, "a"), 1);
	world_free(world);
}

static void test_guest_ends(void)
{
	struct world *world = world_new(3);

	world_add_vm(world, "a", 512);
	world_settle(world, 2000);
	world_story(world);
	world_guest_dies(world, "a", WIRE__VM_REPORT__CAUSE__CRASHED);
	world_settle(world, 2000);
	STORY(world, "n1: a ends\nn1: a starts\n");
	world_guest_dies(world, "a", WIRE__VM_REPORT__CAUSE__GUEST_SHUTDOWN);
	world_settle(world, 60000);
	STORY(world, "n1: a ends\n");
	CU_ASSERT_EQUAL(world_vm(world, "a")->wanted, WIRE__VM__WANTED__STOPPED);
	world_fail_starts(world, 1, "no such file");
	world_want(world, "a", WIRE__VM__WANTED__RUNNING);
	world_settle(world, 5000);
	STORY(world, "n2: a starts\n");
	world_want(world, "a", WIRE__VM__WANTED__STOPPED);
	world_settle(world, 5000);
	world_fail_starts(world, 2, "no such file");
	world_fail_starts(world, 3, "no such file");
	world_want(world, "a", WIRE__VM__WANTED__RUNNING);
	world_settle(world, 1000000);
	CU_ASSERT_EQUAL(world_vm(world, "a")->phase, WIRE__VM__PHASE__FAILED);
	world_free(world);
}

/* Only what the leader sees missing counts, not what has been committed about it so far. */
static void test_half_missing(void)
{
	struct world *world = world_new(7);
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmSet set = WIRE__VM_SET__INIT;
	Wire__Param owners = WIRE__PARAM__INIT, *changes = &owners;

	world_add_vm(world, "a", 512);
	world_settle(world, 2000);
	owners.key = (char *)"owners";
	owners.value = (char *)"n7";
	set.name = (char *)"a";
	set.changes = &changes;
	set.n_changes = 1;
	command.body_case = WIRE__COMMAND__BODY_VM_SET;
	command.vm_set = &set;
	world_ask(world, 2, &command);
	for (unsigned n = 7; n >= 1; n--)
		world_kill_node(world, n);
	for (unsigned n = 1; n <= 3; n++)
		world_start_node(world, n);
	world_start_node(world, 7);
	world_settle(world, 20000);
	CU_ASSERT_EQUAL(world_runs(world, "a"), 7);
	world_story(world);
	/* Nodes 4 to 6 still boot, so they are not called lost yet; with 7 that is half: asked. */
	world_split(world, 1 << 6);
	world_settle(world, 20000);
	STORY(world, "");
	for (unsigned n = 4; n <= 6; n++)
		world_start_node(world, n);
	world_settle(world, 20000);
	STORY(world, "power of n7 off, by n3\n");
	world_free(world);
}

/* A start takes back a stop that its node could not begin: the guest runs on. */
static void test_stop_taken_back(void)
{
	struct world *world = world_new(3);

	world_add_vm(world, "a", 512);
	world_settle(world, 5000);
	world_move(world, "a", 3, WIRE__VM_MOVE__HOW__LIVE);
	world_settle(world, 5000);
	CU_ASSERT(world_has(world, "a", 3));
	world_stop_daemon(world, 3);
	world_settle(world, 1000);
	world_want(world, "a", WIRE__VM__WANTED__STOPPED);
	world_settle(world, 1000);
	world_want(world, "a", WIRE__VM__WANTED__RUNNING);
	world_settle(world, 1000);
	world_story(world);
	world_start_daemon(world, 3);
	world_settle(world, 20000);
	STORY(world, "");
	CU_ASSERT(world_has(world, "a", 3));
	/* One that is not taken back is carried out. */
	world_stop_daemon(world, 3);
	world_want(world, "a", WIRE__VM__WANTED__STOPPED);
	world_story(world);
	world_start_daemon(world, 3);
	world_settle(world, 20000);
	STORY(world, "n3: a shut down\n");
	world_free(world);
}

/* Whichever node it is that can start it, its turn comes. */
static void test_each_node_in_turn(void)
{
	for (unsigned good = 1; good <= 3; good++) {
		struct world *world = world_new(3);

		for (unsigned n = 1; n <= 3; n++)
			world_fail_starts(world, n, "no such file");
		world_add_vm(world, "a", 512);
		while (world_vm(world, "a")->tries < 3)
			world_tick(world);
		world_fail_starts(world, good, NULL);
		world_settle(world, 400 * 1000);
		CU_ASSERT_EQUAL(world_runs(world, "a"), good);
		world_free(world);
	}
}

/* The disk of n3 is full: its clusterd ends at the first write and begins again, on and on. */
static void flap(struct world *world, unsigned seconds)
{
	for (unsigned i = 0; i < seconds; i++) {
		world_kill_daemon(world, 3);
		world_settle(world, 300);
		world_start_daemon(world, 3);
		world_settle(world, 700);
	}
}

/* What is waited for comes to pass all the same: a pause after failures, the time of who left. */
static void test_flapping_node(void)
{
	struct world *world = world_new(3);

	for (unsigned n = 1; n <= 3; n++)
		world_fail_starts(world, n, "no such file");
	world_add_vm(world, "a", 512);
	world_settle(world, 3000);
	for (unsigned n = 1; n <= 3; n++)
		world_fail_starts(world, n, NULL);
	flap(world, 30);
	CU_ASSERT_NOT_EQUAL(world_runs(world, "a"), 0);
	world_free(world);

	world = world_new(4);
	world_add_vm(world, "b", 512);
	world_settle(world, 5000);
	world_move(world, "b", 4, WIRE__VM_MOVE__HOW__LIVE);
	world_settle(world, 5000);
	CU_ASSERT_EQUAL(world_runs(world, "b"), 4);
	world_stop_daemon(world, 4);
	world_settle(world, 1000);
	world_kill_node(world, 4);
	flap(world, 1200);
	CU_ASSERT_NOT_EQUAL(world_runs(world, "b"), 0);
	world_free(world);
}

UNIT_MAIN("core/life", { "start_stop", test_start_stop }, { "live", test_live },
	  { "no_room", test_no_room }, { "paused_move", test_paused_move }, { "quick", test_quick },
	  { "node_dies", test_node_dies }, { "booted_node", test_booted_node },
	  { "split", test_split },
	  { "cold_start", test_cold_start }, { "partition_heals", test_partition_heals },
	  { "daemon_dies", test_daemon_dies }, { "guest_ends", test_guest_ends },
	  { "half_missing", test_half_missing },
	  { "flapping_node", test_flapping_node },
	  { "stop_taken_back", test_stop_taken_back },
	  { "each_node_in_turn", test_each_node_in_turn })
