/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stories of two voters: when one of them goes on alone, and when it waits. */
#include <stdio.h>
#include <string.h>

#include "tests/trace/world.h"
#include "tests/unit/story.h"
#include "tests/unit/unit.h"

static struct core_standing standing_of(struct world *world, unsigned node)
{
	struct core_standing standing = { 0 };

	if (world_core(world, node))
		core_standing(world_core(world, node), &standing);
	return standing;
}

static bool is_open(struct world *world, unsigned node)
{
	return standing_of(world, node).open;
}

static bool waits_because(struct world *world, unsigned node, const char *text)
{
	const char *why = standing_of(world, node).why_not;

	if (!is_open(world, node) && why && strstr(why, text))
		return true;
	fprintf(stderr, "n%u: open %d: %s\n", node, is_open(world, node), why ? why : "");
	return false;
}

static size_t voters(struct world *world, unsigned node)
{
	return state_cluster(core_state(world_core(world, node)))->n_voters;
}

/* Two nodes of which both vote, and a VM on each of these. */
static struct world *begin(unsigned first, unsigned second)
{
	struct world *world = world_new(2);

	CU_ASSERT_EQUAL(voters(world, 1), 2);
	for (unsigned i = 0; i < 2; i++) {
		const char *name = i ? "b" : "a";
		unsigned node = i ? second : first;

		if (!node)
			continue;
		world_add_vm(world, name, 512);
		world_settle(world, 5000);
		if (world_runs(world, name) != node)
			world_move(world, name, node, WIRE__VM_MOVE__HOW__LIVE);
		world_settle(world, 5000);
		CU_ASSERT(world_has(world, name, node));
	}
	world_story(world);
	return world;
}

/* The power of either fails: the other goes on, runs its VM, and takes it back in. */
static void test_power_fails(void)
{
	for (unsigned dead = 1; dead <= 2; dead++) {
		struct world *world = begin(dead, 0);
		unsigned other = 3 - dead;
		char expected[100];

		world_kill_node(world, dead);
		world_settle(world, 30000);
		snprintf(expected, sizeof(expected), "power of n%u off, by n%u\nn%u: a starts\n",
			 dead, other, other);
		STORY(world, expected);
		CU_ASSERT(is_open(world, other));
		CU_ASSERT_EQUAL(world_events(world, other, "goes on alone: n"), 1);
		CU_ASSERT_EQUAL(world_events(world, other, "is off, proven"), 1);
		CU_ASSERT_EQUAL(voters(world, other), 2);
		world_start_node(world, dead);
		world_settle(world, 20000);
		CU_ASSERT(is_open(world, 1) && is_open(world, 2));
		STORY(world, "");
		/* And once more, the other way round: the proof of then says nothing now. */
		world_kill_node(world, other);
		world_settle(world, 30000);
		snprintf(expected, sizeof(expected), "power of n%u off, by n%u\nn%u: a starts\n",
			 other, dead, dead);
		STORY(world, expected);
		world_free(world);
	}
}

/* The link is cut: the node with more VMs goes on; of equals the lower one. */
static void test_cut(void)
{
	static const struct {
		unsigned a, b, survivor;
	} cases[] = { { 0, 0, 1 }, { 1, 2, 1 }, { 2, 0, 2 }, { 2, 2, 2 }, { 1, 0, 1 } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world *world = begin(cases[i].a, cases[i].b);
		unsigned other = 3 - cases[i].survivor;
		char line[60];

		world_split(world, 1);
		world_settle(world, 30000);
		CU_ASSERT(is_open(world, cases[i].survivor));
		CU_ASSERT(!world_has_power(world, other));
		snprintf(line, sizeof(line), "power of n%u off", cases[i].survivor);
		CU_ASSERT_PTR_NULL(strstr(world_story(world), line));
		/* It boots before the link is mended: it has been shot, and waits. */
		world_start_node(world, other);
		world_settle(world, 100000);
		CU_ASSERT(is_open(world, cases[i].survivor));
		CU_ASSERT(world_has_power(world, cases[i].survivor));
		CU_ASSERT(waits_because(world, other, "it was not together with n"));
		world_split(world, 0);
		world_settle(world, 20000);
		CU_ASSERT(is_open(world, 1) && is_open(world, 2));
		world_free(world);
	}
}

/* Who was alone last goes on alone after a boot, too; who was not waits. */
static void test_boots(void)
{
	struct world *world = begin(1, 0);

	world_kill_node(world, 2);
	world_settle(world, 30000);
	world_kill_node(world, 1);
	world_story(world);
	world_start_node(world, 2);
	world_settle(world, 200000);
	STORY(world, "");
	CU_ASSERT(waits_because(world, 2, "no quorum: of the voters n2 and n1, n1 is not here"));
	CU_ASSERT(waits_because(world, 2, "start n1"));
	world_kill_node(world, 2);
	world_start_node(world, 1);
	/* It is off: nothing needs to be cut. */
	world_settle(world, 5000);
	STORY(world, "n1: a starts\n");
	CU_ASSERT(is_open(world, 1));
	CU_ASSERT_EQUAL(
		world_events(world, 1, "goes on alone: n2 was off, as is said by bmc-n2"), 1);
	world_start_node(world, 2);
	world_settle(world, 20000);
	CU_ASSERT(is_open(world, 1) && is_open(world, 2));
	/* Both have been in one epoch since: it is the holder no more. */
	world_kill_node(world, 1);
	world_kill_node(world, 2);
	world_start_node(world, 1);
	world_settle(world, 200000);
	CU_ASSERT(waits_because(world, 1, "it was not together with n2"));
	world_free(world);
}

/* One that boots may be slow: it is not cut off in the middle of that. */
static void test_holder_waits_for_a_boot(void)
{
	struct world *world = begin(1, 0);

	world_kill_node(world, 2);
	world_settle(world, 30000);
	world_kill_node(world, 1);
	world_story(world);
	world_split(world, 1);
	world_start_node(world, 2);
	world_start_node(world, 1);
	world_settle(world, 50000);
	STORY(world, "");
	CU_ASSERT(waits_because(world, 1, "bmc-n2: it is on"));
	world_settle(world, 30000);
	STORY(world, "power of n2 off, by n1\nn1: a starts\n");
	world_free(world);
}

/* What a daemon knew of the machine's boot, the next one knows. */
static void test_daemon_restarts(void)
{
	struct world *world = begin(2, 0);

	world_kill_daemon(world, 1);
	world_settle(world, 30000);
	/* In the ring, it may only be restarted: its power is not cut. */
	STORY(world, "");
	CU_ASSERT(waits_because(world, 2, "its corosync answers, its clusterd does not"));
	world_kill_node(world, 2);
	world_start_daemon(world, 1);
	world_settle(world, 5000);
	STORY(world, "n1: a starts\n");
	CU_ASSERT(is_open(world, 1));
	world_free(world);
}

/* It is back before the round without it is closed: that round is nobody's. */
static void test_back_too_early(void)
{
	for (unsigned steps = 0; steps < 12; steps++) {
		struct world *world = begin(0, 0);

		world_split(world, 2);
		CU_ASSERT(world_until(world, "power of n2 off, by n1"));
		for (unsigned i = 0; i < steps; i++)
			world_step(world);
		world_split(world, 0);
		world_start_node(world, 2);
		world_settle(world, 30000);
		CU_ASSERT(is_open(world, 1) && is_open(world, 2));
		world_free(world);
	}
}

/* READY is not OPEN: the other need not have promised that epoch, and may know more some day. */
static void test_ready_is_not_open(void)
{
	unsigned waited = 0, went_on = 0;

	for (unsigned steps = 0; steps < 60; steps++) {
		struct world *world = begin(0, 0);
		bool seen = false;

		world_kill_node(world, 1);
		world_settle(world, 30000);
		world_start_node(world, 1);
		for (unsigned i = 0; i < steps && !seen; i++) {
			world_step(world);
			seen = is_open(world, 1);
		}
		world_kill_node(world, 2);
		world_settle(world, 100000);
		CU_ASSERT_EQUAL(is_open(world, 1), seen);
		waited += !seen;
		went_on += seen;
		world_free(world);
	}
	CU_ASSERT(waited > 5 && went_on > 5);
}

/* No answer is no proof, however often it is asked. */
static void test_no_answer(void)
{
	struct world *world = begin(1, 0);

	world_fence_fails(world, "cannot be reached");
	world_kill_node(world, 2);
	world_settle(world, 300000);
	STORY(world, "");
	CU_ASSERT(waits_because(world, 1, "device bmc-n2: cannot be reached; asked again at"));
	world_fence_fails(world, NULL);
	world_settle(world, 130000);
	STORY(world, "power of n2 off, by n1\n");
	CU_ASSERT(is_open(world, 1));
	world_free(world);
}

/* Each has shot the other: both wait for each other, and go on together. */
static void test_both_shot(void)
{
	struct world *world = begin(1, 2);

	world_fence_fails(world, "cannot be reached");
	world_split(world, 1);
	world_settle(world, 10000);
	world_fence_fails(world, NULL);
	world_kill_node(world, 1);
	world_kill_node(world, 2);
	world_story(world);
	world_start_node(world, 1);
	world_start_node(world, 2);
	world_settle(world, 300000);
	STORY(world, "");
	CU_ASSERT(waits_because(world, 1, "it was not together with n2"));
	CU_ASSERT(waits_because(world, 2, "it was not together with n1"));
	world_split(world, 0);
	world_settle(world, 30000);
	CU_ASSERT(is_open(world, 1) && is_open(world, 2));
	world_free(world);
}

/* A clean stop is no death: its guests run on, so its device is only asked. */
static void test_clean_leave(void)
{
	struct world *world = begin(2, 0);

	world_stop_daemon(world, 2);
	world_settle(world, 5000);
	world_story(world);
	world_split(world, 1);
	world_settle(world, 60000);
	STORY(world, "");
	CU_ASSERT(waits_because(world, 1, "bmc-n2: it is on"));
	world_kill_node(world, 2);
	world_settle(world, 130000);
	STORY(world, "n1: a starts\n");
	CU_ASSERT(is_open(world, 1));
	world_free(world);
}

/* A node without a device is not two's: nobody else may vote. */
static void test_devices_make_voters(void)
{
	struct world *world = begin(1, 0);
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceRemove remove = WIRE__FENCE_REMOVE__INIT;

	remove.name = (char *)"bmc-n1";
	command.body_case = WIRE__COMMAND__BODY_FENCE_REMOVE;
	command.fence_remove = &remove;
	world_ask(world, 1, &command);
	world_settle(world, 5000);
	CU_ASSERT_EQUAL(voters(world, 1), 1);
	CU_ASSERT_EQUAL(state_cluster(core_state(world_core(world, 1)))->voters[0], 1);
	/* As it was of old: the one that votes goes on, the other one waits. */
	world_kill_node(world, 1);
	world_settle(world, 60000);
	CU_ASSERT(waits_because(world, 2, "no quorum"));
	world_free(world);
}

UNIT_MAIN("core/solo", { "power fails", test_power_fails }, { "cut", test_cut },
	  { "boots", test_boots }, { "holder waits for a boot", test_holder_waits_for_a_boot },
	  { "daemon restarts", test_daemon_restarts }, { "back too early", test_back_too_early },
	  { "ready is not open", test_ready_is_not_open },
	  { "no answer", test_no_answer }, { "both shot", test_both_shot },
	  { "clean leave", test_clean_leave },
	  { "devices make voters", test_devices_make_voters })
