/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The end of a live move: the copy runs only if its source has said that the guest stood still
 * there since it was copied. Where the source is gone without that word, the guest may have run on
 * and its disks may be newer than the copy; then it is started again from its disks.
 */
#include <stdio.h>
#include <string.h>

#include "tests/trace/world.h"
#include "tests/unit/story.h"
#include "tests/unit/unit.h"

#define CAUSE(x) WIRE__VM_REPORT__CAUSE__##x
#define PHASE(x) WIRE__VM__PHASE__##x

static Wire__Vm__Phase phase(struct world *world)
{
	return world_vm(world, "web1")->phase;
}

/*
 * On the way from n1 to n2 its copy is complete and the source has stopped. Either GO has just been
 * committed, or, COPYING, the destination's daemon died before it could say that it is ready.
 */
static struct world *moved_to(Wire__Vm__Phase wanted)
{
	struct world *world = world_new(3);

	world_add_vm(world, "web1", 512);
	world_settle(world, 2000);
	CU_ASSERT_EQUAL(world_runs(world, "web1"), 1);
	world_move(world, "web1", 2, WIRE__VM_MOVE__HOW__LIVE);
	CU_ASSERT_TRUE(world_until(world, "n1: web1 copies to n2"));
	while (world_runs(world, "web1") && world_step(world))
		;
	if (wanted == PHASE(COPYING))
		world_kill_daemon(world, 2);
	while (phase(world) != wanted && world_step(world))
		;
	CU_ASSERT_EQUAL(phase(world), wanted);
	world_story(world);
	return world;
}

static void settle(struct world *world)
{
	world_settle(world, 2000);
	if (!world_core(world, 2))
		world_start_daemon(world, 2);
	world_settle(world, 150000);
}

/* ready: the copy was owned by the destination already. */
static void expect_given_up(struct world *world, bool ready, const char *told)
{
	settle(world);
	STORY(world, told);
	CU_ASSERT_EQUAL(phase(world), PHASE(RUN));
	CU_ASSERT_EQUAL(world_vm(world, "web1")->n_maybe, 1);
	CU_ASSERT_EQUAL(world_events(world, 2, "ended on n1 while it was being moved to n2"), 1);
	CU_ASSERT_EQUAL(world_events(world, 2, "it may have run on there after it was copied"),
			ready);
	CU_ASSERT_STRING_EQUAL(world_vm(world, "web1")->detail, "");
	world_free(world);
}

static void expect_moved(struct world *world, const char *told)
{
	settle(world);
	STORY(world, told);
	CU_ASSERT_EQUAL(world_runs(world, "web1"), 2);
	CU_ASSERT_EQUAL(phase(world), PHASE(RUN));
	CU_ASSERT_EQUAL(world_events(world, 2, "while it was being moved"), 0);
	world_free(world);
}

/* Cut off, resumed by libvirt, fenced: the proof of its death says nothing of what it wrote. */
static void test_source_fenced(void)
{
	struct world *world = moved_to(PHASE(GO));

	world_kill_node(world, 1);
	expect_given_up(world, true,
			"power of n1 off, by n2\nn2: web1 killed\nn2: web1 starts\n");
}

static void test_source_boots(void)
{
	struct world *world = moved_to(PHASE(GO));

	world_kill_node(world, 1);
	world_start_node(world, 1);
	expect_given_up(world, true, "n2: web1 killed\nn1: web1 starts\n");
}

/* It ran on, unseen, and then it ended. */
static void test_guest_ends(void)
{
	static const Wire__VmReport__Cause causes[] = { CAUSE(UNKNOWN), CAUSE(GUEST_SHUTDOWN),
							CAUSE(CRASHED), CAUSE(KILLED),
							CAUSE(OUTSIDE) };

	for (size_t i = 0; i < ARRAY_SIZE(causes); i++) {
		struct world *world = moved_to(PHASE(GO));

		world_copy_ends(world, "web1", 1, causes[i]);
		expect_given_up(world, true, "n1: web1 ends\nn2: web1 killed\nn1: web1 starts\n");
		world = moved_to(PHASE(COPYING));
		world_copy_ends(world, "web1", 1, causes[i]);
		expect_given_up(world, false,
				"n1: web1 ends\nn2: web1 killed\nn1: web1 starts\n");
	}
}

/* libvirt itself has finished the move and ended the source, before or after GO. */
static void test_libvirt_ends_it(void)
{
	struct world *world = moved_to(PHASE(GO));

	world_copy_ends(world, "web1", 1, CAUSE(HANDED_OVER));
	expect_moved(world, "n1: web1 ends\nn2: web1 runs\n");
	world = moved_to(PHASE(COPYING));
	world_copy_ends(world, "web1", 1, CAUSE(HANDED_OVER));
	world_settle(world, 2000);
	CU_ASSERT_EQUAL(phase(world), PHASE(COPYING));
	CU_ASSERT_EQUAL(world_vm(world, "web1")->owner, 0);
	expect_moved(world, "n1: web1 ends\nn2: web1 runs\n");
}

/* It was handed over, but nobody is left who knows. */
static void test_agent_forgets(void)
{
	struct world *world = moved_to(PHASE(GO));

	world_stop_agent(world, 1);
	world_copy_ends(world, "web1", 1, CAUSE(HANDED_OVER));
	world_start_agent(world, 1);
	expect_given_up(world, true, "n1: web1 ends\nn2: web1 killed\nn1: web1 starts\n");
}

/* The source is gone in the right way before the destination's agent has told of the copy. */
static void test_destination_told_late(void)
{
	struct world *world = world_new(3);

	world_add_vm(world, "web1", 512);
	world_settle(world, 2000);
	world_silence_agent(world, 2, true);
	world_move(world, "web1", 2, WIRE__VM_MOVE__HOW__LIVE);
	CU_ASSERT_TRUE(world_until(world, "n1: web1 copies to n2"));
	while (world_runs(world, "web1") && world_step(world))
		;
	world_copy_ends(world, "web1", 1, CAUSE(HANDED_OVER));
	world_settle(world, 2000);
	CU_ASSERT_EQUAL(phase(world), PHASE(COPYING));
	CU_ASSERT_EQUAL(world_vm(world, "web1")->owner, 0);
	world_story(world);
	world_silence_agent(world, 2, false);
	world_kill_agent(world, 2);
	expect_moved(world, "n2: web1 runs\n");
}

UNIT_MAIN("core/handover", { "source_fenced", test_source_fenced },
	  { "source_boots", test_source_boots }, { "guest_ends", test_guest_ends },
	  { "libvirt_ends_it", test_libvirt_ends_it }, { "agent_forgets", test_agent_forgets },
	  { "destination_told_late", test_destination_told_late })
