/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stories of a whole cluster about the files of saved memory: none is left, none goes too early. */
#include <stdio.h>
#include <string.h>

#include "tests/trace/world.h"
#include "tests/unit/story.h"
#include "tests/unit/unit.h"

#define QUICK WIRE__VM_MOVE__HOW__QUICK
#define STOPPED WIRE__VM__WANTED__STOPPED
#define RUNNING WIRE__VM__WANTED__RUNNING

static size_t on_record(struct world *world, unsigned node)
{
	const Wire__Volume *volume =
		state_volume_named(core_state(world_core(world, node)), "shared");

	return volume->n_leftovers;
}

/* Nothing on the volume, and nothing that would have to be removed there. */
#define CLEAN(world)                                                                               \
	do {                                                                                       \
		CU_ASSERT_EQUAL(world_images(world), 0);                                           \
		CU_ASSERT_EQUAL(on_record(world, 3), 0);                                           \
	} while (0)

/* A guest db that runs on n1. */
static struct world *begin(void)
{
	struct world *world = world_new(3);

	world_add_vm(world, "db", 512);
	world_settle(world, 2000);
	STORY(world, "n1: db starts\n");
	return world;
}

static void fail_restores(struct world *world, const char *why)
{
	for (unsigned n = 1; n <= 3; n++)
		world_fail_restores(world, n, why);
}

static void fail_drops(struct world *world, const char *why)
{
	for (unsigned n = 1; n <= 3; n++)
		world_fail_drops(world, n, why);
}

/* It was saved, and nobody could restore it. */
static struct world *begin_given_up(void)
{
	struct world *world = begin();

	fail_restores(world, "broken");
	world_move(world, "db", 2, QUICK);
	world_settle(world, 120000);
	CU_ASSERT_EQUAL(world_vm(world, "db")->phase, WIRE__VM__PHASE__FAILED);
	/* As long as its record names it, it is the guest. */
	CU_ASSERT_EQUAL(world_images(world), 1);
	CU_ASSERT_EQUAL(on_record(world, 1), 0);
	return world;
}

static const char *want(struct world *world, Wire__Vm__Wanted wanted, bool force, bool cold)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmWant body = WIRE__VM_WANT__INIT;

	body.name = (char *)"db";
	body.wanted = wanted;
	body.force = force;
	body.cold = cold;
	command.body_case = WIRE__COMMAND__BODY_VM_WANT;
	command.vm_want = &body;
	return world_ask(world, 1, &command);
}

static void test_moved(void)
{
	struct world *world = begin();

	for (unsigned to = 3; to >= 1; to--) {
		world_move(world, "db", to, QUICK);
		world_settle(world, 2000);
		CLEAN(world);
	}
	CU_ASSERT_EQUAL(world_runs(world, "db"), 1);
	world_free(world);
}

/* It is stopped and removed before its image could be dropped. */
static void test_stopped(void)
{
	struct world *world = begin();

	world_move(world, "db", 3, QUICK);
	CU_ASSERT(world_until(world, "db runs"));
	CU_ASSERT_EQUAL(world_images(world), 1);
	fail_drops(world, "stale file handle");
	world_settle(world, 3000);
	CU_ASSERT_EQUAL(world_images(world), 1);
	world_want(world, "db", STOPPED);
	world_settle(world, 5000);
	CU_ASSERT_EQUAL(world_vm(world, "db")->phase, WIRE__VM__PHASE__OFF);
	CU_ASSERT_STRING_EQUAL(world_remove_vm(world, "db"), "");
	fail_drops(world, NULL);
	world_settle(world, 60000);
	CLEAN(world);
	world_free(world);
}

/* The same uuid, the same steps: but what is left of the first one has a name of its own. */
static void test_added_again(void)
{
	struct world *world = begin();
	const Wire__Volume *volume;

	fail_drops(world, "stale file handle");
	world_move(world, "db", 3, QUICK);
	world_settle(world, 2000);
	world_want(world, "db", STOPPED);
	world_settle(world, 2000);
	CU_ASSERT_STRING_EQUAL(world_remove_vm(world, "db"), "");
	world_add_vm(world, "db", 512);
	world_settle(world, 2000);
	world_move(world, "db", 3, QUICK);
	world_settle(world, 2000);
	CU_ASSERT(world_has(world, "db", 3));
	volume = state_volume_named(core_state(world_core(world, 1)), "shared");
	CU_ASSERT_EQUAL_FATAL(volume->n_leftovers, 2);
	CU_ASSERT_STRING_NOT_EQUAL(volume->leftovers[0]->name, volume->leftovers[1]->name);
	fail_drops(world, NULL);
	world_settle(world, 200000);
	CLEAN(world);
	world_free(world);
}

static void test_given_up(void)
{
	struct world *world = begin_given_up();

	CU_ASSERT_STRING_EQUAL(world_remove_vm(world, "db"), "");
	world_settle(world, 5000);
	CLEAN(world);
	world_free(world);
	world = begin_given_up();
	fail_restores(world, NULL);
	want(world, RUNNING, false, true);
	world_settle(world, 5000);
	CU_ASSERT_EQUAL(world_vm(world, "db")->phase, WIRE__VM__PHASE__RUN);
	CLEAN(world);
	world_free(world);
	/* The same request without "cold" restores it. */
	world = begin_given_up();
	world_story(world);
	fail_restores(world, NULL);
	want(world, RUNNING, false, false);
	world_settle(world, 5000);
	CU_ASSERT_PTR_NOT_NULL(strstr(world_story(world), "db restored"));
	CLEAN(world);
	world_free(world);
}

/* The source dies while it saves; what it had written by then is of no use. */
static void test_source_dies(void)
{
	struct world *world = begin();

	world_save_slowly(world, true);
	world_move(world, "db", 2, QUICK);
	while (world_images(world) == 0 && world_step(world))
		;
	CU_ASSERT_EQUAL(world_images(world), 1);
	world_kill_node(world, 1);
	world_settle(world, 20000);
	CU_ASSERT_NOT_EQUAL(world_runs(world, "db"), 0);
	CLEAN(world);
	world_free(world);
}

/* A save that takes too long is called off before the move has failed. */
static void test_late_save(void)
{
	struct world *world = begin();

	world_save_slowly(world, true);
	world_move(world, "db", 2, QUICK);
	world_settle(world, 10000);
	STORY(world, "");
	CU_ASSERT(world_has(world, "db", 1));
	CU_ASSERT_FALSE(world_is_saving(world, "db"));
	CLEAN(world);
	/* Nor has one that nobody hears of any more, though libvirt goes on with it. */
	world_fail_saves(world, "end of file while reading data");
	world_move(world, "db", 2, QUICK);
	world_settle(world, 10000);
	STORY(world, "");
	CU_ASSERT(world_has(world, "db", 1));
	CU_ASSERT_FALSE(world_is_saving(world, "db"));
	CLEAN(world);
	world_free(world);
}

/* It ends after all before it was called off: the guest is what it saved, not a cold start. */
static void test_late_save_ends(void)
{
	struct world *world = begin();

	world_save_slowly(world, true);
	world_move(world, "db", 2, QUICK);
	while (world_images(world) == 0 && world_step(world))
		;
	world_save_ends(world, "db");
	world_settle(world, 10000);
	STORY(world, "n1: db saved\nn2: db restored\nn2: db runs\n");
	CLEAN(world);
	world_free(world);
}

/* Not every node sees it, or can remove it: one that does is found. */
static void test_other_node(void)
{
	struct world *world = begin();

	world_lose_volume(world, 1, true);
	world_fail_drops(world, 2, "permission denied");
	world_move(world, "db", 3, QUICK);
	world_settle(world, 10000);
	CU_ASSERT(world_has(world, "db", 3));
	CLEAN(world);
	world_free(world);
}

/* As long as a node that could see it fails, nobody else's word counts; it is told once. */
static void test_failing(void)
{
	struct world *world = begin();

	world_lose_volume(world, 1, true);
	world_fail_drops(world, 2, "permission denied");
	world_fail_drops(world, 3, "permission denied");
	world_move(world, "db", 3, QUICK);
	world_settle(world, 200000);
	CU_ASSERT_EQUAL(world_images(world), 1);
	CU_ASSERT_EQUAL(on_record(world, 1), 1);
	CU_ASSERT_EQUAL(world_events(world, 1, "could not be removed by n2: permission denied"), 1);
	CU_ASSERT_EQUAL(world_events(world, 1, "could not be removed by"), 1);
	world_fail_drops(world, 3, NULL);
	world_settle(world, 700000);
	CLEAN(world);
	world_free(world);
}

/* db is on its way to n3, so many steps far. */
static struct world *begin_moving(unsigned steps)
{
	struct world *world = begin();

	world_move(world, "db", 3, QUICK);
	for (unsigned i = 0; i < steps && world_step(world); i++)
		;
	return world;
}

/* A daemon ends at any moment of it, and comes back later. */
static void test_crashes(void)
{
	for (unsigned steps = 0; steps < 90; steps++) {
		struct world *world = begin_moving(steps);
		unsigned node = steps % 3 + 1;

		world_kill_daemon(world, node);
		world_settle(world, 3000);
		world_start_daemon(world, node);
		world_settle(world, 60000);
		CU_ASSERT_NOT_EQUAL(world_runs(world, "db"), 0);
		CLEAN(world);
		world_free(world);
	}
}

/* The same for the agents, all of them: what they were asked for is asked of the next ones. */
static void test_agents_end(void)
{
	for (unsigned steps = 0; steps < 90; steps++) {
		struct world *world = begin_moving(steps);

		for (unsigned n = 1; n <= 3; n++)
			world_kill_agent(world, n);
		world_settle(world, 60000);
		CU_ASSERT_NOT_EQUAL(world_runs(world, "db"), 0);
		CLEAN(world);
		world_free(world);
	}
}

/* As above, but the node's power fails. */
static void test_deaths(void)
{
	for (unsigned steps = 0; steps < 90; steps++) {
		struct world *world = begin_moving(steps);

		world_kill_node(world, steps % 2 ? 1 : 3);
		world_settle(world, 60000);
		CU_ASSERT_NOT_EQUAL(world_runs(world, "db"), 0);
		CU_ASSERT_EQUAL(world_images(world), 0);
		CU_ASSERT_EQUAL(on_record(world, 2), 0);
		world_free(world);
	}
}

UNIT_MAIN("core/leftover", { "moved", test_moved }, { "stopped", test_stopped },
	  { "added_again", test_added_again }, { "given_up", test_given_up },
	  { "source_dies", test_source_dies }, { "late_save", test_late_save },
	  { "late_save_ends", test_late_save_ends }, { "other_node", test_other_node },
	  { "failing", test_failing }, { "crashes", test_crashes },
	  { "agents_end", test_agents_end }, { "deaths", test_deaths })
